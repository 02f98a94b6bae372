// The settings of one openid-connect instance, read and checked.
package import Gateway
import JSON
import OIDC
import Proxy

/// What one instance of `openid-connect` was told, in the shape in which it is asked for.
package struct OpenIDConnectSettings: Sendable {
    /// The issuer and the way to it.
    package let issuer: IssuerChoice
    /// Who we are to the issuer; nil where only bearer tokens are taken.
    package let client: ClientChoice?
    /// What signs our assertions, by the method that wants them.
    let assertions: [ClientAuthentication: ClientAssertion]
    /// What signs authorization requests.
    let requestSigner: ClientAssertion?
    /// Which ways are open.
    package let methods: AuthenticationMethods
    /// The login's settings.
    package let login: LoginChoice
    /// What ends a session besides `sign_out`, and what is done then.
    let logout: LogoutChoice
    /// The session's settings.
    package let session: SessionChoice
    /// The rules on claims.
    package let policy: ClaimPolicy
    /// From claims to a consumer.
    package let consumerRule: ConsumerRule
    /// How tokens are shown and judged.
    package let tokens: TokenChoice
    /// What goes along to the token endpoint with a client's own credential, and what comes back.
    let tokenRequest: TokenRequestTerms
    /// How proofs are asked for that a token is the client's own.
    let proof: ProofChoice
    /// What is asked of the user's authentication; nil for nothing.
    let stepUp: StepUpChoice?
    /// What clients are told of the resource; nil for nothing.
    let resource: ResourceMetadata?
    /// What of the claims makes the identity, and who is told.
    let identity: IdentityChoice
    /// What is signed for the upstream; nil for nothing.
    let signedIdentity: SignedIdentityChoice?
    /// What the upstream and the client are told of a session.
    let sessionFields: SessionFields
    /// The facts of the client that a session is bound to.
    let sessionBinding: SessionBinding
    /// Which requests of other sites' pages a cookie lets in.
    let crossSite: CrossSiteRule
    /// The token that is asked for where a browser does not say whose page sent a request; nil for none.
    let csrfToken: CSRFTokenChoice?
    /// Where browsers are sent instead of refusals.
    let redirects: RefusalRedirects
    /// Takes every field away in which a credential may stand, where credentials are hidden.
    let credentialRemovals: FieldEdits
    let hidesCredentials: Bool
    let runsOnPreflight: Bool
    /// What refusals say and do.
    let answers: AnswerChoice
    let searchesUserInfo: Bool
    /// How long grants are kept.
    let cache: CacheChoice
    /// How the issuer is asked about tokens; nil where keys alone prove them.
    let question: QuestionChoice?
    /// How userinfo is asked.
    let userInfoTerms: UserInfoTerms
    /// Whether tokens are taken that a request shows, proven by whatever.
    let takesTokens: Bool
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
        var outageSeconds: Double
        var fields: [FieldPair]
        var authorizationEndpoint: String?
        var tokenEndpoint: String?
        var userInfoEndpoint: String?
        var endSessionEndpoint: String?
        var pushedRequestEndpoint: String?
        var verifiesTLS: Bool
        var timeoutSeconds: Double
        var httpProxy: String?
        var httpsProxy: String?
        var httpProxyAuthorization: String?
        var httpsProxyAuthorization: String?
        var proxyExceptions: [String]
        var introspectionEndpoint: String?
        /// Endpoints for clients that show a certificate.
        var tokenAlias: String?
        var introspectionAlias: String?
        var revocationEndpoint: String?
        var revocationAlias: String?
    }

    /// A name and a value.
    package struct FieldPair: Sendable, Equatable {
        let name: String
        let value: String
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
        /// Whether a login ends at the original URL whatever `endsAt` says: `login_action: upstream`.
        var endsAtOriginal = false
        /// Where a login ends, instead of the original URL.
        var endsAt: String?
        /// Where the issuer sends the browser after a logout.
        var logoutRedirect: String?
        var responseMode = ResponseMode.query
        /// Arguments of the original URL's query that go on to the issuer.
        var handedThrough: [String] = []
        /// Most octets of a form that is kept through the login.
        var keptBytes = 65_536
        /// What the login is called where several are offered.
        var title: String?
    }

    /// The session, as written.
    package struct SessionChoice: Sendable, Equatable {
        var audience: String
        /// As written; nil for a name made from issuer, client and audience.
        var name: String?
        var cookie: CookieAttributes
        var secret: String?
        /// Where sessions live, as the plugin says; nil for what the program's setting says.
        var storage: SessionStorage?
        var limits: SessionLimits
        /// What is remembered beside a session; nil for nothing.
        var remembered: RememberChoice?
        var refreshes: Bool
        /// Seconds that a stream or tunnel may outlive what let it in.
        var streamLeeway: Double
    }

    /// The caches, as written.
    package struct CacheChoice: Sendable, Equatable {
        var keepsTokens: Bool
        var seconds: Double
        var maximumSeconds: Double?

        init(_ settings: Settings) {
            keepsTokens = settings.flag("cache_tokens")
            seconds = settings.number("cache_ttl") ?? 3600
            maximumSeconds = settings.number("cache_ttl_max")
        }

        /// Seconds that tokens with (or without) a lifetime are kept.
        func seconds(lifetime: Double?) -> Double {
            min(lifetime ?? seconds, maximumSeconds ?? .infinity)
        }
    }

    /// Tokens, as written.
    package struct TokenChoice: Sendable, Equatable {
        /// Audiences that a bearer token must be for by RFC 7519 §4.1.3; nil where a rule or nobody asks.
        var audiences: [String]?
        /// Seconds by which clocks may differ.
        var leeway: Double
        /// Fields besides `authorization` that carry a bearer token.
        var bearerFields: [FieldName]
        /// Whether fields of a request carry bearer tokens.
        var takesFields: Bool
        /// Whether a form's `access_token` is one (RFC 6750 §2.2).
        var takesBody: Bool
        /// The cookie that carries a bearer token.
        var bearerCookie: [UInt8]?
        /// Fields that carry a refresh token.
        var refreshFields: [FieldName]
        /// Whether only access tokens by RFC 9068 are taken.
        var isTyped: Bool
    }

    /// The identity, as written.
    struct IdentityChoice: Sendable, Equatable {
        /// Name of the consumer who stands in for nobody.
        var anonymous: String?
        /// Path of the claim for `X-Credential-Identifier`.
        var credentialPath: [String]
        /// Path of the claim for `X-Authenticated-Groups`.
        var authenticatedGroupsPath: [String]?
        /// Path of the claim that holds the groups.
        var groupsPath: [String]
        var upstream: IdentityFields
        var downstream: IdentityFields
    }

    /// Refusals, as written.
    struct AnswerChoice: Sendable, Equatable {
        var displaysErrors: Bool
        var endsSessionOnForbidden: Bool
        var endsSessionOnUnauthorized: Bool
        var unauthorizedMessage: String
        var forbiddenMessage: String
        var challenge: Challenge
    }

    /// Reads settings; everything that is wrong with them is thrown in one go.
    package init(_ settings: Settings) throws(ConfigurationError) {
        var check = SettingsCheck(settings)
        check.refuseUnsafe()
        check.refuseOtherChoices()
        check.requireItems()
        check.requirePairs()
        check.requireOtherNames()
        check.requireNumbers()
        issuer = Self.issuer(&check).withMoreEndpoints(of: settings)
        client = Self.client(&check)
        assertions = Self.assertions(client, &check)
        requestSigner = Self.requestSigner(client, &check)
        methods = Self.methods(&check, hasClient: client != nil)
        question = Self.question(&check, methods)
        userInfoTerms = Self.userInfoTerms(&check)
        takesTokens = methods.containsAny([.bearer, .introspection, .userinfo])
        login = Self.login(&check)
        logout = LogoutChoice(&check)
        session = Self.session(&check)
        policy = Self.policy(settings)
        consumerRule = Self.consumerRule(settings)
        tokens = Self.tokens(&check)
        tokenRequest = TokenRequestTerms(&check)
        proof = ProofChoice(&check)
        stepUp = StepUpChoice(&check)
        resource = ResourceMetadata(&check, proof)
        identity = Self.identity(&check)
        signedIdentity = SignedIdentityChoice.withClaims(&check, others: identity.upstream.names)
        sessionFields = SessionFields(settings)
        sessionBinding = SessionBinding(settings)
        crossSite = CrossSiteRule(&check)
        csrfToken = CSRFTokenChoice(&check)
        redirects = RefusalRedirects(&check)
        hidesCredentials = settings.flag("hide_credentials")
        credentialRemovals = Self.removals(settings, tokens, proof)
        runsOnPreflight = settings.flag("run_on_preflight")
        answers = Self.answers(settings, proof, resource)
        searchesUserInfo = settings.flag("search_user_info")
        cache = CacheChoice(settings)
        warnings = check.warnings
        if let error = check.error { throw error }
    }

    /// When streams and tunnels have to end that a credential let in, in seconds since 1970; nil for never.
    func streamsEnd(_ proven: ProvenCredential) -> Double? {
        var end = proven.expires
        if let session = proven.session {
            end = min(end, self.session.limits.absoluteEnd(of: session))
            // A session that cannot be renewed ends with its access token.
            if let ends = session.accessTokenExpires, !self.session.refreshes || session.refreshToken == nil {
                end = min(end, ends)
            }
        }
        return end.isFinite ? end + self.session.streamLeeway : nil
    }

    /// What a refusal says, and to whom.
    func cause(
        _ reason: String,
        forbidden: Bool = false,
        challenges: [String] = [],
        detail: String? = nil
    ) -> Refusal.Cause {
        var cause = Refusal.Cause(
            reason,
            message: forbidden ? answers.forbiddenMessage : answers.unauthorizedMessage,
            challenges: challenges,
            detail: detail,
            isDisplayed: answers.displaysErrors
        )
        cause.redirect = forbidden ? redirects.forbidden : redirects.unauthorized
        cause.failureRedirect = redirects.unexpected
        return cause
    }
}
