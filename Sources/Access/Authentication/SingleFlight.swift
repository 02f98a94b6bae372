// One question at a time: who asks the same waits for the same answer.
import Synchronization

/// Runs one piece of work for a key at a time, and keeps its outcome for a moment.
///
/// The work goes on when those who asked have gone: a refresh token that was traded in must not be lost. Keys are
/// built from length-prefixed parts (security row H4).
final class SingleFlight<Outcome: Sendable>: Sendable {
    private struct Flight {
        let task: Task<Outcome, Never>
        /// How long its outcome is handed out; nil while it is under way.
        var keptUntil: Double?
    }

    private let flights = Mutex<[[UInt8]: Flight]>([:])
    private let maximum: Int

    /// At most `maximum` keys are kept at a time; beyond, work is done without sharing.
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
        let now = clock()
        let task = flights.withLock { flights -> Task<Outcome, Never> in
            if let flight = flights[key], flight.keptUntil.map({ $0 > now }) ?? true { return flight.task }
            if flights.count >= min(maximum, 1000) {
                flights = flights.filter { $0.value.keptUntil.map { $0 > now } ?? true }
            }
            let task = Task {
                let outcome = await work()
                self.ended(key, until: clock() + keep(outcome))
                return outcome
            }
            if flights.count < maximum { flights[key] = Flight(task: task, keptUntil: nil) }
            return task
        }
        return await task.value
    }

    private func ended(_ key: [UInt8], until: Double) {
        flights.withLock { flights in
            flights[key]?.keptUntil = until
        }
    }
}
