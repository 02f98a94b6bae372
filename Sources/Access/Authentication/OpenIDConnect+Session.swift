// The openid-connect plugin: requests that carry a session.
import Cryptography
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

/// What came of renewing a session's tokens.
enum RefreshOutcome: Sendable {
    /// The session with its new tokens.
    case renewed(Session)
    /// The issuer takes the refresh token no more: the session is over.
    case over(reason: String)
    /// The issuer cannot be asked now: what was proven goes on.
    case unavailable
}

extension OpenIDConnect {
    /// Answers a request that carries a session; nil when it carries none that is alive.
    func session(_ passage: Passage) throws(Refusal) -> Step? {
        if let store { return try storedSession(passage, store) }
        let request = passage.request
        guard let field = request.first(.cookie) else { return nil }
        let https = passage.client.scheme == .https
        // Two fields would be two readings of one request (security rows K4, P5).
        guard request.count(of: .cookie) == 1 else { return nil }
        let presented = request.withValue(field) { octets in
            sessionCookies.presented(in: octets, https: https) { proven($0, https: https, passage) }
        }
        guard case .sealed(let found) = presented, let proven = found, let session = proven.session else {
            if case .none = presented { return nil }
            if case .broken = presented { passage.reason = "broken-session-cookie" }
            dropSessionCookies(passage)
            return nil
        }
        guard let standing = proven.standing, !standing.hasEnded(at: passage.now) else {
            passage.reason = "session-ended"
            dropSessionCookies(passage)
            return nil
        }
        if let ends = session.accessTokenExpires, passage.now >= ends {
            return try refresh(session, proven, passage)
        }
        if let due = session.renewalIsDueAt, passage.now >= due,
            let step = try refreshAhead(session, proven, passage)
        {
            return step
        }
        keep(session, passage)
        return try admit(proven, passage)
    }

    /// The session in a sealed text: from this worker's memory, or opened now.
    private func proven(_ text: Span<UInt8>, https: Bool, _ passage: Passage) -> ProvenCredential? {
        let memory = services.proven(passage.worker)
        let asker = number &* 4 &+ (https ? 2 : 1)
        if let known = memory.value(text, asker: asker), let session = known.session {
            guard sessionCookies.limits.isAlive(session, at: passage.now) else {
                memory.forget(text, asker: asker)
                return nil
            }
            return known
        }
        guard let session = sessionCookies.open(text, https: https, at: passage.now) else { return nil }
        let proven = proven(session)
        memory.keep(proven, for: text, asker: asker, holding: proven.approximateBytes)
        return proven
    }

    /// What a session proves.
    func proven(_ session: Session) -> ProvenCredential {
        settings.proven(facts(session), consumers: consumers)
    }

    /// A session's tokens and claims, in the order in which they decide.
    func facts(_ session: Session) -> CredentialFacts {
        var sources: [ClaimSource] = []
        if session.isAccessTokenProven, let claims = session.accessToken.flatMap(Self.payload) {
            sources.append(ClaimSource("access token", claims))
        }
        if let claims = session.idToken.flatMap(Self.payload) {
            sources.append(ClaimSource("ID token", claims))
        }
        if let userInfo = session.userInfo { sources.append(ClaimSource("userinfo", userInfo)) }
        return CredentialFacts(
            method: .session,
            issuer: session.issuer,
            subject: session.subject,
            sources: ClaimSources(sources, grantedScope: session.scope),
            accessToken: session.accessToken,
            idToken: session.idToken,
            refreshToken: session.refreshToken,
            userInfo: session.userInfo,
            session: session,
            standing: try? SessionStanding(session, in: services.state.endedSessions)
        )
    }

    /// The claims of a token that verified when it was sealed into the session.
    static func payload(_ token: String) -> JSONValue? {
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let octets = Base64URL.decode(String(parts[1]) ?? "") else { return nil }
        return try? JSONValue(parsing: octets)
    }

    // MARK: Cookies

    /// Writes the session's cookie anew when it has aged.
    private func keep(_ session: Session, _ passage: Passage) {
        guard passage.door != .explanation, sessionCookies.limits.needsRenewal(session, at: passage.now)
        else {
            return
        }
        let session = sessionCookies.limits.renewed(session, at: passage.now)
        write(session, passage)
        rollRemembered(session, passage)
    }

    /// Writes a session into the answer's cookies; false if it cannot be.
    @discardableResult
    func write(_ session: Session, _ passage: Passage) -> Bool {
        if let store {
            guard let handle = session.handle else { return false }
            return writeHandle(handle, session, passage, store)
        }
        let session = bound(session, passage)
        guard
            let lines = try? sessionCookies.lines(
                session,
                https: isHTTPS(passage),
                present: presentParts(passage)
            )
        else { return false }
        return setCookies(lines, passage)
    }

    /// Removes the session's cookies; left to what brings it back, where the request shows that.
    func dropSessionCookies(_ passage: Passage) {
        guard passage.door != .explanation, !showsRemembered(passage) else { return }
        setCookies(sessionCookies.removals(https: isHTTPS(passage), present: presentParts(passage)), passage)
    }

    /// Ends a session: here, and for every copy of its cookie that this program sees (security row S4).
    func endSession(_ session: Session?, _ passage: Passage) {
        if let session {
            count("ended", passage)
            if let store { endStored(session.id, store) }
            if let id = session.counterpart, let store = remembering?.store { endStored(id, store) }
            end(session, at: passage.now)
        }
        endRemembered(passage)
        dropCookies(passage)
    }

    /// Remembers that a session is over, and what would bring it back.
    func end(_ session: Session, at now: Double) {
        for id in [session.id, session.counterpart].compactMap({ $0 }) {
            _ = try? services.state.endedSessions.end(
                .session(id: id),
                of: session.issuer,
                beganBy: session.beganAt,
                at: now
            )
        }
    }

    /// Remembers that a session is over of which nothing but its name is known: it began by now, by whatever clock.
    func end(_ id: String, at now: Double) {
        _ = try? services.state.endedSessions.end(
            .session(id: id),
            of: parties.issuer.settings.issuer,
            beganBy: now + 60,
            at: now
        )
    }

    /// Whether a session was ended; one that cannot be looked for counts as ended.
    func hasEnded(_ session: Session, at now: Double) -> Bool {
        (try? SessionStanding(session, in: services.state.endedSessions))?.hasEnded(at: now) ?? true
    }

    /// Counts what became of a session.
    func count(_ event: String, _ passage: Passage) {
        passage.worker.metrics.count(MetricKey("gatehouse_sessions_total", ["event": event]))
    }

    /// Adds `Set-Cookie` fields to whatever answer the client gets.
    @discardableResult
    func setCookies(_ lines: [String], _ passage: Passage) -> Bool {
        lines.allSatisfy { (try? passage.answer.append(.setCookie, $0)) != nil }
    }

    func isHTTPS(_ passage: Passage) -> Bool { passage.client.scheme == .https }

    func presentParts(_ passage: Passage) -> Int {
        let request = passage.request
        guard let field = request.first(.cookie) else { return 0 }
        return request.withValue(field) { sessionCookies.presentParts(in: $0, https: isHTTPS(passage)) }
    }

    // MARK: Refresh

    /// Renews the tokens of a session whose access token has ended (security row A17).
    private func refresh(
        _ session: Session,
        _ proven: ProvenCredential,
        _ passage: Passage
    ) throws(Refusal) -> Step? {
        guard settings.session.refreshes, let token = session.refreshToken, let party = parties.client else {
            passage.reason = "session-expired"
            dropSessionCookies(passage)
            return nil
        }
        return .wait(
            Inquiry { [self] in
                let outcome = await begin(session, token, party).value
                return { passage throws(Refusal) in
                    try self.resume(after: outcome, session, proven, passage)
                }
            }
        )
    }

    /// The renewal for all requests with the same cookie.
    private func begin(
        _ session: Session,
        _ token: String,
        _ party: RelyingParty
    ) -> Task<RefreshOutcome, Never> {
        services.state.refreshes.begin(flight(session, token), clock: services.clock, keep: Self.keep) {
            [self] in await renewed(session, token, party)
        }
    }

    private func flight(_ session: Session, _ token: String) -> [UInt8] {
        Array(SealedCookie.tuple([id, session.id, token]).utf8)
    }

    /// Seconds that a request is held up for new tokens while its old one is still good.
    private static var patience: Double { 1 }

    /// Renews the tokens while the old one is still good; nil where there is nothing to renew with.
    ///
    /// Nobody but this browser keeps what the issuer hands out, so that a request has to wait for it: tokens that were
    /// rotated with no answer on its way to carry them would be lost, and the session with them (security row A17).
    /// One waits, the others go on; an issuer that takes long holds even that one up no longer than `patience`, and
    /// a later request takes what came of it.
    private func refreshAhead(
        _ session: Session,
        _ proven: ProvenCredential,
        _ passage: Passage
    ) throws(Refusal) -> Step? {
        guard settings.session.refreshes, passage.door == .proxy, let token = session.refreshToken,
            let party = parties.client
        else { return nil }
        let key = flight(session, token)
        if let outcome = services.state.refreshes.outcome(key, at: passage.now) {
            return try resume(after: outcome, session, proven, passage)
        }
        if services.state.refreshes.isUnderWay(key) { return nil }
        return .wait(
            Inquiry { [self] in
                _ = begin(session, token, party)
                let outcome = await outcome(key, within: Self.patience) ?? .unavailable
                return { passage throws(Refusal) in
                    try self.resume(after: outcome, session, proven, passage)
                }
            }
        )
    }

    /// The outcome of a renewal under way, if it is there in time.
    private func outcome(_ key: [UInt8], within seconds: Double) async -> RefreshOutcome? {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(seconds) {
            if let outcome = services.state.refreshes.outcome(key, at: services.clock()) { return outcome }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return nil
    }

    /// How long latecomers with the old cookie are given the outcome.
    private static func keep(_ outcome: RefreshOutcome) -> Double {
        switch outcome {
        case .renewed, .over: 60
        case .unavailable: 10
        }
    }

    /// Asks the issuer for a session's new tokens.
    func renewed(_ session: Session, _ token: String, _ party: RelyingParty) async -> RefreshOutcome {
        do throws(OIDCError) {
            let tokens = try await party.refresh(token, previous: Self.previous(session))
            return .renewed(await parties.renewed(session, with: tokens, at: services.clock()))
        } catch {
            return error.isUnavailable ? .unavailable : .over(reason: error.reason)
        }
    }

    /// What a refreshed ID token must agree with (OIDC Core §12.2).
    private static func previous(_ session: Session) -> PreviousIDToken? {
        guard let claims = session.idToken.flatMap(payload), let issuedAt = claims["iat"]?.number else {
            return nil
        }
        return PreviousIDToken(subject: session.subject, issuedAt: issuedAt, nonce: claims["nonce"]?.string)
    }

    private func resume(
        after outcome: RefreshOutcome,
        _ session: Session,
        _ proven: ProvenCredential,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        // A sign-out may have come in between: what was ended stays ended (security row S4).
        guard !hasEnded(session, at: passage.now) else {
            if case .renewed(let next) = outcome { giveBack(next, passage) }
            dropSessionCookies(passage)
            return try withoutSession(passage)
        }
        switch outcome {
        case .renewed(let next):
            count("refreshed", passage)
            let next = sessionCookies.limits.renewed(next, at: passage.now)
            write(next, passage)
            remember(next, passage)
            return try admit(self.proven(next), passage)
        case .unavailable:
            keep(session, passage)
            return try admit(proven, passage)
        case .over where session.accessTokenExpires.map { passage.now < $0 } ?? false:
            // Another node may have been quicker, and its cookie be on its way: what is still good goes on.
            return try admit(proven, passage)
        case .over(let reason):
            passage.reason = reason
            if settings.answers.endsSessionOnUnauthorized { endSession(session, passage) }
            return try withoutSession(passage)
        }
    }
}
