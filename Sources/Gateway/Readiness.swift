// Whether the program takes traffic, and who wants to be told when that changes.
package import Proxy
import Synchronization

/// Written by the program, read by whoever is asked about health, from any thread.
package final class Readiness: Sendable {
    /// Where the program stands between its start and its end.
    package enum State: UInt8, Sendable {
        /// Listeners accept, but not all is in place.
        case starting
        case serving
        /// The end has begun: nothing follows it.
        case draining
    }

    /// Who is told of each change.
    private struct Watcher {
        /// Whom it counts for; nil for a trusted peer.
        let address: IPAddress?
        let tell: @Sendable (State) -> Void
    }

    /// Watchers at once, and those of one address that is not trusted, since whoever reaches the listener may ask.
    ///
    /// Each is looked up before it is counted, so that as many more may come in as there are loops.
    package static let maximumWatchers = 1024
    package static let maximumPerAddress = 64

    private let value = Atomic<UInt8>(State.starting.rawValue)
    private let watchers = Mutex<[ObjectIdentifier: Watcher]>([:])

    package init() {}

    /// Now.
    package var state: State { State(rawValue: self.value.load(ordering: .acquiring)) ?? .draining }

    /// Whether a plan is loaded and listeners accept, and nothing drains.
    package var isReady: Bool { self.state == .serving }

    /// Goes on to another state and tells all who watch, in order.
    package func become(_ state: State) {
        self.watchers.withLock { watchers in
            guard self.state != state else { return }
            self.value.store(state.rawValue, ordering: .releasing)
            for watcher in watchers.values { watcher.tell(state) }
        }
    }

    /// Whether one more may watch.
    package func hasRoom(for client: ClientFacts) -> Bool {
        self.watchers.withLock { watchers in
            guard watchers.count < Self.maximumWatchers else { return false }
            guard let address = Self.counted(client) else { return true }
            return watchers.values.count { $0.address == address } < Self.maximumPerAddress
        }
    }

    /// Tells the state as it is, at once, and each change until `leave`.
    ///
    /// - Parameters:
    ///   - owner: whose watch it is; has one.
    ///   - tell: must not wait, nor ask anything here.
    package func watch(
        _ owner: AnyObject,
        by client: ClientFacts,
        _ tell: @escaping @Sendable (State) -> Void
    ) {
        let watcher = Watcher(address: Self.counted(client), tell: tell)
        self.watchers.withLock { watchers in
            watchers[ObjectIdentifier(owner)] = watcher
            tell(self.state)
        }
    }

    /// Tells that owner nothing more.
    package func leave(_ owner: AnyObject) {
        self.watchers.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(owner)) }
    }

    private static func counted(_ client: ClientFacts) -> IPAddress? {
        client.isTrustedPeer ? nil : client.peer.network
    }
}
