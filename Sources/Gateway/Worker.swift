// What one event loop keeps for itself, without locks.

/// Names a piece of state that each worker has its own copy of.
package struct WorkerSlot<State: AnyObject>: Sendable {
    fileprivate final class Token: Sendable {}
    fileprivate let token = Token()

    /// Names a new piece of state.
    package init() {}
}

/// One event loop's own memory: caches and counters; used on that loop only.
package final class Worker {
    private struct Kept {
        weak var token: AnyObject?
        let state: AnyObject
    }

    /// Which of the loops it is, from 0.
    package let index: Int
    /// What happened on this loop.
    package let metrics: Metrics
    /// What our pages look like.
    package let theme: PageTheme
    private var kept: [ObjectIdentifier: Kept] = [:]
    private var identifiers: RequestIdentifiers

    /// Makes the memory of a loop.
    package init(index: Int, theme: PageTheme = .plain) {
        self.index = index
        self.theme = theme
        self.metrics = Metrics()
        self.identifiers = RequestIdentifiers(
            high: UInt64.random(in: .min ... .max),
            low: UInt64.random(in: .min ... .max)
        )
    }

    /// This loop's copy of the state, made at its first use.
    package func state<State: AnyObject>(_ slot: WorkerSlot<State>, make: () -> State) -> State {
        let key = ObjectIdentifier(slot.token)
        if let kept = self.kept[key], kept.token != nil, let state = kept.state as? State { return state }
        let state = make()
        self.kept[key] = Kept(token: slot.token, state: state)
        return state
    }

    /// Forgets the state of slots that nobody holds any more.
    func sweep() {
        self.kept = self.kept.filter { $0.value.token != nil }
    }

    /// A new request's identifier.
    func nextRequestID() -> RequestIdentifier { self.identifiers.next() }

    /// 128 bits that no other identifier of this loop has.
    func nextBits() -> (high: UInt64, low: UInt64) { self.identifiers.nextBits() }
}
