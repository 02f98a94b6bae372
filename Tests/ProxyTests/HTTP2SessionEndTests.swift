// What streams hear when their connection ends (X17).

import NIOCore
import NIOEmbedded
import Testing

@testable import Proxy

@Suite struct HTTP2SessionEndTests {
    /// A stream that remembers its end.
    private final class Owner: StreamOwner {
        private(set) lazy var flow = StreamFlow(owner: self)
        private(set) var reasons: [HTTP2ErrorCode?] = []

        func received(_ fields: FieldList, isLast: Bool) {}
        func received(_ data: ByteBuffer, isLast: Bool) {}
        func sentSome() {}
        func closed(_ reason: HTTP2ErrorCode?) { self.reasons.append(reason) }
    }

    /// One connection to an upstream.
    private final class Connection: ChannelInboundHandler, HTTP2SessionUser {
        typealias InboundIn = ByteBuffer
        private(set) lazy var session = HTTP2Session(
            .client,
            worker: self.worker,
            user: self,
            bounds: HTTP2Limits.ofUpstreams
        )
        private let worker: Worker
        private(set) var lastTaken: UInt32?

        init(_ worker: Worker) { self.worker = worker }

        func handlerAdded(context: ChannelHandlerContext) { self.session.open(context) }
        func channelInactive(context: ChannelHandlerContext) { self.session.close() }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.session.receive(self.unwrapInboundIn(data))
        }
        func opened(_ id: UInt32, _ fields: FieldList, isLast: Bool) {}
        func settingsCame() {}
        func saidGoodbye() { self.session.context?.close(promise: nil) }
        func peerLeaves(after last: UInt32) { self.lastTaken = last }

        func begin(_ owner: Owner, _ id: UInt32) {
            self.session.lastOwnStream = id
            self.session.add(owner.flow, id)
            self.session.sendHead(owner.flow, [0x82, 0x84, 0x86], isLast: true)
            self.session.flush()
        }
    }

    private let loop = EmbeddedEventLoop()
    private let channel: EmbeddedChannel
    private let connection: Connection

    init() throws {
        let settings = ServerSettings(listen: [], workers: 1, limits: ProxyLimits()) { _, _ in FramesHandler()
        }
        let worker = Worker(
            eventLoop: self.loop,
            settings: settings,
            handler: FramesHandler(),
            admission: Admission(ProxyLimits())
        )
        self.connection = Connection(worker)
        self.channel = EmbeddedChannel(loop: self.loop)
        try self.channel.pipeline.syncOperations.addHandler(self.connection)
        try self.channel.connect(to: SocketAddress(ipAddress: "10.0.0.1", port: 80)).wait()
        self.loop.run()
    }

    private func receive(_ octets: [UInt8]) throws {
        try self.channel.writeInbound(ByteBuffer(bytes: octets))
        self.loop.run()
    }

    @Test func `a stream of which nothing has left was never looked at, one that has left may have been`()
        throws
    {
        let (left, kept) = (Owner(), Owner())
        self.connection.begin(left, 1)
        self.loop.run()
        self.connection.begin(kept, 3)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
        #expect(left.reasons == [.internalError] && kept.reasons == [.refusedStream])
    }

    @Test func `an answer ends its stream alone, and each stream ends once`() throws {
        let (first, second) = (Owner(), Owner())
        self.connection.begin(first, 1)
        self.connection.begin(second, 3)
        self.loop.run()
        try self.receive(FramesScript.frame(4, 0, 0, []) + FramesScript.frame(1, 5, 1, [0x88]))
        #expect(first.reasons == [nil] && second.reasons.isEmpty)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
        #expect(first.reasons == [nil] && second.reasons == [.internalError])
    }

    @Test func `what waited for the channel leaves when it can, however small`() throws {
        let (owner, session) = (Owner(), self.connection.session)
        session.lastOwnStream = 1
        session.add(owner.flow, 1)
        session.sendHead(owner.flow, [0x83, 0x84, 0x86], isLast: false)
        session.flush()
        self.loop.run()
        while try self.channel.readOutbound(as: ByteBuffer.self) != nil {}
        session.isWritable = false
        session.send(owner.flow, ByteBuffer(string: "last"), isLast: true)
        self.loop.run()
        #expect(try self.channel.readOutbound(as: ByteBuffer.self) == nil)
        session.isWritable = true
        session.sendWaiting()
        self.loop.run()
        let left = try #require(try self.channel.readOutbound(as: ByteBuffer.self))
        #expect(left.readableBytesView.suffix(4).elementsEqual("last".utf8))
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test func `a farewell says which streams were taken`() throws {
        try self.receive(FramesScript.frame(4, 0, 0, []))
        try self.receive(FramesScript.frame(7, 0, 0, FramesScript.number(5) + FramesScript.number(0)))
        #expect(self.connection.lastTaken == 5)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test(arguments: [
        ("an answer to nothing", FramesScript.frame(1, 5, 1, [0x88])),
        ("a stream of the server's", FramesScript.frame(1, 5, 2, [0x88])),
        ("no settings first", FramesScript.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])),
        ("a promise", FramesScript.frame(5, 4, 1, [0, 0, 0, 2])),
        ("leave to push", FramesScript.frame(4, 0, 0, [0, 2, 0, 0, 0, 1])),
    ])
    func `what no server may send ends the connection`(name: String, frame: [UInt8]) throws {
        if frame[3] != 4, frame[3] != 6 { try self.receive(FramesScript.frame(4, 0, 0, [])) }
        try self.receive(frame)
        #expect(!self.channel.isActive)
        _ = try? self.channel.finish(acceptAlreadyClosed: true)
    }
}
