// One question at a time: who asks the same waits for the same answer.
import Synchronization

/// Runs one piece of work for a key at a time, and keeps its outcome for a moment.
///
/// The work goes on when those who asked have gone: a refresh token that was traded in must not be lost. What is under way
/// is shared whatever there is to remember; only outcomes are given up for want of room, the oldest first. Keys are
/// built from length-prefixed parts (security row H4).
final class SingleFlight<Outcome: Sendable>: Sendable {
    private struct Flight {
        let task: Task<Outcome, Never>
        /// How it ended, and how long that is handed out; nil while it is under way.
        var end: (outcome: Outcome, keptUntil: Double)?
    }

    private struct State {
        var flights: [[UInt8]: Flight] = [:]
        /// Keys of flights that have ended, in that order.
        var ended: [[UInt8]] = []
        var sweptAt = 0.0
    }

    private let state = Mutex(State())
    private let maximum: Int

    /// Keeps the outcomes of at most `maximum` keys at a time.
    init(maximum: Int = 10_000) {
        self.maximum = maximum
    }

    /// The outcome for `key`: of the work under way, of one that ended lately, or of `work` begun now.
    ///
    /// - Parameter keep: seconds that an outcome is handed to latecomers.
    func run(
        _ key: [UInt8],
        clock: @escaping @Sendable () -> Double,
        keep: @escaping @Sendable (Outcome) -> Double,
        _ work: @escaping @Sendable () async -> Outcome
    ) async -> Outcome {
        await begin(key, clock: clock, keep: keep, work).value
    }

    /// The same without waiting for the outcome.
    @discardableResult
    func begin(
        _ key: [UInt8],
        clock: @escaping @Sendable () -> Double,
        keep: @escaping @Sendable (Outcome) -> Double,
        _ work: @escaping @Sendable () async -> Outcome
    ) -> Task<Outcome, Never> {
        let now = clock()
        return state.withLock { state in
            if let flight = state.flights[key], flight.end.map({ $0.keptUntil > now }) ?? true {
                return flight.task
            }
            let task = Task {
                let outcome = await work()
                let end = clock()
                self.ended(key, outcome, until: end + keep(outcome), at: end)
                return outcome
            }
            state.flights[key] = Flight(task: task)
            return task
        }
    }

    /// How the work for `key` ended, if it has and that is still handed out.
    func outcome(_ key: [UInt8], at now: Double) -> Outcome? {
        state.withLock { state in
            guard let end = state.flights[key]?.end, end.keptUntil > now else { return nil }
            return end.outcome
        }
    }

    /// Whether the work for `key` is under way.
    func isUnderWay(_ key: [UInt8]) -> Bool {
        state.withLock { state in state.flights[key].map { $0.end == nil } ?? false }
    }

    private func ended(_ key: [UInt8], _ outcome: Outcome, until: Double, at now: Double) {
        state.withLock { state in
            guard until > now else {
                state.flights[key] = nil
                return
            }
            state.flights[key]?.end = (outcome, until)
            state.ended.append(key)
            Self.makeRoom(&state, maximum, at: now)
        }
    }

    /// Gives up outcomes that are kept no longer, now and then; and the oldest of too many at once.
    private static func makeRoom(_ state: inout State, _ maximum: Int, at now: Double) {
        guard state.ended.count > maximum || now - state.sweptAt >= 10 else { return }
        state.sweptAt = now
        var surplus = max(0, state.ended.count - maximum)
        if surplus > 0 { surplus += maximum / 8 }
        var kept: [[UInt8]] = []
        for key in state.ended {
            guard let end = state.flights[key]?.end else { continue }
            if surplus > 0 || end.keptUntil <= now {
                state.flights[key] = nil
                surplus -= 1
            } else {
                kept.append(key)
            }
        }
        state.ended = kept
    }
}
