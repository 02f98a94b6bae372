// The settings of one openid-connect instance, read and checked.
package import Gateway
import JSON
import Proxy

/// What one instance of `openid-connect` was told, in the shape in which it is asked for.
package struct OpenIDConnectSettings: Sendable {
    /// The issuer and the way to it.
    package let issuer: IssuerChoice
    /// Who we are to the issuer; nil where only bearer tokens are taken.
    package let client: ClientChoice?
    /// Which ways are open.
    package let methods: AuthenticationMethods
    /// The login's settings.
    package let login: LoginChoice
    /// The session's settings.
    package let session: SessionChoice
    /// The rules on claims.
    package let policy: ClaimPolicy
    /// From claims to a consumer.
    package let consumerRule: ConsumerRule
    /// Audiences that a bearer token must be for by RFC 7519 §4.1.3; nil where a rule or nobody asks.
    package let bearerAudiences: [String]?
    /// Seconds by which clocks may differ.
    package let leeway: Double
    /// Fields besides `authorization` that carry a bearer token.
    let bearerFields: [FieldName]
    /// Fields that carry a refresh token.
    let refreshTokenFields: [FieldName]
    /// Members of `cnf` for which the route itself waived the proof, by `proof_of_possession_*: off`.
    package let waivedProofs: Set<String>
    /// Name of the consumer who stands in for nobody.
    let anonymous: String?
    /// Path of the claim for `X-Credential-Identifier`.
    let credentialPath: [String]
    /// Path of the claim for `X-Authenticated-Groups`.
    let authenticatedGroupsPath: [String]?
    /// Path of the claim that holds the groups.
    let groupsPath: [String]
    let upstream: IdentityFields
    let downstream: IdentityFields
    /// Takes every field away in which a credential may stand, where credentials are hidden.
    let credentialRemovals: FieldEdits
    let runsOnPreflight: Bool
    let displaysErrors: Bool
    let endsSessionOnForbidden: Bool
    let endsSessionOnUnauthorized: Bool
    let unauthorizedMessage: String
    let forbiddenMessage: String
    let searchesUserInfo: Bool
    /// How long grants are kept.
    let cache: CacheChoice
    let challenge: Challenge
    /// What is allowed and unwise.
    package let warnings: [Diagnostic]

    /// The issuer, as written.
    package struct IssuerChoice: Sendable, Equatable {
        var url: String
        var allowed: [String]
        var isPseudo: Bool
        var keysURL: String?
        var extraKeyURLs: [String]
        var rediscoverySeconds: Double
        var fields: [FieldPair]
        var authorizationEndpoint: String?
        var tokenEndpoint: String?
        var userInfoEndpoint: String?
        var endSessionEndpoint: String?
        var verifiesTLS: Bool
        var timeoutSeconds: Double
        var httpProxy: String?
        var httpsProxy: String?
        var httpProxyAuthorization: String?
        var httpsProxyAuthorization: String?
        var proxyExceptions: [String]
    }

    /// A name and a value.
    package struct FieldPair: Sendable, Equatable {
        let name: String
        let value: String
    }

    /// The client, as written.
    package struct ClientChoice: Sendable, Equatable {
        var id: String
        var secret: String?
        /// `client_secret_basic`, `client_secret_post` or `none`; nil for what the issuer's metadata suggests.
        var authentication: String?
        var tokenArguments: [FieldPair]
    }

    /// The login, as written.
    package struct LoginChoice: Sendable, Equatable {
        var scopes: [String]
        var audiences: [String]
        var redirectURIs: [String]
        var usesPKCE: Bool
        var arguments: [FieldPair]
        var seconds: Double
        var cookieName: String
        var cookie: CookieAttributes
        /// Where a login ends, instead of the original URL.
        var endsAt: String?
        /// Where the issuer sends the browser after a logout.
        var logoutRedirect: String?
    }

    /// The session, as written.
    package struct SessionChoice: Sendable, Equatable {
        var audience: String
        /// As written; nil for a name made from issuer, client and audience.
        var name: String?
        var cookie: CookieAttributes
        var secret: String?
        var limits: SessionLimits
        var refreshes: Bool
    }

    /// The caches, as written.
    package struct CacheChoice: Sendable, Equatable {
        var keepsTokens: Bool
        var seconds: Double
        var maximumSeconds: Double?

        /// Seconds that tokens with (or without) a lifetime are kept.
        func seconds(lifetime: Double?) -> Double {
            min(lifetime ?? seconds, maximumSeconds ?? .infinity)
        }
    }

    /// Reads settings; everything that is wrong with them is thrown in one go.
    package init(_ settings: Settings) throws(ConfigurationError) {
        var check = SettingsCheck(settings)
        check.refuseUnsafe()
        check.refuseOtherChoices()
        check.requireItems()
        check.requirePairs()
        check.requireNumbers()
        issuer = Self.issuer(&check)
        client = Self.client(settings)
        var methods = AuthenticationMethods(
            (settings.strings("auth_methods") ?? []).compactMap { AuthenticationMethod(rawValue: $0) }
        )
        check.requireAudience(methods)
        if client == nil, !settings.wrote("auth_methods") { methods = methods.intersection([.bearer]) }
        self.methods = methods
        if methods.contains(.password) {
            check.warn(
                "auth_methods",
                "the password grant shows users' passwords to the gateway (RFC 9700 §2.4)"
            )
        }
        login = Self.login(&check)
        session = Self.session(&check)
        policy = Self.policy(settings)
        consumerRule = Self.consumerRule(settings)
        bearerAudiences = settings.wrote("audience_required") ? nil : settings.strings("client_id")
        leeway = settings.number("leeway") ?? 0
        bearerFields = Self.fields(
            "bearer_token_header_name",
            standard: ["access-token", "x-access-token"],
            &check
        )
        refreshTokenFields = Self.fields(
            "refresh_token_param_name",
            standard: ["refresh-token", "x-refresh-token"],
            &check
        )
        waivedProofs = Set(
            (settings.wrote("proof_of_possession_dpop") ? ["jkt"] : [])
                + (settings.wrote("proof_of_possession_mtls") ? ["x5t#S256"] : [])
        )
        anonymous = settings.string("anonymous").flatMap { $0.isEmpty ? nil : $0 }
        credentialPath = settings.strings("credential_claim") ?? ["sub"]
        authenticatedGroupsPath = settings.strings("authenticated_groups_claim").flatMap {
            $0.isEmpty ? nil : $0
        }
        groupsPath = settings.strings("groups_claim") ?? ["groups"]
        upstream = IdentityFields("upstream", &check)
        downstream = IdentityFields("downstream", &check)
        var removals = FieldEdits()
        if settings.flag("hide_credentials") {
            for name in [.authorization] + bearerFields + refreshTokenFields { removals.remove(name) }
        }
        credentialRemovals = removals
        runsOnPreflight = settings.flag("run_on_preflight")
        displaysErrors = settings.flag("display_errors")
        endsSessionOnForbidden = settings.flag("forbidden_destroy_session")
        endsSessionOnUnauthorized = settings.flag("unauthorized_destroy_session")
        unauthorizedMessage = settings.string("unauthorized_error_message") ?? "Unauthorized"
        forbiddenMessage = settings.string("forbidden_error_message") ?? "Forbidden"
        searchesUserInfo = settings.flag("search_user_info")
        cache = CacheChoice(
            keepsTokens: settings.flag("cache_tokens"),
            seconds: settings.number("cache_ttl") ?? 3600,
            maximumSeconds: settings.number("cache_ttl_max")
        )
        challenge = Challenge(
            realm: RedirectTarget.host(of: issuer.url) ?? issuer.url,
            exposesErrors: settings.flag("expose_error_code")
        )
        warnings = check.warnings
        if let error = check.error { throw error }
    }

    /// Whether a token with this `cnf` may be shown without its proof (RFC 7800 §3).
    func takesUnproven(_ confirmation: JSONValue?) -> Bool {
        guard let confirmation else { return true }
        guard let members = confirmation.object, !members.isEmpty else { return false }
        return members.keys.allSatisfy(waivedProofs.contains)
    }

    /// What a refusal says, and to whom.
    func cause(
        _ reason: String,
        forbidden: Bool = false,
        challenges: [String] = [],
        detail: String? = nil
    ) -> Refusal.Cause {
        Refusal.Cause(
            reason,
            message: forbidden ? forbiddenMessage : unauthorizedMessage,
            challenges: challenges,
            detail: detail,
            isDisplayed: displaysErrors
        )
    }
}
