// A client's connection without a socket: what the channel below it says is made up.

import NIOCore
import NIOEmbedded
import Testing

@testable import Proxy

@Suite struct ServerConnectionTests {
    /// A channel that a client with that address has just opened.
    private func channel(from address: String?) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel()
        channel.remoteAddress = try address.map { try SocketAddress(ipAddress: $0, port: 1) }
        let worker = self.worker(channel.eventLoop)
        try channel.pipeline.syncOperations.addHandler(ServerConnection(worker: worker))
        channel.pipeline.fireChannelActive()
        return channel
    }

    private func worker(_ loop: any EventLoop) -> Worker {
        let (told, endpoint) = (Told(), Endpoint(host: "127.0.0.1", port: 1))
        let settings = ServerSettings(listen: [], workers: 1) { _, _ in
            TestHandler(endpoint: endpoint, told: told) { _ in }
        }
        return Worker(
            eventLoop: loop,
            settings: settings,
            handler: settings.makeHandler(0, loop),
            admission: Admission(settings.limits)
        )
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

    @Test func `an idle connection gives its storage back, and serves again`() throws {
        let channel = try self.channel(from: "192.0.2.1")
        let connection = try channel.pipeline.syncOperations.handler(type: ServerConnection.self)
        try channel.writeInbound(ByteBuffer(string: get("/own", "X-A: 1\r\n")))
        #expect(connection.exchange.head.fields.bytes.capacity > 0)
        connection.exchange.attachment = self.worker(channel.eventLoop)
        connection.rest()
        #expect(connection.exchange.attachment == nil)
        #expect(connection.exchange.head.fields.bytes.capacity == 0)
        #expect(connection.exchange.head.fields.ranges.capacity == 0)
        try channel.writeInbound(ByteBuffer(string: "GET /own HTTP/1.1\r\n"))
        connection.rest()
        try channel.writeInbound(ByteBuffer(string: "Host: a\r\n\r\n"))
        #expect(try self.answers(channel) == 2)
    }
}
