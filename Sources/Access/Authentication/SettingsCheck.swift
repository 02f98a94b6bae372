// What may stand in the settings of openid-connect, beyond types.
import Gateway
import Proxy

/// Gathers what is wrong with the settings, so that the user sees all of it in one go.
struct SettingsCheck {
    let settings: Settings
    private(set) var diagnostics: [Diagnostic] = []

    init(_ settings: Settings) {
        self.settings = settings
    }

    /// The error that all findings make, if there is an error among them.
    var error: ConfigurationError? {
        diagnostics.contains { $0.severity == .error } ? ConfigurationError(diagnostics) : nil
    }

    /// The findings that do not forbid to serve.
    var warnings: [Diagnostic] { diagnostics.filter { $0.severity == .warning } }

    mutating func fail(_ field: String, _ message: String) {
        diagnostics.append(Diagnostic(.error, at: settings.position(of: field), "\(field): \(message)"))
    }

    mutating func warn(_ field: String, _ message: String) {
        diagnostics.append(Diagnostic(.warning, at: settings.position(of: field), "\(field): \(message)"))
    }

    // MARK: What is refused

    /// Values that would switch a check off, put secrets into URLs, or are not served yet.
    mutating func refuseUnsafe() {
        for field in [
            "verify_signature", "verify_claims", "verify_nonce", "introspection_check_active",
            "session_cookie_http_only", "authorization_cookie_http_only",
        ] where settings.boolean(field) == false {
            fail(field, "must be true")
        }
        if !(settings.strings("ignore_signature") ?? []).isEmpty {
            fail("ignore_signature", "must be empty; signatures are always verified")
        }
        if !(settings.strings("login_tokens") ?? []).isEmpty {
            fail("login_tokens", "must be empty; tokens never go into a URL or to the browser")
        }
        if settings.boolean("ssl_verify") == false {
            warn("ssl_verify", "the issuer's certificate is not verified; use trusted_ca_file instead")
        }
        for field in [
            "bearer_token_param_type", "client_credentials_param_type", "password_param_type",
            "refresh_token_param_type",
        ] {
            let types = settings.strings(field) ?? []
            if types.contains("query") { fail(field, "'query' is refused: credentials never stand in a URL") }
            if types.contains("body"), field != "bearer_token_param_type" {
                fail(field, "'body' is not served yet")
            }
            if types.isEmpty { fail(field, "expected [header], found an empty list") }
        }
    }

    /// Choices of which we serve one.
    mutating func refuseOtherChoices() {
        if settings.strings("response_type") ?? [] != ["code"] { fail("response_type", "must be [code]") }
        if settings.strings("login_methods") ?? [] != ["authorization_code"] {
            fail("login_methods", "must be [authorization_code]")
        }
        if settings.string("login_action") == "response" {
            fail("login_action", "'response' is not served yet")
        }
        for word in settings.strings("auth_methods") ?? [] where AuthenticationMethod.notYet.contains(word) {
            fail("auth_methods", "'\(word)' is not served yet")
        }
        if settings.strings("disable_session")?.contains("authorization_code") == true {
            fail("disable_session", "a login without a session is not served yet")
        }
    }

    private mutating func only(_ field: String, _ word: String) {
        guard let written = settings.string(field), written != word else { return }
        fail(field, "'\(written)' is not served yet; expected \(word)")
    }

    // MARK: What must be there

    /// Whose tokens are taken must be said (security row J9).
    mutating func requireAudience(_ methods: AuthenticationMethods) {
        let hasRule = settings.wrote("audience_required") || !(settings.strings("client_id") ?? []).isEmpty
        if methods.contains(.bearer), !hasRule {
            fail(
                "audience_required",
                "bearer tokens need audience_required or client_id; write audience_required: [] to take any audience"
            )
        }
        if methods.contains(.bearer), settings.wrote("issuers_allowed"), !settings.wrote("audience_required")
        {
            warn(
                "issuers_allowed",
                "another issuer may have a client of the same name as ours; write audience_required"
            )
        }
        if methods.contains(.userinfo), !settings.wrote("audience_required") {
            fail(
                "audience_required",
                "userinfo does not say whom a token is for; write audience_required: [] to take any client's tokens"
            )
        }
        let needsClient: [AuthenticationMethod] = [
            .authorizationCode, .password, .refreshToken, .introspection, .userinfo,
        ]
        guard (settings.strings("client_id") ?? []).isEmpty else { return }
        // Kong's default methods stand for themselves: who names none of ours to write meant what can work.
        guard settings.wrote("auth_methods") else { return }
        for method in needsClient where methods.contains(method) {
            fail("client_id", "auth method \(method.rawValue) needs it")
        }
    }

    /// Lists that would let everyone or no one pass by mistake (security row P8).
    mutating func requireItems() {
        for field in ["scopes_required", "roles_required", "groups_required", "audience_required", "domains"]
        {
            guard settings.wrote(field), let items = settings.strings(field) else { continue }
            if items.isEmpty, field != "audience_required" {
                fail(field, "must not be empty; leave it out instead")
            }
            if items.contains(where: { ClaimRule.words($0).isEmpty }) { fail(field, "holds an empty item") }
        }
        for field in ["scopes_claim", "roles_claim", "groups_claim", "audience_claim", "credential_claim"] {
            if let path = settings.strings(field), path.isEmpty || path.contains("") {
                fail(field, "expected the names on the way to a claim")
            }
        }
        if settings.wrote("auth_methods"), (settings.strings("auth_methods") ?? []).isEmpty {
            fail("auth_methods", "must not be empty")
        }
    }

    /// Pairs of lists, and names of fields.
    mutating func requirePairs() {
        let pairs = [
            ("upstream_headers_claims", "upstream_headers_names"),
            ("downstream_headers_claims", "downstream_headers_names"),
            ("discovery_headers_names", "discovery_headers_values"),
            ("authorization_query_args_names", "authorization_query_args_values"),
            ("token_post_args_names", "token_post_args_values"),
            ("token_headers_names", "token_headers_values"),
            ("introspection_headers_names", "introspection_headers_values"),
            ("introspection_post_args_names", "introspection_post_args_values"),
            ("userinfo_headers_names", "userinfo_headers_values"),
            ("userinfo_query_args_names", "userinfo_query_args_values"),
        ]
        for (one, other) in pairs {
            let counts = ((settings.strings(one) ?? []).count, (settings.strings(other) ?? []).count)
            if counts.0 != counts.1 { fail(other, "expected as many entries as \(one) has (\(counts.0))") }
        }
    }

    /// Arguments that the token request has of its own.
    static let ownTokenArguments = [
        "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "username", "password",
        "client_id", "client_secret", "client_assertion", "client_assertion_type",
    ]

    /// What the token request has of its own cannot be written a second time (security rows A15, S6).
    mutating func requireOtherNames() {
        for name in settings.strings("token_post_args_names") ?? []
        where Self.ownTokenArguments.contains(name) {
            fail("token_post_args_names", "'\(name)' is the gateway's own to write")
        }
        let ownFields = [
            "authorization", "content-type", "content-length", "transfer-encoding", "host", "connection",
            "accept",
        ]
        for name in settings.strings("token_headers_names") ?? [] {
            if FieldName(name) == nil {
                fail("token_headers_names", "expected names of fields")
            } else if ownFields.contains(name.lowercased()) {
                fail("token_headers_names", "'\(name)' is the gateway's own to write")
            }
        }
        for value in settings.strings("token_headers_values") ?? []
        where value.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) {
            fail("token_headers_values", "a value holds a control character")
        }
    }

    /// Numbers that must make sense.
    mutating func requireNumbers() {
        for field in [
            "leeway", "session_idling_timeout", "session_rolling_timeout", "session_absolute_timeout",
            "cache_ttl", "cache_ttl_max", "cache_ttl_min", "cache_ttl_neg", "cache_ttl_resurrect",
            "rediscovery_lifetime", "session_remember_rolling_timeout", "session_remember_absolute_timeout",
        ] {
            if let number = settings.number(field), number < 0 { fail(field, "must not be negative") }
        }
        if let leeway = settings.number("leeway"), leeway > 300 {
            fail("leeway", "must be at most 300 seconds")
        }
        if let bytes = settings.number("kept_body_bytes"), !(0...1_048_576).contains(bytes) {
            fail("kept_body_bytes", "expected a number from 0 to 1048576")
        }
        if let timeout = settings.number("timeout"), timeout <= 0 { fail("timeout", "must be positive") }
        if let limit = settings.number("authorization_rolling_timeout"), limit <= 0 || limit > 600 {
            fail("authorization_rolling_timeout", "expected a number from 1 to 600")
        }
    }
}
