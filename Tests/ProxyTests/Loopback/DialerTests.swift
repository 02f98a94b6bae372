// Attempts to connect, over real sockets.

import NIOCore
import NIOPosix
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct DialerTests {
    /// A connection, for as long as somebody else holds it.
    private final class Remembered {
        weak var connection: UpstreamConnection?
    }

    @Test func `an attempt that fails leaves nothing behind (D4)`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let wasDialled = loop.makePromise(of: Bool.self)
        let isGone = loop.makePromise(of: Bool.self)
        loop.execute {
            let remembered = Self.dial(on: loop, wasDialled)
            let bound = NIOLoopBound(remembered, eventLoop: loop)
            // What the channel still has to take down is done by the turn after next.
            wasDialled.futureResult.whenComplete { _ in
                loop.execute { loop.execute { isGone.succeed(bound.value.connection == nil) } }
            }
        }
        #expect(try await wasDialled.futureResult.get() == false)
        #expect(try await isGone.futureResult.get())
        try await group.shutdownGracefully()
    }

    /// Dials a port where nobody listens; the promise hears whether it was reached.
    private static func dial(on loop: any EventLoop, _ reached: EventLoopPromise<Bool>) -> Remembered {
        let told = Told()
        let endpoint = Endpoint(host: "127.0.0.1", port: 1)
        let settings = ServerSettings(listen: [], workers: 1) { _, _ in
            TestHandler(endpoint: endpoint, told: told) { _ in }
        }
        let worker = Worker(
            eventLoop: loop,
            settings: settings,
            handler: settings.makeHandler(0, loop),
            admission: Admission(settings.limits)
        )
        let remembered = Remembered()
        let connection = UpstreamConnection(
            worker: worker,
            pool: ConnectionPool(endpoint: endpoint, worker: worker),
            id: ConnectionID(slot: 0)
        )
        remembered.connection = connection
        Dialer.overTCP(on: loop).dial(endpoint, connection, .seconds(5)).whenComplete { result in
            if case .success = result { reached.succeed(true) } else { reached.succeed(false) }
        }
        return remembered
    }
}
