// The issuers whose word an instance takes, and who we are to the first of them.
import Cryptography
import Fetch
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

/// The issuer of an instance, those besides it, and the client.
struct TrustedParties: Sendable {
    /// The issuer that logs in and grants.
    let issuer: Issuer
    /// All whose bearer tokens are taken, the issuer first.
    let all: [Issuer]
    /// Who we are to the issuer; nil where only bearer tokens are taken.
    let client: RelyingParty?
    /// What is allowed and unwise.
    let warnings: [Diagnostic]
    private let searchesUserInfo: Bool
    private let bearerCheck: AccessTokenCheck

    init(
        _ settings: OpenIDConnectSettings,
        _ services: AccessServices,
        certificates: [Certificate] = [],
        position: Position
    ) throws(ConfigurationError) {
        do throws(OIDCError) {
            let choice = settings.issuer
            var first = try IssuerSettings(issuer: choice.url)
            Self.complete(&first, choice, services)
            Self.fill(&first, choice)
            first.jwksEndpoint = choice.keysURL
            first.usesPseudoIssuer = choice.isPseudo
            first.extraJWKSURLs = choice.extraKeyURLs
            first.discoveryFields = choice.fields.map { IssuerSettings.Field(name: $0.name, value: $0.value) }
            issuer = try services.issuers.issuer(for: first)
            var all = [issuer]
            for url in choice.allowed {
                var other = try IssuerSettings(issuer: url)
                Self.complete(&other, choice, services)
                if other.issuer != first.issuer { all.append(try services.issuers.issuer(for: other)) }
            }
            self.all = all
            warnings = Self.plainHTTP(all.map(\.settings.issuer), position)
        } catch {
            throw ConfigurationError(at: position, "issuer: \(error.detail)")
        }
        searchesUserInfo = settings.searchesUserInfo
        var check = AccessTokenCheck(
            issuer: issuer,
            allowed: Array(all.dropFirst()),
            audiences: settings.tokens.audiences
        )
        check.leeway = settings.tokens.leeway
        check.ignoresConfirmation = true
        check.isTyped = settings.tokens.isTyped
        bearerCheck = check
        if settings.methods.contains(.bearer) {
            for issuer in all { issuer.judged(withLeeway: settings.tokens.leeway) }
        }
        client = try Self.client(settings, issuer, certificates, position)
    }

    private static func client(
        _ settings: OpenIDConnectSettings,
        _ issuer: Issuer,
        _ certificates: [Certificate],
        _ position: Position
    ) throws(ConfigurationError) -> RelyingParty? {
        guard let choice = settings.client else { return nil }
        var party = Self.party(choice, settings, issuer)
        party.introspectionAuthentication = choice.introspectionAuthentication
        party.revocationAuthentication = choice.revocationAuthentication
        party.assertions = settings.assertions
        party.requestSigner = settings.requestSigner
        party.pushAuthentication = choice.pushAuthentication
        party.pushesRequests = choice.pushesRequests
        party.signsRequests = choice.signsRequests
        party.userInfoTerms = settings.userInfoTerms
        guard let id = choice.certificateID else { return party }
        guard let shown = certificates.first(where: { $0.id == id }) else {
            throw ConfigurationError(
                at: position,
                "tls_client_auth_cert_id: there is no certificate with the id '\(id)'"
            )
        }
        party.certificate = FetchCertificate(
            chain: shown.pair.certificate,
            key: shown.pair.key,
            verifiesServer: choice.verifiesTLS
        )
        return party
    }

    private static func complete(
        _ settings: inout IssuerSettings,
        _ choice: OpenIDConnectSettings.IssuerChoice,
        _ services: AccessServices
    ) {
        settings.rediscoverySeconds = choice.rediscoverySeconds
        settings.outageSeconds = choice.outageSeconds
        settings.timeoutSeconds = choice.timeoutSeconds
        settings.policy.verifiesTLS = choice.verifiesTLS
        settings.policy.caFile = services.trustedCAFile
        settings.policy.plainHTTP = services.allowHTTPIssuers ? .any : .loopback
        settings.policy.proxies.http = choice.httpProxy
        settings.policy.proxies.https = choice.httpsProxy
        settings.policy.proxies.httpAuthorization = choice.httpProxyAuthorization
        settings.policy.proxies.httpsAuthorization = choice.httpsProxyAuthorization
        settings.policy.proxies.exceptions = choice.proxyExceptions
    }

    private static func party(
        _ choice: OpenIDConnectSettings.ClientChoice,
        _ settings: OpenIDConnectSettings,
        _ issuer: Issuer
    ) -> RelyingParty {
        var party = RelyingParty(
            issuer: issuer,
            clientID: choice.id,
            clientSecret: choice.secret.map { Secret(utf8: $0) }
        )
        party.authentication = choice.authentication
        party.scopes = settings.login.scopes
        party.audiences = settings.login.audiences
        party.extraParameters = choice.tokenArguments.map { ($0.name, $0.value) }
        party.extraFields = choice.tokenFields.map { ($0.name, $0.value) }
        party.leeway = max(10, settings.tokens.leeway)
        return party
    }

    private static func plainHTTP(_ issuers: [String], _ position: Position) -> [Diagnostic] {
        issuers.filter { $0.hasPrefix("http:") }.map {
            Diagnostic(.warning, at: position, "issuer: '\($0)' is reached without TLS")
        }
    }

    /// The endpoints that are written instead of discovered.
    private static func fill(_ issuer: inout IssuerSettings, _ choice: OpenIDConnectSettings.IssuerChoice) {
        issuer.endpoints.authorization = choice.authorizationEndpoint
        issuer.endpoints.token = choice.tokenEndpoint
        issuer.endpoints.userinfo = choice.userInfoEndpoint
        issuer.endpoints.endSession = choice.endSessionEndpoint
        issuer.endpoints.introspection = choice.introspectionEndpoint
        issuer.endpoints.revocation = choice.revocationEndpoint
        issuer.endpoints.pushedAuthorization = choice.pushedRequestEndpoint
        issuer.aliases.token = choice.tokenAlias
        issuer.aliases.introspection = choice.introspectionAlias
        issuer.aliases.revocation = choice.revocationAlias
    }

    // MARK: Keys

    /// Rises with every change of any of the issuers' keys.
    var keysVersion: UInt64 { all.reduce(0) { $0 &+ $1.keysVersion } }

    /// Newer keys of an issuer, or its first ones.
    func newerKeys(of issuer: Issuer, seen version: UInt64) async -> KeyLookup {
        await issuer.keysAfterUnknownKey(seen: version)
    }

    // MARK: Tokens

    /// What a bearer token turned out to be.
    enum BearerVerdict {
        case proven(CredentialFacts)
        case refused(reason: String, detail: String)
        /// It names a key that is not known: ask for newer ones, once.
        case needsKeys(Issuer, version: UInt64)
    }

    /// Judges a bearer token with the keys at hand.
    func verify(
        _ token: [UInt8],
        _ settings: OpenIDConnectSettings,
        at now: Double,
        headers: (any HeaderMemory)? = nil
    ) -> BearerVerdict {
        let version = keysVersion
        do throws(AccessTokenError) {
            let verdict = try bearerCheck.verdict(
                on: token,
                at: NumericDate(seconds: now),
                headers: headers
            )
            switch verdict {
            case .needsKeys(let issuer, let seen): return .needsKeys(issuer, version: seen)
            case .accepted(let accepted):
                let claims = accepted.token.claimsText
                let sources = ClaimSources([ClaimSource("access token", claims)])
                return .proven(
                    CredentialFacts(
                        method: .bearer,
                        issuer: accepted.issuer.settings.issuer,
                        subject: claims.string("sub"),
                        sources: sources,
                        accessToken: String(decoding: token, as: UTF8.self),
                        expires: (accepted.token.expires?.seconds ?? now) + settings.tokens.leeway,
                        keysVersion: version
                    )
                )
            }
        } catch {
            return .refused(reason: error.reason, detail: error.detail)
        }
    }

    /// What each rule says of a bearer token, with the keys at hand; for people.
    func rules(on token: [UInt8], at now: Double) -> [RuleVerdict] {
        bearerCheck.report(on: token, at: NumericDate(seconds: now)).map { RuleVerdict($0) }
    }

    /// The client that a name and a secret make.
    func asClient(_ pair: BasicCredential, _ settings: OpenIDConnectSettings) -> RelyingParty {
        var party = RelyingParty(issuer: issuer, clientID: pair.name, clientSecret: Secret(utf8: pair.secret))
        party.authentication = client?.authentication == .post ? .post : .basic
        party.scopes = settings.login.scopes.filter { $0 != "openid" }
        party.audiences = settings.login.audiences
        party.leeway = max(10, settings.tokens.leeway)
        return party
    }

    /// The claims of an access token, if it is a JWT of this issuer that verifies; who it is for is not asked.
    func accessClaims(_ token: String, at now: Double) async -> JSONValue? {
        let octets = Array(token.utf8)
        guard octets.count(where: { $0 == UInt8(ascii: ".") }) == 2 else { return nil }
        var expected = TokenExpectations(issuers: [issuer.settings.issuer])
        expected.leeway = 10
        let snapshot = issuer.keySnapshot
        do throws(TokenError) {
            return try TokenVerifier.verify(
                octets,
                keys: snapshot.keys,
                expecting: expected,
                at: NumericDate(seconds: now)
            ).claims
        } catch {
            guard error.reason == "unknown-key" else { return nil }
        }
        guard await issuer.keysAfterUnknownKey(seen: snapshot.version) == .refreshed else { return nil }
        return try? TokenVerifier.verify(
            octets,
            keys: issuer.keys,
            expecting: expected,
            at: NumericDate(seconds: now)
        ).claims
    }

    /// What userinfo says about `subject`, where it is asked at all; nothing when it cannot be.
    func userInfo(
        _ party: RelyingParty,
        _ token: String,
        subject: String
    ) async throws(OIDCError) -> JSONValue? {
        guard searchesUserInfo else { return nil }
        return try await party.userInfo(accessToken: token, expectedSubject: subject)
    }

    /// A session that begins with these tokens.
    func session(
        with tokens: TokenSet,
        _ party: RelyingParty,
        at now: Double
    ) async throws(OIDCError) -> Session {
        guard let claims = tokens.idToken?.claims, let subject = claims["sub"]?.string,
            let id = try? Random.bytes(16)
        else { throw .ours }
        var session = Session(
            id: Base64URL.encode(id),
            at: now,
            issuer: issuer.settings.issuer,
            subject: subject
        )
        session.issuerSession = claims["sid"]?.string
        session.beganAt = claims["iat"]?.number ?? now
        session.accessToken = tokens.accessToken
        session.accessTokenExpires = tokens.expiresAt?.seconds
        session.accessTokenCame = now
        session.isAccessTokenProven = await accessClaims(tokens.accessToken, at: now) != nil
        session.refreshToken = tokens.refreshToken
        session.idToken = tokens.rawIDToken
        session.scope = tokens.scope
        session.userInfo = try await userInfo(party, tokens.accessToken, subject: subject)
        return session
    }

    /// The session with the tokens of a refresh; what the issuer did not send anew stays (RFC 6749 §6).
    func renewed(_ session: Session, with tokens: TokenSet, at now: Double) async -> Session {
        var session = session
        session.accessToken = tokens.accessToken
        session.accessTokenExpires = tokens.expiresAt?.seconds
        session.accessTokenCame = now
        session.isAccessTokenProven = await accessClaims(tokens.accessToken, at: now) != nil
        session.refreshToken = tokens.refreshToken ?? session.refreshToken
        session.idToken = tokens.rawIDToken ?? session.idToken
        session.scope = tokens.scope ?? session.scope
        return session
    }

    /// What the tokens of a grant prove.
    func facts(
        of tokens: TokenSet,
        method: AuthenticationMethod,
        at now: Double
    ) async throws(OIDCError) -> CredentialFacts {
        var sources: [ClaimSource] = []
        if let claims = await accessClaims(tokens.accessToken, at: now) {
            sources.append(ClaimSource("access token", claims))
        }
        if let claims = tokens.idToken?.claims { sources.append(ClaimSource("ID token", claims)) }
        let claims = ClaimSources(sources, grantedScope: tokens.scope)
        let subject = tokens.idToken?.claims["sub"]?.string ?? claims.text(at: ["sub"])
        var facts = CredentialFacts(
            method: method,
            issuer: issuer.settings.issuer,
            subject: subject,
            sources: claims,
            accessToken: tokens.accessToken,
            idToken: tokens.rawIDToken,
            refreshToken: tokens.refreshToken
        )
        if method == .password || method == .refreshToken, let client, let subject,
            let userInfo = try await userInfo(client, tokens.accessToken, subject: subject)
        {
            facts.userInfo = userInfo
            facts.sources.sources.append(ClaimSource("userinfo", userInfo))
        }
        return facts
    }
}
