// Who may connect: clients counted over all workers, by address, and turned away.

import Synchronization

/// Why a connection was closed before anything was read from it.
package enum TurnedAway: String, Sendable, CaseIterable {
    /// The worker that took it holds as many as it may.
    case worker = "worker-full"
    /// All workers together do.
    case server = "server-full"
    /// Its address does.
    case address = "address-full"
}

/// The count of clients over all workers; touched once when a connection comes and once when it goes.
final class Admission: Sendable {
    private let total: Int
    private let perAddress: Int?
    private let open = Atomic<Int>(0)
    private let byAddress = Mutex<[IPAddress: Int]>([:])
    private let fullWorker = Atomic<Int>(0)
    private let fullServer = Atomic<Int>(0)
    private let fullAddress = Atomic<Int>(0)
    private let pauses = Atomic<Int>(0)
    private let refusals = Mutex<[EarlyRefusal: Int]>([:])

    init(_ limits: ProxyLimits) {
        self.total = limits.connectionsTotal ?? .max
        self.perAddress = limits.connectionsPerAddress
    }

    /// How many clients are connected.
    var connections: Int { self.open.load(ordering: .relaxed) }

    /// How often listening sockets were left alone because the system had no room.
    var acceptPauses: Int { self.pauses.load(ordering: .relaxed) }

    /// How many were turned away for a reason.
    func turnedAway(_ reason: TurnedAway) -> Int { self.counter(reason) { $0.load(ordering: .relaxed) } }

    /// How many connections came to nothing before a request for a reason.
    func refusals(_ reason: EarlyRefusal) -> Int { self.refusals.withLock { $0[reason] ?? 0 } }

    /// A connection comes to nothing.
    func refused(_ reason: EarlyRefusal) { self.refusals.withLock { $0[reason, default: 0] += 1 } }

    /// Lets a client in, which `leave` must tell of again; or says why not, and counts that.
    ///
    /// - Parameter isTrusted: a trusted peer stands for many clients and has no bound of its own.
    func enter(_ peer: IPAddress, isTrusted: Bool, workerIsFull: Bool) -> TurnedAway? {
        guard !workerIsFull else { return self.turnAway(.worker) }
        guard self.open.add(1, ordering: .relaxed).oldValue < self.total else {
            self.open.subtract(1, ordering: .relaxed)
            return self.turnAway(.server)
        }
        guard let limit = self.perAddress, !isTrusted else { return nil }
        let isIn = self.byAddress.withLock { counts in
            let count = counts[peer.network, default: 0]
            if count < limit { counts[peer.network] = count + 1 }
            return count < limit
        }
        guard !isIn else { return nil }
        self.open.subtract(1, ordering: .relaxed)
        return self.turnAway(.address)
    }

    /// A client that was let in is gone.
    func leave(_ peer: IPAddress, isTrusted: Bool) {
        self.open.subtract(1, ordering: .relaxed)
        guard self.perAddress != nil, !isTrusted else { return }
        self.byAddress.withLock { counts in
            let count = counts[peer.network, default: 1]
            counts[peer.network] = count > 1 ? count - 1 : nil
        }
    }

    /// A listening socket is left alone for a moment.
    func paused() { self.pauses.add(1, ordering: .relaxed) }

    private func turnAway(_ reason: TurnedAway) -> TurnedAway {
        self.counter(reason) { $0.add(1, ordering: .relaxed) }
        return reason
    }

    @discardableResult
    private func counter<T>(_ reason: TurnedAway, _ body: (borrowing Atomic<Int>) -> T) -> T {
        switch reason {
        case .worker: body(self.fullWorker)
        case .server: body(self.fullServer)
        case .address: body(self.fullAddress)
        }
    }
}

extension IPAddress {
    /// What counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber has at least.
    package var network: IPAddress { self.isV4 ? self : IPAddress(high: self.high, low: 0) }
}
