// The openid-connect plugin: requests whose session lies in a store.
import Cryptography
import Gateway
import OIDC
import Proxy

/// What a look into the store came to.
enum StoredLookup: Sendable {
    case found(StoredSession)
    /// There is none, or it has ended.
    case missing
    /// The store cannot be asked.
    case down(reason: String)
}

/// What a browser showed: a cookie of ours that opens.
struct ShownHandle: Sendable {
    let handle: SessionHandle
    /// The sealed text, by which a worker finds the session again.
    let text: [UInt8]
    /// Whether a key sealed it that seals no more.
    let isAged: Bool
}

/// A stored session as a worker knows it.
final class KeptSession: Sendable {
    let shown: ShownHandle
    let stored: StoredSession
    let proven: ProvenCredential
    /// Seconds since 1970 at which the store said so.
    let readAt: Double

    init(_ shown: ShownHandle, _ stored: StoredSession, _ proven: ProvenCredential, readAt: Double) {
        self.shown = shown
        self.stored = stored
        self.proven = proven
        self.readAt = readAt
    }

    /// Whether it needs no new look; a clock that was put back needs one.
    func isFresh(for seconds: Double, at now: Double) -> Bool { now >= readAt && now - readAt < seconds }
}

extension OpenIDConnect {
    private enum Sighting {
        case kept(KeptSession)
        case shown(ShownHandle)
        case unreadable
    }

    /// The sessions of this instance by whose they are; nil where they live in cookies alone.
    package var sessionIndex: (any SessionIndex)? {
        guard let store, let remembered = remembering?.store else { return store }
        return RememberedIndex(sessions: store, remembered: remembered)
    }

    // MARK: The request

    /// Answers a request that carries a stored session; nil when it carries none.
    func storedSession(_ passage: Passage, _ store: SessionStore) throws(Refusal) -> Step? {
        guard let sighting = sighting(passage, store) else { return nil }
        switch sighting {
        case .unreadable:
            dropSessionCookies(passage)
            return nil
        case .kept(let kept) where kept.isFresh(for: store.memory, at: passage.now):
            return try goOn(kept, passage, store)
        case .kept(let kept): return try lookUp(kept.shown, passage, store)
        case .shown(let shown): return try lookUp(shown, passage, store)
        }
    }

    private func isEnded(_ id: String, _ passage: Passage) -> Bool {
        guard services.state.endedSessions.contains(session: id, at: passage.now) else { return false }
        passage.reason = "session-ended"
        dropSessionCookies(passage)
        return true
    }

    /// Whether a session that was looked up has been ended: here, by its issuer, or by another node.
    private func isEnded(_ proven: ProvenCredential, _ passage: Passage) -> Bool {
        guard proven.standing?.hasEnded(at: passage.now) ?? true else { return false }
        passage.reason = "session-ended"
        dropSessionCookies(passage)
        return true
    }

    /// What the request shows; nil for nothing of ours.
    private func sighting(_ passage: Passage, _ store: SessionStore) -> Sighting? {
        let request = passage.request
        // Two fields would be two readings of one request (security rows K4, P5).
        guard let field = request.first(.cookie), request.count(of: .cookie) == 1 else { return nil }
        let https = isHTTPS(passage)
        let memory = services.stored(passage.worker)
        let asker = number &* 4 &+ (https ? 2 : 1)
        let presented = request.withValue(field) { octets in
            sessionCookies.presented(in: octets, https: https) { text -> Sighting in
                if let kept = memory.value(text, asker: asker) { return .kept(kept) }
                let name = sessionCookies.fullName(https: https)
                guard let handle = store.open(text, name: name, at: passage.now) else { return .unreadable }
                var copy: [UInt8] = []
                for index in text.indices { copy.append(text[index]) }
                let isAged = !store.handleSeal.isByNewestKey(text)
                return .shown(ShownHandle(handle: handle, text: copy, isAged: isAged))
            }
        }
        switch presented {
        case .none: return nil
        case .broken:
            passage.reason = "broken-session-cookie"
            return .unreadable
        case .sealed(let sighting): return sighting
        }
    }

    private func lookUp(
        _ shown: ShownHandle,
        _ passage: Passage,
        _ store: SessionStore
    ) throws(Refusal) -> Step? {
        if isEnded(shown.handle.id, passage) { return nil }
        return .wait(
            Inquiry { [self] in
                let lookup = await look(shown.handle.id, store)
                return { passage throws(Refusal) in try self.resume(after: lookup, shown, passage, store) }
            }
        )
    }

    /// Looks into the store, once for all requests of the session at the same time.
    func look(_ id: String, _ store: SessionStore) async -> StoredLookup {
        let key = Array(SealedCookie.tuple([self.id, id]).utf8)
        return await services.state.lookups.run(key, clock: services.clock, keep: { _ in 0 }) { [self] in
            do throws(StoreUnavailable) {
                guard let stored = try await store.use(id) else {
                    services.state.recent.forget(id)
                    return .missing
                }
                if store.graceSeconds > 0 { services.state.recent.note(stored, id, at: services.clock()) }
                return .found(stored)
            } catch {
                return .down(reason: error.reason)
            }
        }
    }

    private func resume(
        after lookup: StoredLookup,
        _ shown: ShownHandle,
        _ passage: Passage,
        _ store: SessionStore
    ) throws(Refusal) -> Step {
        if isEnded(shown.handle.id, passage) { return try withoutSession(passage) }
        switch lookup {
        case .found(let stored):
            let kept = keep(stored, shown, passage)
            rollStored(stored.session, at: passage.now)
            if shown.isAged { writeHandle(shown.handle.octets, stored.session, passage, store) }
            if let step = try goOn(kept, passage, store) { return step }
            return try withoutSession(passage)
        case .missing:
            dropSessionCookies(passage)
            return try withoutSession(passage)
        case .down(let reason):
            let recent = services.state.recent
            let known = recent.session(shown.handle.id, within: store.graceSeconds, at: services.clock())
            guard let known, isTokenGood(known.session, at: passage.now) else {
                throw storeUnavailable(reason)
            }
            let graced = proven(known.session)
            if isEnded(graced, passage) { return try withoutSession(passage) }
            count("graced", passage)
            return try admit(graced, passage)
        }
    }

    /// Whether the access token has not ended: nothing renews it while the store is down.
    private func isTokenGood(_ session: Session, at now: Double) -> Bool {
        session.accessTokenExpires.map { now < $0 } ?? true
    }

    /// Remembers what the store said; what was proven by the same record needs no second proof.
    private func keep(_ stored: StoredSession, _ shown: ShownHandle, _ passage: Passage) -> KeptSession {
        let memory = services.stored(passage.worker)
        let asker = number &* 4 &+ (isHTTPS(passage) ? 2 : 1)
        let known = memory.value(shown.text.span, asker: asker)
        let isSame = known.map {
            $0.stored.record.version == stored.record.version
                && $0.stored.record.octets == stored.record.octets
        }
        let proven = isSame == true ? known?.proven : nil
        let kept = KeptSession(shown, stored, proven ?? self.proven(stored.session), readAt: services.clock())
        let bytes = kept.proven.approximateBytes + 2 * stored.record.octets.count
        memory.keep(kept, forOwn: shown.text, asker: asker, holding: bytes)
        return kept
    }

    /// Admits what was read lately; renews its tokens where they have ended, or will soon.
    private func goOn(_ kept: KeptSession, _ passage: Passage, _ store: SessionStore) throws(Refusal) -> Step?
    {
        if isEnded(kept.proven, passage) { return nil }
        let session = kept.stored.session
        if let due = session.renewalIsDueAt, passage.now >= due {
            if let ends = session.accessTokenExpires, passage.now >= ends {
                return try refresh(kept, passage, store)
            }
            if let renewal = renewal(of: kept, store), passage.door != .explanation {
                begin(renewal, session.id)
            }
        }
        return try admit(kept.proven, passage)
    }

    // MARK: Refresh

    /// The renewal of a session's tokens, if it has what that takes.
    private func renewal(of kept: KeptSession, _ store: SessionStore) -> StoredRefresh? {
        guard settings.session.refreshes, kept.stored.session.refreshToken != nil, let party = parties.client
        else { return nil }
        return StoredRefresh(
            store: store,
            id: kept.stored.session.id,
            unstored: services.state.unstored,
            issuerSeconds: settings.issuer.timeoutSeconds,
            endsSession: settings.answers.endsSessionOnUnauthorized
        ) { [self] session in
            guard let token = session.refreshToken else { return .over(reason: "session-expired") }
            let outcome = await renewed(session, token, party)
            if case .renewed(let next) = outcome { await rememberTokens(of: next) }
            return outcome
        }
    }

    /// Renews beside the requests, whose token is still good; nobody waits for it.
    @discardableResult
    private func begin(_ renewal: StoredRefresh, _ id: String) -> Task<StoredRefreshOutcome, Never> {
        let key = Array(SealedCookie.tuple([self.id, id]).utf8)
        return services.state.storedRefreshes.begin(key, clock: services.clock, keep: Self.keep) {
            await renewal.run()
        }
    }

    /// How long latecomers are given the outcome: until workers have looked again; and no store or issuer that is
    /// away is asked with every request.
    private static func keep(_ outcome: StoredRefreshOutcome) -> Double {
        switch outcome {
        case .renewed: 2 * SessionStore.memorySeconds
        case .gone, .over: 2 * SessionStore.memorySeconds
        case .unavailable: 10
        case .down: 0.2
        }
    }

    private func refresh(
        _ kept: KeptSession,
        _ passage: Passage,
        _ store: SessionStore
    ) throws(Refusal) -> Step? {
        guard let renewal = renewal(of: kept, store) else {
            passage.reason = "session-expired"
            if passage.door != .explanation { endSession(kept.stored.session, passage) }
            return nil
        }
        guard passage.door != .explanation else {
            throw .unavailable(retryAfterSeconds: 5, settings.cause("needs-issuer"))
        }
        return .wait(
            Inquiry { [self] in
                let outcome = await begin(renewal, kept.stored.session.id).value
                return { passage throws(Refusal) in try self.resume(after: outcome, kept, passage) }
            }
        )
    }

    private func resume(
        after outcome: StoredRefreshOutcome,
        _ kept: KeptSession,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        // A sign-out may have come in between: what was ended stays ended (security row S4).
        if isEnded(kept.proven, passage) {
            if case .renewed(let stored) = outcome { giveBack(stored.session, passage) }
            return try withoutSession(passage)
        }
        switch outcome {
        case .renewed(let stored):
            count("refreshed", passage)
            return try admit(keep(stored, kept.shown, passage).proven, passage)
        case .unavailable: return try admit(kept.proven, passage)
        case .gone:
            dropSessionCookies(passage)
            return try withoutSession(passage)
        case .over(let reason):
            passage.reason = reason
            if settings.answers.endsSessionOnUnauthorized { endSession(kept.stored.session, passage) }
            return try withoutSession(passage)
        case .down(let reason): throw storeUnavailable(reason)
        }
    }

    /// The refusal of a request whose session cannot be looked up: it may be good, so nobody is sent to log in.
    func storeUnavailable(_ reason: String) -> Refusal {
        var cause = settings.cause("session-store-down", detail: reason)
        cause.message = "Sessions cannot be looked up at the moment"
        return .unavailable(retryAfterSeconds: 2, cause)
    }

    // MARK: Beginning and ending

    /// Puts a session that begins into the store, where there is one; it gets its handle there.
    func stored(
        _ outcome: Result<Session, OIDCError>
    ) async throws(StoreUnavailable) -> Result<Session, OIDCError> {
        guard let store, case .success(var session) = outcome else { return outcome }
        do throws(CryptoError) {
            let handle = try SessionHandle.random()
            session.id = handle.id
            session.handle = handle.octets
        } catch {
            throw StoreUnavailable("internal-error")
        }
        try await store.begin(session)
        try await beginRemembered(session)
        return .success(session)
    }

    /// Writes the cookie of a stored session.
    @discardableResult
    func writeHandle(_ handle: [UInt8], _ session: Session, _ passage: Passage, _ store: SessionStore) -> Bool
    {
        let https = isHTTPS(passage)
        let name = sessionCookies.fullName(https: https)
        guard passage.door != .explanation, let text = try? store.seal(handle, name: name, of: session),
            let lines = try? sessionCookies.lines(sealed: text, https: https, present: presentParts(passage))
        else { return false }
        return setCookies(lines, passage)
    }

    /// Ends a stored session for all nodes; the store is told until it has heard it.
    func endStored(_ id: String, _ store: SessionStore) {
        services.state.recent.forget(id)
        let end = services.clock() + store.limits.longestLife
        services.state.insistence.insist(until: end, services.clock) {
            do throws(StoreUnavailable) {
                _ = try await store.end(id)
                return true
            } catch {
                return false
            }
        }
    }

    /// The handle that a request shows, opened; whether the session is alive nobody has asked.
    func shownHandle(_ passage: Passage) -> SessionHandle? {
        guard let store, let sighting = sighting(passage, store) else { return nil }
        switch sighting {
        case .kept(let kept): return kept.shown.handle
        case .shown(let shown): return shown.handle
        case .unreadable: return nil
        }
    }
}
