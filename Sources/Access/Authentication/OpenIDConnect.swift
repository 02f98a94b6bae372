// The openid-connect plugin: a session, a credential, or a login.
import Cryptography
package import Gateway
import JOSE
import OIDC
package import Proxy
import Store

/// Proves who a request is for, by an OpenID Connect issuer.
///
/// Order, as Kong's users expect: a session; then the credential that the request shows; then, for a browser, a
/// login; else 401. What was proven before is answered at once, on the event loop.
package final class OpenIDConnect: CookieOwner {
    /// What the instance was told.
    package let settings: OpenIDConnectSettings
    /// What all instances share.
    let services: AccessServices
    /// The issuer and those besides it.
    let parties: TrustedParties
    /// Names the instance in a `state`: eight hexadecimal digits, the same in every plan and every replica.
    let id: String
    /// Tells this instance's proofs from those of others in the workers' memory.
    let number: UInt64
    let consumers: ConsumerDirectory
    let sessionCookies: SessionCookies
    /// Where sessions lie; nil for the browser's cookies alone.
    let store: SessionStore?
    /// What brings sessions back; nil where none come back.
    let remembering: Remembering?
    /// Hands out tokens to pages; nil where none are asked for.
    let csrfTokens: CSRFTokens?
    let logins: LoginKeeping
    private let anonymousConsumer: Consumer?
    /// Nonces for proofs, where they are asked for.
    let proofNonces: ProofNonces?
    /// Paths of the configured `redirect_uri`s: a login comes back there, whatever is routed.
    let callbackPaths: [[UInt8]]
    package let warnings: [Diagnostic]

    /// Makes an instance.
    package init(
        _ read: Settings,
        _ scope: PluginScope,
        _ services: AccessServices
    ) throws(ConfigurationError) {
        let settings = try OpenIDConnectSettings(read)
        self.settings = settings
        self.services = services
        consumers = scope.consumers
        number = services.state.nextNumber()
        callbackPaths = settings.login.redirectURIs.compactMap { RedirectTarget.path(of: $0) }
            .map { Array($0.utf8) }
        parties = try TrustedParties(
            settings,
            services,
            certificates: scope.certificates,
            position: read.position
        )
        anonymousConsumer = try Self.anonymous(settings, scope, read)
        let vault = try Self.vault(settings, services, read)
        do throws(CryptoError) {
            let ring = try settings.session.secret.map { secret throws(CryptoError) in
                try SealingKeyRing(secret: secret)
            }
            let identity = [settings.issuer.url, settings.client?.id ?? "", settings.session.audience]
            let digest = try Digest.sha256.hash(utf8: SealedCookie.tuple(identity))
            let name = settings.session.name ?? "session-\(Hexadecimal.encode(digest[..<4]))"
            let purpose = "session " + SealedCookie.tuple(identity)
            store = try Self.store(vault, identity, ring ?? services.keys, settings, services)
            remembering = try Self.remembering(settings, vault, identity, ring ?? services.keys, services)
            csrfTokens = try Self.csrfTokens(settings, identity, ring ?? services.keys)
            sessionCookies = SessionCookies(
                name: name,
                attributes: settings.session.cookie,
                seal: SealedCookie(purpose: purpose, ring: ring ?? services.keys),
                limits: settings.session.limits
            )
            id = Hexadecimal.encode(try Digest.sha256.hash(utf8: scope.key)[..<4])
            proofNonces = try Self.proofNonces(settings.proof, services)
            logins = LoginKeeping(id: id, settings.login, ring ?? services.keys)
        } catch {
            throw ConfigurationError(at: read.position, "the keys of the cookies cannot be derived: \(error)")
        }
        services.state.endedSessions.allow(seconds: settings.session.limits.longestSeconds)
        warnings = settings.warnings + parties.warnings + Self.hostWarnings(settings, scope, services)
    }

    /// The vault that sessions lie in; nil for cookies alone.
    private static func vault(
        _ settings: OpenIDConnectSettings,
        _ services: AccessServices,
        _ read: Settings
    ) throws(ConfigurationError) -> (any SessionVault)? {
        do throws(RedisAddressError) { return try services.sessions.vault(settings.session.storage) } catch {
            throw read.error("session_storage", error.description)
        }
    }

    private static func store(
        _ vault: (any SessionVault)?,
        _ identity: [String],
        _ ring: SealingKeyRing,
        _ settings: OpenIDConnectSettings,
        _ services: AccessServices
    ) throws(CryptoError) -> SessionStore? {
        try vault.map { vault throws(CryptoError) in
            try SessionStore(
                vault,
                identity: SealedCookie.tuple(identity),
                ring: ring,
                limits: settings.session.limits,
                graceSeconds: services.sessions.graceSeconds,
                clock: services.clock
            )
        }
    }

    /// Makes ready what proofs by DPoP need besides, where they are asked for.
    private static func proofNonces(
        _ choice: ProofChoice,
        _ services: AccessServices
    ) throws(CryptoError) -> ProofNonces? {
        if choice.dpop.isOn { try services.state.prepareProofs() }
        return choice.asksNonce ? try ProofNonces(services.keys, seconds: choice.lifetime) : nil
    }

    private static func anonymous(
        _ settings: OpenIDConnectSettings,
        _ scope: PluginScope,
        _ read: Settings
    ) throws(ConfigurationError) -> Consumer? {
        guard let name = settings.identity.anonymous else { return nil }
        guard let consumer = scope.consumers.consumer(named: name) else {
            throw read.error("anonymous", "there is no consumer '\(name)'")
        }
        return consumer
    }

    /// Says where nothing bounds the hosts that a login may come back to.
    private static func hostWarnings(
        _ settings: OpenIDConnectSettings,
        _ scope: PluginScope,
        _ services: AccessServices
    ) -> [Diagnostic] {
        guard settings.methods.contains(.authorizationCode), settings.login.redirectURIs.isEmpty,
            services.redirectHosts == nil, scope.routes.contains(where: { $0.hosts.isEmpty })
        else { return [] }
        let message =
            "redirect_uri: none is written, and neither the route's hosts nor redirect_hosts bound it"
        return [Diagnostic(.warning, at: scope.position, message)]
    }

    /// Whether clients prove their certificates in the handshake, and not to a proxy before us.
    package var asksForCertificate: Bool {
        settings.proof.mtls.isOn && settings.proof.certificateField == nil
    }

    /// Names of fields that only this plugin may set.
    package var emittedFields: [FieldName] {
        settings.identity.upstream.names + [settings.signedIdentity?.field.name].compactMap { $0 }
            + settings.sessionFields.emitted
    }

    /// Where a passage notes what was proven, for doors that answer with it.
    static var proof: ObjectIdentifier { ObjectIdentifier(OpenIDConnect.self) }

    /// Where a passage notes that a login would help, for doors that have to lead the browser there.
    static var loginOffer: ObjectIdentifier { ObjectIdentifier(LoginOffer.self) }
    private final class LoginOffer {}

    // MARK: The request

    /// Says what shall become of the request.
    package func request(_ passage: Passage) throws(Refusal) -> Step {
        if let field = settings.proof.certificateField, !passage.client.isTrustedPeer {
            passage.upstream.remove(field.name)
        }
        if settings.methods.contains(.authorizationCode), passage.door == .proxy,
            let step = try wayBack(passage)
        {
            return step
        }
        return try notWayBack(passage)
    }

    /// What follows for a request that is no way back from the issuer.
    func notWayBack(_ passage: Passage) throws(Refusal) -> Step {
        if settings.logout.isAsked, passage.door == .proxy, let step = try askedLogout(passage) {
            return step
        }
        return try identify(passage)
    }

    /// Proves who a request is for that is neither a way back nor a logout.
    func identify(_ passage: Passage) throws(Refusal) -> Step {
        if !settings.runsOnPreflight, isPreflight(passage) {
            hideCredential(passage)
            return .proceed
        }
        if settings.identity.anonymous != nil, let identity = passage.identity, !identity.isAnonymous {
            return .proceed
        }
        return try authenticate(passage)
    }

    /// The order in which ways are tried.
    func authenticate(_ passage: Passage) throws(Refusal) -> Step {
        if settings.methods.contains(.session), let step = try session(passage) { return step }
        return try withoutSession(passage)
    }

    /// What follows when there is no session: one that comes back, the credential that is shown, or none.
    func withoutSession(_ passage: Passage) throws(Refusal) -> Step {
        if remembering != nil, let step = try broughtBack(passage) { return step }
        return try unproven(passage)
    }

    /// What follows when none comes back, either.
    func unproven(_ passage: Passage) throws(Refusal) -> Step {
        try orAnonymous(passage) { () throws(Refusal) in
            if let step = try credential(passage) { return step }
            if let step = try formToken(passage) { return step }
            return try nothingShown(passage, read: nil)
        }
    }

    /// What `way` comes to; where that is no identity, and there is an anonymous consumer, theirs.
    func orAnonymous(_ passage: Passage, _ way: () throws(Refusal) -> Step) throws(Refusal) -> Step {
        do throws(Refusal) {
            return try way()
        } catch {
            guard case .unauthenticated = error, passage.note(at: Self.loginOffer) == nil,
                passage.door != .explanation || anonymousConsumer != nil
            else {
                throw error
            }
            return try anonymous(passage, instead: error)
        }
    }

    /// The request as the anonymous consumer's, where there is one.
    func anonymous(_ passage: Passage, instead refusal: Refusal) throws(Refusal) -> Step {
        guard let consumer = anonymousConsumer else { throw refusal }
        hideCredential(passage)
        passage.identity = Identity(
            subject: consumer.title,
            consumer: consumer,
            method: "anonymous",
            isAnonymous: true
        )
        return .proceed
    }

    /// Nothing was shown: a browser is led to the login, everyone else is asked for a credential.
    ///
    /// - Parameter read: the request's body where it was read before: it can be read once.
    func nothingShown(_ passage: Passage, read: BodyRead?) throws(Refusal) -> Step {
        if settings.methods.contains(.authorizationCode), passage.isBrowserNavigation {
            let hosts = passage.route?.hosts ?? []
            guard passage.door == .callout else {
                return try beginLogin(
                    passage,
                    target: ownTarget(passage),
                    hosts: hosts
                )
            }
            // Whoever asks sends the browser to our own path, which begins the login.
            _ = try redirectURI(passage, hosts)
            passage.note(self, at: Self.loginOffer)
        }
        if let step = try keepForm(passage, read: read ?? ReadForm.noted(passage)) { return step }
        // Cookies that contradict each other are somebody's doing: the log says so (security row K4).
        let told = passage.reason.flatMap {
            ["broken-session-cookie", "session-bound-elsewhere", "session-ended"].contains($0) ? $0 : nil
        }
        let reason = told ?? "no-credential"
        let isBrowser = passage.acceptsHTML || passage.request.first(.secFetchMode) != nil
        var cause = settings.cause(reason, challenges: challenges(error: nil, offersPasswords: !isBrowser))
        cause.loginURL = loginURL(passage)
        throw .unauthenticated(cause)
    }

    /// The ways that are open, as `WWW-Authenticate` says them.
    ///
    /// - Parameter offersPasswords: false for a browser, which would ask its user for one (security row A13).
    func challenges(error: String?, offersPasswords: Bool = true) -> [String] {
        let takesBearer = settings.methods.containsAny([
            .bearer, .introspection, .userinfo, .session, .authorizationCode, .refreshToken,
        ])
        return takesBearer || !offersPasswords
            ? settings.answers.challenge.tokens(error: error) : [settings.answers.challenge.basic]
    }

    /// The refusal of a credential that was shown and is bad.
    func badCredential(_ reason: String, detail: String? = nil) -> Refusal {
        .unauthenticated(
            settings.cause(reason, challenges: challenges(error: "invalid_token"), detail: detail)
        )
    }

    // MARK: The verdict

    /// Lets a proven credential pass, or refuses it by its claims.
    func admit(_ proven: ProvenCredential, _ passage: Passage) throws(Refusal) -> Step {
        if let possession = proven.possession { try prove(possession, passage) }
        if let session = proven.session {
            guard isBound(session, passage) else { return try withoutBoundSession(passage) }
            try refuseCrossSite(passage, session)
        }
        passage.identity = proven.identity
        if passage.door != .proxy || passage.match == nil { passage.note(proven, at: Self.proof) }
        if let refusal = proven.refusal {
            if proven.session != nil, settings.answers.endsSessionOnForbidden, passage.door != .explanation {
                endSession(proven.session, passage)
                forgetRounds(passage)
            }
            throw proven.session == nil ? refusal : forSomebodyElse(refusal, passage)
        }
        if let step = try stepUp(proven, passage) { return step }
        passage.upstream.add(proven.upstream)
        if let choice = settings.signedIdentity {
            let signer = IdentitySigner(choice: choice, services: services)
            try signer.sign(proven, until: proven.expires, isOne: true, passage)
        }
        passage.answer.add(proven.downstream)
        if let session = proven.session {
            try tell(of: session, passage)
            offerToken(of: session, passage)
        }
        passage.lastsUntil = settings.streamsEnd(proven)
        passage.standing = proven.standing
        return .proceed
    }

    // MARK: What is kept from the upstream

    /// Whether a cookie is a session's or a login attempt's of this instance.
    package func owns(cookie name: Span<UInt8>) -> Bool {
        sessionCookies.isOurs(name) || loginCookies.isOurs(name)
            || (remembering?.cookies.isOurs(name) ?? false) || (csrfTokens?.isOurs(name) ?? false)
    }

    /// Whether a cookie is kept from upstreams: our own, and one that carries a credential.
    package func hides(cookie name: Span<UInt8>) -> Bool {
        if owns(cookie: name) { return true }
        guard settings.hidesCredentials, let bearer = settings.tokens.bearerCookie else { return false }
        return CookieJar.matches(name, 0..<name.count, bearer)
    }

    /// Keeps the credential from the upstream.
    func hideCredential(_ passage: Passage) {
        passage.upstream.add(settings.credentialRemovals)
    }

    private func isPreflight(_ passage: Passage) -> Bool {
        let request = passage.request
        return request.method == .options && request.first(.origin) != nil
            && request.first("access-control-request-method") != nil
    }
}
