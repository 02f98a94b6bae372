// Renewing the tokens of a stored session exactly once, whoever asks and on however many nodes.
import Cryptography
import JOSE

/// What came of renewing a stored session's tokens.
enum StoredRefreshOutcome: Sendable {
    /// The session with its new tokens, which are in the store.
    case renewed(StoredSession)
    /// The session is not there any more.
    case gone
    /// The issuer takes the refresh token no more: the session is over.
    case over(reason: String)
    /// The issuer cannot be asked now: what was proven goes on.
    case unavailable
    /// The store cannot be asked, or somebody else's renewal takes too long: nothing is known.
    case down(reason: String)
}

/// One renewal of one session, for all requests of this process that wait for it.
///
/// A lease in the store lets one node ask; the others wait for what it puts there. The lease is a courtesy, the fencing
/// number is the law: a result is written after the record that it was made from and after no other, so that a
/// holder who comes late overwrites nothing, and a session that was ended is not written back (security rows A17, S4).
/// A result that could not be stored is kept and tried again until it is, and nobody here asks anew meanwhile.
struct StoredRefresh: Sendable {
    let store: SessionStore
    let id: String
    /// Results of this process that are not in the store yet.
    let unstored: UnstoredResults
    /// Seconds that the issuer is given.
    let issuerSeconds: Double
    /// Whether the session's end in the store is ours to say when the issuer gives it up.
    let endsSession: Bool
    /// Asks the issuer.
    let ask: @Sendable (Session) async -> RefreshOutcome

    /// Seconds after the store has come back in which nobody takes a lease: whoever holds a result that could not
    /// be stored puts it there first.
    static let settlingSeconds = 1.0
    /// Between two looks at what the holder of the lease has done.
    private static let pause = Duration.milliseconds(25)
    /// Times that a result is put over records that changed meanwhile, before it is left to later.
    private static let attempts = 8

    /// Renews, or waits until somebody else has.
    func run() async -> StoredRefreshOutcome {
        do throws(StoreUnavailable) {
            if let kept = unstored.result(id) { return try await settle(kept) }
            guard let holder = try? Random.bytes(16) else { return .down(reason: "internal-error") }
            return try await renew(as: Base64URL.encode(holder))
        } catch {
            return .down(reason: error.reason)
        }
    }

    /// Takes the lease, or watches until the record is a newer one or the time is up.
    private func renew(as holder: String) async throws(StoreUnavailable) -> StoredRefreshOutcome {
        let start = ContinuousClock.now
        let patience = Duration.seconds(issuerSeconds + 1)
        while true {
            let isSettled = (store.vault.upSeconds ?? 0) >= Self.settlingSeconds
            if isSettled, try await store.lease(id, holder: holder, seconds: issuerSeconds * 2 + 10) {
                return try await renewHolding(holder)
            }
            guard let found = try await store.read(id) else { return .gone }
            if !isDue(found.session) { return .renewed(found) }
            guard ContinuousClock.now - start < patience else { return .down(reason: "lease-held") }
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// Whether the tokens still have to be renewed: nobody has done it since.
    private func isDue(_ session: Session) -> Bool {
        session.renewalIsDueAt.map { store.clock() >= $0 } ?? false
    }

    private func renewHolding(_ holder: String) async throws(StoreUnavailable) -> StoredRefreshOutcome {
        let outcome: StoredRefreshOutcome
        do throws(StoreUnavailable) {
            guard let found = try await store.read(id) else {
                try? await store.giveBack(id, holder: holder)
                return .gone
            }
            outcome = isDue(found.session) ? try await exchange(found) : .renewed(found)
        } catch {
            // A result that is kept here keeps its lease too, for as long as that lasts.
            if unstored.result(id) == nil { try? await store.giveBack(id, holder: holder) }
            throw error
        }
        try? await store.giveBack(id, holder: holder)
        return outcome
    }

    /// Asks the issuer, once, and stores what it says before anybody uses it.
    private func exchange(_ found: StoredSession) async throws(StoreUnavailable) -> StoredRefreshOutcome {
        switch await ask(found.session) {
        case .unavailable: return .unavailable
        case .over(let reason): return try await giveUp(found, reason)
        case .renewed(let next):
            let result = UnstoredResults.Result(
                next: store.limits.renewed(next, at: store.clock()),
                former: found
            )
            do throws(StoreUnavailable) { return try await keep(result) } catch {
                unstored.keep(result, for: id, until: store.limits.lastingEnd(of: result.next), store.clock) {
                    (try? await settle(result)) != nil
                }
                throw error
            }
        }
    }

    /// The issuer has given the session up; unless a newer result is there by now, which was made by somebody else.
    private func giveUp(
        _ found: StoredSession,
        _ reason: String
    ) async throws(StoreUnavailable) -> StoredRefreshOutcome {
        guard endsSession else { return .over(reason: reason) }
        var version = found.record.version
        for _ in 0..<Self.attempts {
            if try await store.end(id, after: version) { return .over(reason: reason) }
            guard let now = try await store.read(id) else { return .over(reason: reason) }
            if now.session.accessToken != found.session.accessToken { return .renewed(now) }
            version = now.record.version
        }
        return .over(reason: reason)
    }

    /// Puts a result over the record that it was made from; over a later one only if that has the same tokens.
    private func keep(_ result: UnstoredResults.Result) async throws(StoreUnavailable) -> StoredRefreshOutcome
    {
        var version = result.former.record.version
        for _ in 0..<Self.attempts {
            let (outcome, record) = try await store.replace(result.next, after: version)
            switch outcome {
            case .written: return .renewed(StoredSession(session: result.next, record: record))
            case .gone: return .gone
            case .newer:
                guard let now = try await store.read(id) else { return .gone }
                // Ours, whose answer was lost; or another node's, which is newer than ours.
                if now.session.accessToken != result.former.session.accessToken { return .renewed(now) }
                version = now.record.version
            }
        }
        throw StoreUnavailable("contended")
    }

    /// Stores a result that could not be stored before.
    private func settle(
        _ result: UnstoredResults.Result
    ) async throws(StoreUnavailable) -> StoredRefreshOutcome {
        let outcome = try await keep(result)
        unstored.forget(id)
        return outcome
    }
}
