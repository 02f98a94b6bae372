// How many questions about tokens an issuer gets at a time.
import Synchronization

/// Bounds what strangers can make us ask an issuer: so many questions at a time, so many that wait, and for a moment
/// none after several in a row came to nothing.
///
/// Whoever shows a made-up token costs a question; nobody can tell before it is asked.
package final class QuestionGate: Sendable {
    /// Questions under way at a time.
    package static let maximumUnderWay = 32
    /// Questions that wait for a place; more are refused.
    package static let maximumWaiting = 256
    /// Failures in a row after which nobody asks for a moment.
    package static let failuresUntilPause = 5

    private struct State: Sendable {
        var underWay = 0
        /// First come, first served.
        var waiting: [CheckedContinuation<OIDCError?, Never>] = []
        var failures = 0
        var lastError: OIDCError?
        var backoff = Backoff(limit: Discovery.maximumPauseSeconds)

        /// Why nobody may ask now, if nobody may.
        func obstacle(at now: Double) -> OIDCError? {
            self.backoff.mayTry(at: now) ? nil : self.lastError
        }
    }

    private let state = Mutex(State())
    private let clock: @Sendable () -> Double

    /// A gate that nobody has passed yet.
    init(clock: @escaping @Sendable () -> Double) { self.clock = clock }

    /// Asks once there is a place; refuses where too many wait, or the issuer has just failed.
    package func ask<Answer: Sendable>(
        _ question: @Sendable () async throws(OIDCError) -> Answer
    ) async throws(OIDCError) -> Answer {
        if let obstacle = await self.enter() { throw obstacle }
        do throws(OIDCError) {
            let answer = try await question()
            self.leave(nil)
            return answer
        } catch {
            self.leave(error)
            throw error
        }
    }

    private func enter() async -> OIDCError? {
        let now = self.clock()
        return await withCheckedContinuation { continuation in
            // Nil inside: there is a place; nil outside: it waits.
            let verdict: OIDCError?? = self.state.withLock { state in
                if let obstacle = state.obstacle(at: now) { return .some(obstacle) }
                if state.underWay < Self.maximumUnderWay {
                    state.underWay += 1
                    return .some(nil)
                }
                guard state.waiting.count < Self.maximumWaiting else { return .some(.busy) }
                state.waiting.append(continuation)
                return nil
            }
            if let verdict { continuation.resume(returning: verdict) }
        }
    }

    private func leave(_ error: OIDCError?) {
        let now = self.clock()
        var next: CheckedContinuation<OIDCError?, Never>?
        let (turnedAway, obstacle) = self.state.withLock { state in
            self.note(error, &state, at: now)
            let obstacle = state.obstacle(at: now)
            guard obstacle == nil else {
                defer { state.waiting = [] }
                state.underWay -= 1
                return (state.waiting, obstacle)
            }
            // The place goes to whoever waits longest.
            if state.waiting.isEmpty { state.underWay -= 1 } else { next = state.waiting.removeFirst() }
            return ([], nil)
        }
        next?.resume(returning: nil)
        for continuation in turnedAway { continuation.resume(returning: obstacle) }
    }

    private func note(_ error: OIDCError?, _ state: inout State, at now: Double) {
        guard let error, error.isOutage else {
            state.failures = 0
            state.backoff.succeeded()
            return
        }
        state.failures += 1
        state.lastError = error
        if state.failures >= Self.failuresUntilPause { state.backoff.failed(at: now) }
    }
}
