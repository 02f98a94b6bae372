// What a store that is down still has to be told.
import Synchronization

/// Does something again and again until it is done, or nobody needs it any more; so many things at a time.
final class Insistence: Sendable {
    private let count = Atomic<Int>(0)
    private let maximum: Int
    private static let pause = Duration.milliseconds(100)

    /// Insists on at most `maximum` things at a time; what is more is not done again.
    init(maximum: Int = 10_000) { self.maximum = maximum }

    /// How many things are insisted on now.
    var pending: Int { count.load(ordering: .relaxed) }

    /// Does `work` until it says that it is done, or `end` is over.
    ///
    /// The task outlives whoever asked for it: what it tells the store must not be lost with a request.
    func insist(
        until end: Double,
        _ clock: @escaping @Sendable () -> Double,
        _ work: @escaping @Sendable () async -> Bool
    ) {
        guard count.add(1, ordering: .relaxed).newValue <= maximum else {
            count.subtract(1, ordering: .relaxed)
            return
        }
        Task {
            while !(await work()), clock() < end { try? await Task.sleep(for: Self.pause) }
            count.subtract(1, ordering: .relaxed)
        }
    }
}

/// Renewed tokens that are not in the store yet: nobody uses them before they are (security row A17).
final class UnstoredResults: Sendable {
    /// A result, and what it was made from.
    struct Result: Sendable {
        let next: Session
        let former: StoredSession
    }

    private let results = Mutex<[String: Result]>([:])
    private let insistence: Insistence

    init(_ insistence: Insistence) { self.insistence = insistence }

    /// The result that waits for a session.
    func result(_ id: String) -> Result? { results.withLock { $0[id] } }

    /// How many wait.
    var count: Int { results.withLock { $0.count } }

    /// Keeps a result, and has `settle` store it until that is done.
    func keep(
        _ result: Result,
        for id: String,
        until end: Double,
        _ clock: @escaping @Sendable () -> Double,
        settle: @escaping @Sendable () async -> Bool
    ) {
        results.withLock { $0[id] = result }
        insistence.insist(until: end, clock) { [self] in
            guard self.result(id) != nil else { return true }
            let isDone = await settle()
            if isDone || clock() >= end { forget(id) }
            return isDone
        }
    }

    func forget(_ id: String) { results.withLock { $0[id] = nil } }
}
