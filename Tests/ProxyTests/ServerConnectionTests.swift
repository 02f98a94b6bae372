// A client's connection without a socket: what the channel below it says is made up.

import NIOCore
import NIOEmbedded
import Testing

@testable import Proxy

@Suite struct ServerConnectionTests {
    /// A channel that a client with that address has just opened.
    private func channel(from address: String?) throws -> EmbeddedChannel {
        let (channel, told) = (EmbeddedChannel(), Told())
        channel.remoteAddress = try address.map { try SocketAddress(ipAddress: $0, port: 1) }
        let handler = TestHandler(endpoint: Endpoint(host: "127.0.0.1", port: 1), told: told) { _ in }
        let worker = Worker(
            eventLoop: channel.eventLoop,
            settings: ServerSettings(listen: [], workers: 1) { _, _ in
                TestHandler(endpoint: Endpoint(host: "127.0.0.1", port: 1), told: told) { _ in }
            },
            handler: handler,
            admission: Admission(ProxyLimits())
        )
        try channel.pipeline.syncOperations.addHandler(ServerConnection(worker: worker))
        channel.pipeline.fireChannelActive()
        return channel
    }

    /// How many answers have been written.
    private func answers(_ channel: EmbeddedChannel) throws -> Int {
        var count = 0
        while let octets = try channel.readOutbound(as: ByteBuffer.self) {
            count += String(buffer: octets).components(of: "HTTP/1.1 200 OK")
        }
        return count
    }

    @Test func `a client whose address is not known is closed unheard (P1)`() throws {
        let unknown = try self.channel(from: nil)
        _ = try? unknown.writeInbound(ByteBuffer(string: get("/own")))
        #expect(try self.answers(unknown) == 0)
        let known = try self.channel(from: "192.0.2.1")
        try known.writeInbound(ByteBuffer(string: get("/own")))
        #expect(try self.answers(known) == 1)
    }

    @Test func `no request is begun while the client leaves its answers unread (E2)`() throws {
        let channel = try self.channel(from: "192.0.2.1")
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        try channel.writeInbound(ByteBuffer(string: get("/own") + get("/own")))
        try channel.writeInbound(ByteBuffer(string: get("/own")))
        #expect(try self.answers(channel) == 0)
        channel.isWritable = true
        channel.pipeline.fireChannelWritabilityChanged()
        #expect(try self.answers(channel) == 3)
    }
}
