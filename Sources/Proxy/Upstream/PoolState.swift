// Which connections an endpoint has, and who waits for one: events in, actions out.

/// A connection's place in its pool.
package struct ConnectionID: Sendable, Hashable {
    let slot: Int
}

/// The book of a pool; knows no socket.
package struct PoolState: Sendable {
    /// A request that wants a connection, as the pool's owner counts them.
    package typealias RequestID = UInt64

    /// What to do for a request that wants a connection.
    package enum OnLease: Equatable, Sendable {
        case use(ConnectionID), connect(ConnectionID), wait, refuse
    }

    /// What to do with a connection that came back or was made for nobody.
    package enum OnReturn: Equatable, Sendable {
        case handOver(ConnectionID, to: RequestID), keepIdle(ConnectionID), close(ConnectionID)
    }

    /// What to do once a connection is gone.
    package enum OnGone: Equatable, Sendable {
        case nothing, connect(ConnectionID, for: RequestID)
    }

    private enum Slot: Equatable, Sendable { case free, busy, idle }

    private let limit: Int
    private var idleLimit: Int
    private let waiterLimit: Int
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    /// The latest to come back is the first to go out.
    private var idle: [Int] = []
    /// First come, first served; `waitersStart` is the front.
    private var waiters: [RequestID] = []
    private var waitersStart = 0

    /// An empty pool.
    package init(limit: Int, idleLimit: Int, waiterLimit: Int) {
        self.limit = limit
        self.idleLimit = idleLimit
        self.waiterLimit = waiterLimit
    }

    /// How many connections are made or being made.
    package var count: Int { self.slots.count - self.freeSlots.count }
    /// How many connections are idle.
    package var idleCount: Int { self.idle.count }
    /// How many requests wait.
    package var waiterCount: Int { self.waiters.count - self.waitersStart }

    /// A request wants a connection; `fresh` if a reused one will not do.
    package mutating func lease(for request: RequestID, fresh: Bool = false) -> OnLease {
        if !fresh, let slot = self.idle.popLast() {
            self.slots[slot] = .busy
            return .use(ConnectionID(slot: slot))
        }
        if let id = self.open() { return .connect(id) }
        if let slot = self.idle.popLast() {
            self.slots[slot] = .busy
            return .use(ConnectionID(slot: slot))
        }
        guard self.waiterCount < self.waiterLimit else { return .refuse }
        self.waiters.append(request)
        return .wait
    }

    /// A connection is whole and free again, or was made and nobody wants it any more.
    package mutating func giveBack(_ id: ConnectionID) -> OnReturn {
        precondition(self.slots[id.slot] == .busy, "only a leased connection comes back")
        if let request = self.nextWaiter() { return .handOver(id, to: request) }
        guard self.idle.count < self.idleLimit else { return .close(id) }
        self.slots[id.slot] = .idle
        self.idle.append(id.slot)
        return .keepIdle(id)
    }

    /// A connection, busy or idle, is gone or could not be made; its place is free.
    package mutating func gone(_ id: ConnectionID) -> OnGone {
        switch self.slots[id.slot] {
        case .free: return .nothing
        case .idle: self.idle.removeAll { $0 == id.slot }
        case .busy: break
        }
        self.slots[id.slot] = .free
        self.freeSlots.append(id.slot)
        guard let request = self.nextWaiter(), let next = self.open() else { return .nothing }
        return .connect(next, for: request)
    }

    /// Whether there is no connection, and nobody waits for one.
    package var isEmpty: Bool { self.count == 0 && self.waiterCount == 0 }

    /// Keeps nothing idle any more; gives the connections to close.
    package mutating func retire() -> [ConnectionID] {
        self.idleLimit = 0
        return self.idle.map { ConnectionID(slot: $0) }
    }

    /// A waiting request has left.
    package mutating func forget(_ request: RequestID) {
        guard let index = self.waiters[self.waitersStart...].firstIndex(of: request) else { return }
        self.waiters.remove(at: index)
    }

    private mutating func open() -> ConnectionID? {
        if let slot = self.freeSlots.popLast() {
            self.slots[slot] = .busy
            return ConnectionID(slot: slot)
        }
        guard self.slots.count < self.limit else { return nil }
        self.slots.append(.busy)
        return ConnectionID(slot: self.slots.count - 1)
    }

    private mutating func nextWaiter() -> RequestID? {
        guard self.waitersStart < self.waiters.count else { return nil }
        let request = self.waiters[self.waitersStart]
        self.waitersStart += 1
        if self.waitersStart == self.waiters.count || self.waitersStart > 64 {
            self.waiters.removeFirst(self.waitersStart)
            self.waitersStart = 0
        }
        return request
    }
}
