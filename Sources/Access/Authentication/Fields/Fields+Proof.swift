// Fields of openid-connect: tokens that are bound to their holder, how users proved who they are, what clients are told.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about what a token and whoever shows it have to prove.
    static let proof: [FieldSchema] = [
        field(
            "access_token_profile",
            .string,
            default: "any",
            oneOf: ["any", "rfc9068"],
            "Ours: `rfc9068` takes access tokens by RFC 9068 alone: `typ: at+jwt`, and all its required claims."
        ),
        field(
            "acr_values",
            .list(.string),
            "Ours: authentication contexts, of which `acr` must be one; else a login or a challenge asks for them."
        ),
        field(
            "dpop_proof_lifetime",
            .number,
            default: 300,
            "Seconds after its `iat` that a DPoP proof is good for."
        ),
        field(
            "dpop_use_nonce",
            .boolean,
            default: false,
            "Whether DPoP proofs must carry a nonce of ours (`DPoP-Nonce`)."
        ),
        field(
            "max_age",
            .number,
            "Seconds since `auth_time`, at most; else a login or a challenge asks for a new authentication."
        ),
        field(
            "proof_of_possession_auth_methods_validation",
            .boolean,
            default: true,
            "Whether auth_methods that show no proof are an error where proofs are asked for."
        ),
        field(
            "proof_of_possession_dpop",
            .string,
            default: "off",
            oneOf: ["off", "optional", "strict"],
            "Proofs of tokens bound to a key: `optional` where a token is bound, `strict` takes no other token. `off`, where it is written, lets bound tokens pass without one; where nothing is written they are refused."
        ),
        field(
            "proof_of_possession_mtls",
            .string,
            default: "off",
            oneOf: ["off", "optional", "strict"],
            "The same for tokens that are bound to the client's certificate."
        ),
        field(
            "proof_of_possession_mtls_from_header",
            .record(proofOfPossessionMtlsFromHeaderFields),
            "Where a proxy of `trusted_ips` that ends TLS tells of the client's certificate; nobody else is believed."
        ),
        field(
            "protected_resource_metadata",
            .record(resourceMetadataFields),
            "Ours: serves the resource's metadata (RFC 9728), and names them in challenges."
        ),
    ]

    /// Fields of `proof_of_possession_mtls_from_header`.
    private static let proofOfPossessionMtlsFromHeaderFields: [FieldSchema] = [
        field(
            "allow_partial_chain",
            .boolean,
            default: false,
            status: .inert,
            "The certificate is compared with the token alone."
        ),
        field("ca_certificates", .list(.string), status: .notYet, "Authorities of the certificate."),
        field("cert_cache_ttl", .number, default: 60000, status: .inert, "Nothing is kept."),
        field(
            "certificate_header_format",
            .string,
            default: "url_encoded",
            oneOf: ["base64_encoded", "url_encoded"],
            "`url_encoded`: percent-encoded PEM, as `$ssl_client_escaped_cert` of nginx. `base64_encoded`: base64 of DER or PEM; between colons it is `Client-Cert` of RFC 9440."
        ),
        field("certificate_header_name", .string, "Name of the field."),
        field("http_proxy_host", .string, status: .notYet, "Proxy of revocation checks."),
        field("http_proxy_port", .integer, status: .notYet, "Proxy of revocation checks."),
        field("http_timeout", .number, default: 30000, status: .inert, "Revocation is not checked."),
        field("https_proxy_host", .string, status: .notYet, "Proxy of revocation checks."),
        field("https_proxy_port", .integer, status: .notYet, "Proxy of revocation checks."),
        field(
            "revocation_check_mode",
            .string,
            default: "IGNORE_CA_ERROR",
            oneOf: ["IGNORE_CA_ERROR", "SKIP", "STRICT"],
            "Must not be STRICT: whoever ends TLS checks revocation."
        ),
        field("secure_source", .boolean, default: true, "Must stay true."),
        field("ssl_verify", .boolean, default: true, status: .inert, "Revocation is not checked."),
    ]

    /// Fields of `protected_resource_metadata`.
    private static let resourceMetadataFields: [FieldSchema] = [
        field(
            "authorization_servers",
            .list(.string),
            "Issuers that give out tokens for the resource; by default `issuer` and `issuers_allowed`."
        ),
        field(
            "resource",
            .string,
            "The resource's identifier, an https URL; its metadata is at `/.well-known/oauth-protected-resource` with its path behind."
        ),
        field("resource_documentation", .string, "A page for developers."),
        field("resource_name", .string, "A name for people."),
        field("resource_policy_uri", .string, "A page about what may be done with the data."),
        field("resource_tos_uri", .string, "The terms of service."),
        field(
            "scopes_supported",
            .list(.string),
            "Scopes that the resource knows; by default the words of `scopes_required`."
        ),
    ]
}
