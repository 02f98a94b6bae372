// A channel's far end, in memory.

import NIOCore
import NIOEmbedded

/// Keeps what a connection writes, and hands it what its peer sends, in pieces and only while it reads.
final class Wire: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let channel: EmbeddedChannel
    /// What was flushed.
    private(set) var written: [UInt8] = []
    /// What the peer has sent and nobody has read.
    private(set) var unread: [UInt8] = []
    /// Octets written since the peer stopped to take any.
    private(set) var writtenWhileFull = 0
    private(set) var isOpen = true
    private(set) var isOutputClosed = false
    private var isActivating = false
    private var pending: [(ByteBuffer, EventLoopPromise<Void>?)] = []

    init(loop: EmbeddedEventLoop) {
        self.channel = EmbeddedChannel(handlers: [], loop: loop)
    }

    /// Puts a connection at the near end.
    func attach(_ connection: any ChannelHandler) throws {
        try self.channel.pipeline.syncOperations.addHandlers([self, connection])
    }

    // MARK: What the peer does

    /// Connects; `body` runs in between, where a close is told to nobody: so it is with a socket.
    func activate(_ body: () -> Void = {}) {
        self.isActivating = true
        body()
        self.isActivating = false
        guard self.isOpen, let address = try? SocketAddress(ipAddress: "10.0.0.9", port: 4321) else { return }
        self.channel.connect(to: address, promise: nil)
    }

    /// Sends octets, unless much of what was sent before is unread: a play has to end.
    func send(_ octets: some Sequence<UInt8>) {
        guard self.isOpen, self.unread.count < 4096 else { return }
        self.unread += octets
    }

    /// Whether something can be delivered.
    var isReadable: Bool { self.isOpen && !self.unread.isEmpty && self.isReading }

    private var isReading: Bool {
        for (option, value) in self.channel.options.reversed()
        where option is ChannelOptions.Types.AutoReadOption {
            return value as? Bool ?? true
        }
        return true
    }

    /// Delivers up to `limit` octets; gives them.
    func deliver(_ limit: Int) -> [UInt8] {
        let piece = Array(self.unread.prefix(limit))
        self.unread.removeFirst(piece.count)
        let pipeline = self.channel.pipeline.syncOperations
        pipeline.fireChannelRead(NIOAny(ByteBuffer(bytes: piece)))
        pipeline.fireChannelReadComplete()
        return piece
    }

    func close(with error: (any Error)? = nil) {
        guard self.isOpen else { return }
        if let error { self.channel.pipeline.syncOperations.fireErrorCaught(error) }
        guard self.isOpen else { return }
        self.channel.close(promise: nil)
    }

    var isFull: Bool {
        get { !self.channel.isWritable }
        set {
            guard self.isOpen, newValue == self.channel.isWritable else { return }
            self.writtenWhileFull = 0
            self.channel.isWritable = !newValue
            self.channel.pipeline.syncOperations.fireChannelWritabilityChanged()
        }
    }

    /// Whether something was written and never flushed.
    var hasUnflushed: Bool { self.isOpen && !self.pending.isEmpty }

    /// Begins to count anew what is written to a full peer.
    func forgive() { self.writtenWhileFull = 0 }

    // MARK: Handler

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard self.isOpen, !self.isOutputClosed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        self.pending.append((self.unwrapOutboundIn(data), promise))
    }

    func flush(context: ChannelHandlerContext) {
        let leaving = self.pending
        self.pending = []
        for (buffer, promise) in leaving {
            self.written += buffer.readableBytesView
            if self.isFull { self.writtenWhileFull += buffer.readableBytes }
            promise?.succeed()
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode != .output else {
            self.isOutputClosed = true
            promise?.succeed()
            return
        }
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.isOpen = false
        self.unread = []
        let lost = self.pending
        self.pending = []
        for (_, promise) in lost { promise?.fail(ChannelError.ioOnClosedChannel) }
        if !self.isActivating { context.fireChannelInactive() }
    }
}
