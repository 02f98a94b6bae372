// The openid-connect plugin: sessions that come back.
import Cryptography
import Gateway
import JOSE
import OIDC
import Proxy

extension OpenIDConnect {
    /// Goes on with the session that the request's remembered one brings back; nil where there is none that may.
    ///
    /// It gets a new id, and new tokens wherever the issuer hands them out. While the issuer or the store cannot be
    /// asked it is 503, and nobody is sent to a login.
    func broughtBack(_ passage: Passage) throws(Refusal) -> Step? {
        guard let remembering, settings.methods.contains(.session), passage.door != .explanation,
            let shown = shownRemembered(passage)
        else { return nil }
        let step: Step? =
            switch shown {
            case .unreadable: nil
            case .copy(let copy): try bringBack(copy, remembering, passage)
            case .handle(let handle): bringBack(handle, remembering, passage)
            }
        if step == nil { dropCookies(passage) }
        return step
    }

    /// Whether what is remembered was ended, or is another client's; says why it does not come back.
    private func mayComeBack(_ copy: Session, _ passage: Passage) -> Bool {
        guard !hasEnded(copy, at: passage.now) else {
            passage.reason = "session-ended"
            return false
        }
        guard isBound(copy, passage) else {
            passage.reason = "session-bound-elsewhere"
            return false
        }
        return true
    }

    /// Whether there is an access token, and it has not ended.
    private func hasGoodToken(_ session: Session, at now: Double) -> Bool {
        session.accessToken != nil && session.accessTokenExpires.map { now < $0 } ?? true
    }

    /// Brings a session back from a cookie that has all of it.
    private func bringBack(
        _ copy: Session,
        _ remembering: Remembering,
        _ passage: Passage
    ) throws(Refusal) -> Step? {
        guard mayComeBack(copy, passage) else { return nil }
        guard isRenewable(copy), let token = copy.refreshToken, let party = parties.client else {
            // Nothing renews its token: it comes back for as long as that is good.
            guard hasGoodToken(copy, at: passage.now), let id = try? Random.bytes(16)
            else {
                passage.reason = "session-expired"
                return nil
            }
            let session = remembering.session(from: copy, id: Base64URL.encode(id), at: passage.now)
            return try arrive(.back(session), passage)
        }
        return returning(copy.id, token) { [self] in
            switch await renewed(copy, token, party) {
            case .over(let reason): return .over(reason: reason)
            case .unavailable: return .unavailable
            case .renewed(let next):
                guard let id = try? Random.bytes(16) else { return .unavailable }
                return .back(
                    remembering.session(from: next, id: Base64URL.encode(id), at: services.clock())
                )
            }
        }
    }

    /// Waits for a session on its way back: many requests of one browser, as after it was opened again, share it.
    private func returning(
        _ id: String,
        _ token: String,
        _ work: @escaping @Sendable () async -> ReturnOutcome
    ) -> Step {
        let key = Array(SealedCookie.tuple([self.id, "return", id, token]).utf8)
        return .wait(
            Inquiry { [self] in
                let outcome = await services.state.returns.run(
                    key,
                    clock: services.clock,
                    keep: Self.keep,
                    work
                )
                return { passage throws(Refusal) in try self.arrive(outcome, passage) }
            }
        )
    }

    /// How long latecomers with the same cookie are given the outcome.
    private static func keep(_ outcome: ReturnOutcome) -> Double {
        switch outcome {
        case .back(let session): session.handle == nil ? 60 : 2 * SessionStore.memorySeconds
        case .over: 60
        case .unavailable: 2
        case .down: 0.2
        }
    }

    private func arrive(_ outcome: ReturnOutcome, _ passage: Passage) throws(Refusal) -> Step {
        switch outcome {
        case .back(let session) where !isRenewable(session) && !hasGoodToken(session, at: passage.now):
            return try arrive(.over(reason: "session-expired"), passage)
        case .back(let session):
            // A sign-out may have come in between: what was ended stays ended (security row S4).
            guard mayComeBack(session, passage) else {
                endSession(session, passage)
                giveBack(session, passage)
                return try unproven(passage)
            }
            guard write(session, passage) else {
                throw .failed(settings.cause("session-too-large"))
            }
            remember(session, passage)
            count("brought-back", passage)
            return try admit(proven(session), passage)
        case .over(let reason):
            passage.reason = reason
            dropCookies(passage)
            return try unproven(passage)
        case .unavailable:
            // Whoever shows something else besides needs no session.
            if let step = try credential(passage) { return step }
            throw issuerUnavailable("issuer-failed", detail: "a session cannot be brought back now")
        case .down(let reason): throw storeUnavailable(reason)
        }
    }

    // MARK: The store

    /// Brings a session back from the store: first what is remembered, then its tokens, then a session of its own.
    private func bringBack(
        _ handle: SessionHandle,
        _ remembering: Remembering,
        _ passage: Passage
    ) -> Step? {
        guard let sessions = store, let remembered = remembering.store else { return nil }
        guard !services.state.endedSessions.contains(session: handle.id, at: passage.now) else {
            passage.reason = "session-ended"
            return nil
        }
        return .wait(
            Inquiry { [self] in
                let lookup = await look(handle.id, remembered)
                return { passage throws(Refusal) in
                    switch lookup {
                    case .down(let reason): throw self.storeUnavailable(reason)
                    case .found(let stored) where self.mayComeBack(stored.session, passage):
                        return self.returning(handle.id, "") {
                            await self.broughtBack(stored, handle, remembering, remembered, sessions)
                        }
                    case .found, .missing:
                        self.dropCookies(passage)
                        return try self.unproven(passage)
                    }
                }
            }
        )
    }

    private func broughtBack(
        _ stored: StoredSession,
        _ shown: SessionHandle,
        _ remembering: Remembering,
        _ remembered: SessionStore,
        _ sessions: SessionStore
    ) async -> ReturnOutcome {
        do throws(StoreUnavailable) {
            var copy = stored
            if let due = copy.session.renewalIsDueAt, services.clock() >= due {
                switch await renewed(copy, remembered) {
                case .found(let next): copy = next
                case .refused(let outcome): return outcome
                }
            }
            let handle: SessionHandle
            do throws(CryptoError) { handle = try .random() } catch {
                throw StoreUnavailable("internal-error")
            }
            var session = remembering.session(from: copy.session, id: handle.id, at: services.clock())
            session.handle = handle.octets
            session.rememberedHandle = shown.octets
            try await sessions.begin(session)
            return try await name(session, in: copy, remembered, sessions)
        } catch {
            return .down(reason: error.reason)
        }
    }

    /// Notes in what is remembered which session it has led to; takes that back where it was ended meanwhile.
    private func name(
        _ session: Session,
        in copy: StoredSession,
        _ remembered: SessionStore,
        _ sessions: SessionStore
    ) async throws(StoreUnavailable) -> ReturnOutcome {
        var next = copy.session
        next.counterpart = session.id
        next.renewedAt = services.clock()
        let (outcome, _) = try await remembered.replace(next, after: copy.record.version)
        guard case .gone = outcome else { return .back(session) }
        _ = try await sessions.end(session.id)
        return .over(reason: "session-ended")
    }

    private enum Renewal {
        case found(StoredSession)
        case refused(ReturnOutcome)
    }

    /// Renews the tokens of what is remembered, once for all nodes.
    private func renewed(_ copy: StoredSession, _ remembered: SessionStore) async -> Renewal {
        let isGood = hasGoodToken(copy.session, at: services.clock())
        guard isRenewable(copy.session), let party = parties.client else {
            return isGood ? .found(copy) : .refused(.over(reason: "session-expired"))
        }
        let refresh = StoredRefresh(
            store: remembered,
            id: copy.session.id,
            unstored: services.state.unstored,
            issuerSeconds: settings.issuer.timeoutSeconds,
            endsSession: settings.answers.endsSessionOnUnauthorized
        ) { [self] session in
            guard let token = session.refreshToken else { return .over(reason: "session-expired") }
            return await renewed(session, token, party)
        }
        switch await refresh.run() {
        case .renewed(let next): return .found(next)
        case .gone: return .refused(.over(reason: "session-ended"))
        case .over(let reason): return .refused(.over(reason: reason))
        case .unavailable: return isGood ? .found(copy) : .refused(.unavailable)
        case .down(let reason): return .refused(.down(reason: reason))
        }
    }
}
