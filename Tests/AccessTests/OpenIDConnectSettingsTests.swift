// The settings of openid-connect: every field known, what is unsafe or unserved refused.
import Gateway
import JSON
import Testing

@testable import Access

struct OpenIDConnectSettingsTests {
    private func errors(_ config: [String: JSONValue]) -> [String] {
        let base: [String: JSONValue] = ["issuer": "https://id.example", "client_id": ["app"]]
        let json = JSONValue.object(base.merging(config) { _, new in new }.filter { !$0.value.isNull })
        do throws(ConfigurationError) {
            let settings = try Settings(json, schema: OpenIDConnectFields.all)
            _ = try OpenIDConnectSettings(settings)
            return []
        } catch {
            return error.diagnostics.filter { $0.severity == .error }.map(\.message)
        }
    }

    @Test func `every field has a name of its own and a line of help`() {
        let names = OpenIDConnectFields.all.map(\.name)
        #expect(Set(names).count == names.count)
        // Kong's 234, and ours.
        let ours = [
            "access_token_profile", "acr_values", "client_assertion_audience", "client_key",
            "csrf_protection", "csrf_token", "csrf_token_cookie_name", "csrf_token_header_name",
            "csrf_trusted_origins", "kept_body_bytes", "login_title",
            "protected_resource_metadata", "stream_leeway", "upstream_identity_audience",
            "upstream_identity_claims",
            "upstream_identity_header", "upstream_identity_lifetime",
        ]
        #expect(names.count == 234 + ours.count)
        #expect(ours.allSatisfy(names.contains))
        #expect(OpenIDConnectFields.all.allSatisfy { !$0.help.isEmpty && $0.help.hasSuffix(".") })
    }

    @Test func `an issuer and a client are enough`() {
        #expect(errors([:]) == [])
    }

    // V11
    @Test(
        arguments: [
            ("verify_signature", false, "verify_signature: must be true"),
            ("verify_claims", false, "verify_claims: must be true"),
            ("verify_nonce", false, "verify_nonce: must be true"),
            ("introspection_check_active", false, "introspection_check_active: must be true"),
            ("session_cookie_http_only", false, "session_cookie_http_only: must be true"),
            (
                "ignore_signature", ["session"],
                "ignore_signature: must be empty; signatures are always verified"
            ),
            (
                "login_tokens", ["id_token"],
                "login_tokens: must be empty; tokens never go into a URL or to the browser"
            ),
            (
                "bearer_token_param_type", ["header", "query"],
                "bearer_token_param_type: 'query' is refused: credentials never stand in a URL"
            ),
            (
                "password_param_type", ["query"],
                "password_param_type: 'query' is refused: credentials never stand in a URL"
            ),
            ("password_param_type", ["body"], "password_param_type: 'body' is not served yet"),
            ("auth_methods", ["kong_oauth2"], "auth_methods: 'kong_oauth2' is not served yet"),
            ("auth_methods", [], "auth_methods: must not be empty"),
            ("response_mode", "fragment", "response_mode: 'fragment': a fragment never reaches a gateway"),
            (
                "session_storage", "memcached",
                "session_storage: 'memcached' is not served yet; expected cookie or redis"
            ),
            ("login_action", "response", "login_action: 'response' is not served yet"),
            (
                "client_auth", ["private_key_jwt"],
                "client_jwk: a private key is required for private_key_jwt, here or in client_key"
            ),
            ("client_auth", ["client_secret_jwt"], "client_secret: is required for client_secret_jwt"),
            (
                "introspection_endpoint_auth_method", "tls_client_auth",
                "tls_client_auth_cert_id: is required: the id of the certificate that is shown"
            ),
            (
                "introspection_headers_names", ["x-a"],
                "introspection_headers_values: expected as many entries as introspection_headers_names has (1)"
            ),
            (
                "introspection_headers_client", ["Authorization"],
                "introspection_headers_client: 'Authorization' is ours, or no name of a field"
            ),
            (
                "introspection_post_args_client", ["client_id"],
                "introspection_post_args_client: 'client_id' is ours"
            ),
            ("cache_ttl_neg", -1, "cache_ttl_neg: must not be negative"),
            (
                "bearer_token_param_type", ["cookie"],
                "bearer_token_cookie_name: expected the name of the cookie that carries the token"
            ),
            (
                "bearer_token_cookie_name", "access",
                "bearer_token_param_type: has no 'cookie' though bearer_token_cookie_name is written"
            ),
            (
                "proof_of_possession_dpop", "strict",
                "auth_methods: 'authorization_code' shows no proof of possession; write auth_methods: [bearer], or proof_of_possession_auth_methods_validation: false where others may pass without one"
            ),
            ("dpop_proof_lifetime", 0, "dpop_proof_lifetime: expected 1 to 3600 seconds"),
            ("dpop_proof_lifetime", 3601, "dpop_proof_lifetime: expected 1 to 3600 seconds"),
            (
                "proof_of_possession_mtls_from_header", ["certificate_header_name": "x-cert"],
                "proof_of_possession_mtls_from_header: is read only with proof_of_possession_mtls: optional or strict"
            ),
            ("acr_values", [], "acr_values: must not be empty; leave it out instead"),
            (
                "acr_values", ["a b"],
                "acr_values: expected visible ASCII without spaces, quotes and backslashes"
            ),
            ("max_age", -1, "max_age: expected whole seconds, not negative"),
            ("max_age", 1.5, "max_age: expected whole seconds, not negative"),
            (
                "protected_resource_metadata", ["resource": "http://api.example"],
                "protected_resource_metadata: resource: expected an https URL without query and fragment"
            ),
            (
                "protected_resource_metadata", ["resource": "https://api.example/?q"],
                "protected_resource_metadata: resource: expected an https URL without query and fragment"
            ),
            ("scopes_required", [], "scopes_required: must not be empty; leave it out instead"),
            ("groups_required", [" "], "groups_required: holds an empty item"),
            (
                "upstream_headers_claims", ["sub"],
                "upstream_headers_names: expected as many entries as upstream_headers_claims has (1)"
            ),
            (
                "upstream_id_token_header", "a b",
                "upstream_id_token_header: expected the name of a field, with ':bearer' where the scheme shall be added"
            ),
            (
                "upstream_user_info_header", "host",
                "upstream_headers: 'host' is the proxy's own and cannot carry an identity"
            ),
            (
                "session_secret", "short",
                "session_secret: is too short; expected at least 16 octets, better 32 random ones"
            ),
            (
                "session_cookie_same_site", "None",
                "session_cookie_same_site: None needs session_cookie_secure: true"
            ),
            (
                "redirect_uri", ["/cb"],
                "redirect_uri: expected an absolute http or https URL without a fragment"
            ),
            ("leeway", -1, "leeway: must not be negative"),
            (
                "authorization_rolling_timeout", 601,
                "authorization_rolling_timeout: expected a number from 1 to 600"
            ),
            (
                "session_memcached_host", "cache",
                "'session_memcached_host' is known, but not served yet; remove it"
            ),
            ("jwks_endpoint", "https://i/k", "jwks_endpoint: is read only with using_pseudo_issuer: true"),
            (
                "using_pseudo_issuer", true,
                "jwks_endpoint: or extra_jwks_uris is required with using_pseudo_issuer"
            ),
        ] as [(String, JSONValue, String)]
    )
    func `what is unsafe or not served is an error that says so`(
        _ field: String,
        _ value: JSONValue,
        _ message: String
    ) {
        #expect(errors([field: value]) == [message])
    }

    @Test func `a template is no issuer, and the error names the tenant's URL`() {
        let errors = errors(["issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"])
        #expect(errors.count == 1)
        #expect(errors[0].contains("https://login.microsoftonline.com/TENANT-ID/v2.0"))
    }

    // J9
    @Test func `whose tokens are taken must be said`() {
        let none: [String: JSONValue] = ["client_id": .null, "auth_methods": ["bearer"]]
        #expect(
            errors(none) == [
                "audience_required: bearer tokens need audience_required or client_id; write audience_required: [] to take any audience"
            ]
        )
        #expect(errors(none.merging(["audience_required": []]) { $1 }) == [])
        #expect(errors(none.merging(["audience_required": ["api"]]) { $1 }) == [])
        #expect(errors(["auth_methods": ["bearer"]]) == [])
    }

    @Test func `a login needs a client`() {
        #expect(
            errors(["client_id": .null, "auth_methods": ["authorization_code", "session"]]) == [
                "client_id: auth method authorization_code needs it"
            ]
        )
    }

    // A13
    @Test func `passwords and clients' secrets are taken only when named, with a warning`() throws {
        func read(_ config: JSONValue) throws -> OpenIDConnectSettings {
            try OpenIDConnectSettings(try Settings(config, schema: OpenIDConnectFields.all))
        }
        let usual = try read(["issuer": "https://id.example", "client_id": ["app"]])
        #expect(usual.methods == [.authorizationCode, .session, .refreshToken, .bearer])
        #expect(usual.warnings == [])
        let named = try read([
            "issuer": "https://id.example", "client_id": ["app"], "auth_methods": ["password"],
        ])
        #expect(named.warnings.map(\.severity) == [.warning])
        let loose = try read(["issuer": "https://id.example", "client_id": ["app"], "ssl_verify": false])
        #expect(loose.warnings.count == 1)
    }
}
