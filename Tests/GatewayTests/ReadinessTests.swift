// Whether the program takes traffic, as those hear it who watch.
import Proxy
import Synchronization
import Testing

@testable import Gateway

struct ReadinessTests {
    /// Somebody who watches, and what he heard.
    private final class Watcher: Sendable {
        private let states = Mutex<[Readiness.State]>([])

        var heard: [Readiness.State] { self.states.withLock { $0 } }

        func watch(_ readiness: Readiness, by client: ClientFacts) {
            readiness.watch(self, by: client) { state in self.states.withLock { $0.append(state) } }
        }
    }

    private static func client(_ address: String, isTrusted: Bool = false) throws -> ClientFacts {
        ClientFacts(peer: try #require(IPAddress(address)), isTrustedPeer: isTrusted)
    }

    @Test func `what is now is told at once, then each change, to those who still watch`() throws {
        let (readiness, one, other) = (Readiness(), Watcher(), Watcher())
        #expect(!readiness.isReady)
        one.watch(readiness, by: try Self.client("192.0.2.1"))
        readiness.become(.serving)
        readiness.become(.serving)
        #expect(readiness.isReady)
        other.watch(readiness, by: try Self.client("192.0.2.1"))
        readiness.leave(one)
        readiness.become(.draining)
        #expect(one.heard == [.starting, .serving])
        #expect(other.heard == [.serving, .draining])
        #expect(!readiness.isReady)
    }

    @Test func `one network fills its own share, and all together the whole`() throws {
        let readiness = Readiness()
        var watchers: [Watcher] = []
        func fill(_ client: ClientFacts) -> Int {
            var count = 0
            while readiness.hasRoom(for: client), count < 5000 {
                watchers.append(Watcher())
                watchers[watchers.count - 1].watch(readiness, by: client)
                count += 1
            }
            return count
        }
        #expect(fill(try Self.client("192.0.2.1")) == Readiness.maximumPerAddress)
        #expect(fill(try Self.client("2001:db8::1")) == Readiness.maximumPerAddress)
        #expect(!readiness.hasRoom(for: try Self.client("2001:db8::2")))
        let trusted = try Self.client("192.0.2.1", isTrusted: true)
        #expect(fill(trusted) == Readiness.maximumWatchers - 2 * Readiness.maximumPerAddress)
        #expect(!readiness.hasRoom(for: try Self.client("192.0.2.3")))
        readiness.leave(watchers[0])
        #expect(readiness.hasRoom(for: try Self.client("192.0.2.1")))
    }
}
