// An upstream that a test plays by hand, and one that answers by itself.

import NIOCore
import NIOPosix

/// Listens on a port of its own; each connection is handed to the test.
final class ScriptedUpstream: Sendable {
    let port: Int
    private let channel: any Channel
    private let arrivals: AsyncStream<Peer>

    private init(channel: any Channel, arrivals: AsyncStream<Peer>) {
        self.channel = channel
        self.arrivals = arrivals
        self.port = channel.localAddress?.port ?? 0
    }

    static func start() async throws -> ScriptedUpstream {
        let (arrivals, arrived) = AsyncStream.makeStream(of: Peer.self)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                let peer = Peer(channel)
                arrived.yield(peer)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Inbox(peer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedUpstream(channel: channel, arrivals: arrivals)
    }

    /// Waits for the next connection.
    func accept() async -> Peer? {
        var iterator = self.arrivals.makeAsyncIterator()
        return await iterator.next()
    }

    func stop() async { try? await self.channel.close() }
}
