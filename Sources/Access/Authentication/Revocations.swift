// Tokens on their way back to issuers, beside the requests that ended their sessions.
import OIDC
import Synchronization

/// Gives tokens back, a few times if need be, and lets nobody wait for it: a session is over whatever comes of it.
package final class Revocations: Sendable {
    /// Sessions whose tokens are on their way at a time; those of more are not given back.
    static let maximum = 1024
    /// Seconds before each try.
    static let pauses: [Double] = [0, 1, 5]

    private struct State {
        var underWay = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    init() {}

    /// Begins to give tokens back; false if too many are on their way already.
    func begin(_ tokens: [RevokedToken], to party: RelyingParty, as parameter: String) -> Bool {
        let hasRoom = state.withLock { state in
            guard state.underWay < Self.maximum else { return false }
            state.underWay += 1
            return true
        }
        guard hasRoom else { return false }
        Task {
            for token in tokens { await Self.giveBack(token, party, parameter) }
            self.ended()
        }
        return true
    }

    private static func giveBack(_ token: RevokedToken, _ party: RelyingParty, _ parameter: String) async {
        for pause in pauses {
            if pause > 0 { try? await Task.sleep(for: .seconds(pause)) }
            do throws(OIDCError) { return try await party.revoke(token, as: parameter) } catch {
                // What the issuer refuses it will refuse again.
                guard error.isOutage else { return }
            }
        }
    }

    private func ended() {
        let waiting = state.withLock { state in
            state.underWay -= 1
            defer { if state.underWay == 0 { state.waiting = [] } }
            return state.underWay == 0 ? state.waiting : []
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when none is on its way, or the time is up: for a program that ends.
    package func finish(within limit: Duration) async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.allEnded() }
            tasks.addTask { try? await Task.sleep(for: limit) }
            await tasks.next()
            tasks.cancelAll()
            for continuation in self.state.withLock({ state in
                defer { state.waiting = [] }
                return state.waiting
            }) { continuation.resume() }
        }
    }

    private func allEnded() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.underWay > 0 { state.waiting.append(continuation) }
                return state.underWay == 0
            }
            if isOver { continuation.resume() }
        }
    }
}
