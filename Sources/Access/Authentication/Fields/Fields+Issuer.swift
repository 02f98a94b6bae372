// Fields of openid-connect: the issuer and the way to it; who we are to the issuer.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// How a client may show an endpoint who it is (OIDC Core §9, RFC 8705).
    private static let clientAuthenticationMethods = [
        "client_secret_basic", "client_secret_jwt", "client_secret_post", "none", "private_key_jwt",
        "self_signed_tls_client_auth", "tls_client_auth",
    ]

    /// Fields about the issuer and the way to it.
    static let issuer: [FieldSchema] = [
        field("authorization_endpoint", .string, "Authorization endpoint, instead of the discovered one."),
        field(
            "discovery_headers_names",
            .list(.string),
            "Names of request fields for the discovery request."
        ),
        field("discovery_headers_values", .list(.string), "Values of those fields, in the same order."),
        field("end_session_endpoint", .string, "End-session endpoint, instead of the discovered one."),
        field("extra_jwks_uris", .list(.string), "More key sets of the issuer; file:// is allowed here."),
        field("http_proxy", .string, "Proxy for requests to the issuer."),
        field("http_proxy_authorization", .string, secret: true, "Credential for that proxy."),
        field(
            "http_version",
            .number,
            default: 1.1,
            status: .inert,
            "Version of HTTP towards the issuer; the best that both speak is used."
        ),
        field("https_proxy", .string, "Proxy for requests to the issuer."),
        field("https_proxy_authorization", .string, secret: true, "Credential for that proxy."),
        field(
            "introspection_endpoint",
            .string,
            "Introspection endpoint, instead of the discovered one."
        ),
        field(
            "issuer",
            .string,
            required: true,
            "The issuer: its discovery document is fetched from here; a trailing well-known path is cut."
        ),
        field(
            "issuers_allowed",
            .list(.string),
            "Other issuers whose tokens are taken; each is discovered and has keys of its own."
        ),
        field(
            "jwks_endpoint",
            .string,
            "Where the issuer's keys are when discovery is off; file:// is allowed here."
        ),
        field(
            "keepalive",
            .boolean,
            default: true,
            status: .inert,
            "Whether connections to the issuer are kept; they are."
        ),
        field(
            "mtls_introspection_endpoint",
            .string,
            "Introspection endpoint for clients that show a certificate, instead of the discovered one."
        ),
        field(
            "mtls_revocation_endpoint",
            .string,
            "Revocation endpoint for clients that show a certificate, instead of the discovered one."
        ),
        field(
            "mtls_token_endpoint",
            .string,
            "Token endpoint for clients that show a certificate, instead of the discovered one."
        ),
        field("no_proxy", .string, "Hosts that are reached without the proxy, by commas."),
        field(
            "pushed_authorization_request_endpoint",
            .string,
            "Pushed authorization request endpoint."
        ),
        field(
            "rediscovery_lifetime",
            .number,
            default: 30,
            "Seconds between two fetches of an issuer's metadata or keys that a request caused."
        ),
        field(
            "revocation_endpoint",
            .string,
            "Revocation endpoint, instead of the discovered one."
        ),
        field(
            "ssl_verify",
            .boolean,
            default: true,
            "Whether the certificates of the issuer are verified; false is a warning."
        ),
        field("timeout", .number, default: 10000, "Milliseconds a request to the issuer may take."),
        field("token_endpoint", .string, "Token endpoint, instead of the discovered one."),
        field("token_exchange_endpoint", .string, status: .notYet, "Token exchange endpoint."),
        field("userinfo_endpoint", .string, "Userinfo endpoint, instead of the discovered one."),
        field(
            "using_pseudo_issuer",
            .boolean,
            default: false,
            "No discovery: the issuer is only a name, and jwks_endpoint holds its keys."
        ),
    ]

    /// Fields about who we are to the issuer.
    static let client: [FieldSchema] = [
        field(
            "client_alg",
            .list(.string),
            oneOf: [
                "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512", "PS256", "PS384", "PS512",
                "RS256", "RS384", "RS512",
            ],
            "Algorithm of the client's assertions; else what fits the key."
        ),
        field(
            "client_arg",
            .string,
            default: "client_id",
            status: .notYet,
            "Request argument that chooses among several clients."
        ),
        field(
            "client_assertion_audience",
            .string,
            default: "issuer",
            oneOf: ["endpoint", "issuer"],
            "Whom the client's assertions are for: the issuer, or the URL of the endpoint that is asked."
        ),
        field(
            "client_auth",
            .list(.string),
            oneOf: clientAuthenticationMethods,
            "How the client authenticates at the issuer, in the order of client_id."
        ),
        field(
            "client_id",
            .list(.string),
            "The client's identifiers at the issuer; the first one logs in."
        ),
        field(
            "client_jwk",
            .list(.record(clientJwkFields)),
            "Private keys of the client's assertions, in the order of client_id; for private_key_jwt."
        ),
        field(
            "client_key",
            .list(.string),
            secret: true,
            "Private keys of the client's assertions in PEM, instead of client_jwk."
        ),
        field(
            "client_secret",
            .list(.string),
            secret: true,
            "The client's secrets, in the order of client_id."
        ),
        field(
            "introspection_endpoint_auth_method",
            .string,
            oneOf: clientAuthenticationMethods,
            "How the client authenticates at the introspection endpoint; else as at the token endpoint."
        ),
        field(
            "pushed_authorization_request_endpoint_auth_method",
            .string,
            oneOf: clientAuthenticationMethods,
            "How the client authenticates at this endpoint."
        ),
        field(
            "revocation_endpoint_auth_method",
            .string,
            oneOf: clientAuthenticationMethods,
            "How the client authenticates at the revocation endpoint; as at the token endpoint if unwritten."
        ),
        field(
            "tls_client_auth_cert_id",
            .string,
            "`id` of the certificate that the client shows to the issuer, of those under `certificates`."
        ),
        field(
            "tls_client_auth_ssl_verify",
            .boolean,
            default: true,
            "Whether the issuer's certificate is verified where ours is shown; false is a warning."
        ),
        field(
            "token_endpoint_auth_method",
            .string,
            oneOf: clientAuthenticationMethods,
            "How the client authenticates at the token endpoint."
        ),
    ]
}
