// One connection of HTTP/2 out: many exchanges at a time.

import NIOCore

/// Keeps the streams of a connection to an upstream; made and kept by its pool.
final class HTTP2Upstream: ChannelInboundHandler, UpstreamSpeaker, WatchedUpstream, HTTP2SessionUser {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let worker: Worker
    unowned let pool: HTTP2Pool
    var place: Int?
    private(set) var deadline = NIODeadline.distantFuture
    /// Whether it has carried an exchange before.
    private(set) var hasServed = false
    /// Whether its preface has gone out, before which nothing may.
    private(set) var isReady = false
    /// Whether the attempt to connect has succeeded.
    private(set) var isMade = false
    private(set) lazy var session = HTTP2Session(
        .client,
        worker: self.worker,
        user: self,
        bounds: HTTP2Limits.ofUpstreams
    )
    private var hasEnded = false
    /// Streams under way.
    private var streams: [UInt32: HTTP2UpstreamStream] = [:]
    private var nextID: UInt32 = 1
    /// Whether it takes no more exchanges.
    private(set) var isLeaving = false

    init(worker: Worker, pool: HTTP2Pool) {
        self.worker = worker
        self.pool = pool
    }

    func install(on channel: any Channel) throws { try channel.pipeline.syncOperations.addHandler(self) }

    /// Whether it can carry one more exchange.
    var hasRoom: Bool {
        self.isReady && self.session.isOpen && !self.isLeaving
            && self.streams.count < self.session.peerStreams
    }

    /// The attempt to connect has succeeded; false if the connection has closed since.
    func made() -> Bool {
        self.isMade = true
        return !self.hasEnded
    }

    /// A stream for an exchange.
    func open() -> HTTP2UpstreamStream {
        let stream = HTTP2UpstreamStream(connection: self, self.session)
        let id = self.nextID
        self.nextID += 2
        if self.nextID > HTTP2Limits.lastStreamID { self.isLeaving = true }
        self.streams[id] = stream
        self.session.lastOwnStream = id
        self.session.add(stream.flow, id)
        stream.number = id
        self.deadline = .distantFuture
        self.worker.add(stream)
        return stream
    }

    /// A stream is over.
    func closed(_ stream: HTTP2UpstreamStream) {
        guard self.streams.removeValue(forKey: stream.number) != nil, !self.hasEnded else { return }
        self.hasServed = true
        if self.streams.isEmpty { self.rest(at: .now()) }
        self.pool.roomChanged(self)
    }

    /// Nobody asked for it any more, or all its exchanges are over.
    func rest(at now: NIODeadline) {
        guard self.streams.isEmpty else { return }
        if self.isLeaving { return self.abort() }
        self.deadline = now + TimeAmount(seconds: self.worker.limits.upstreamIdleSeconds)
    }

    /// Takes no more exchanges; closes when those under way are over.
    func retire() {
        self.isLeaving = true
        if self.streams.isEmpty { self.abort() }
    }

    /// Takes no more exchanges, if it leads to one of these.
    func leave(_ gone: Set<IPAddress>) {
        if let context = self.session.context, context.leads(to: gone) { self.retire() }
    }

    func timeIsUp() {
        self.deadline = .distantFuture
        guard self.streams.isEmpty else { return }
        self.isLeaving = true
        self.abort()
    }

    func abort() {
        self.session.flushNow()
        self.session.context?.close(promise: nil)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        // Where a handshake came first.
        if context.channel.isActive { self.channelActive(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard self.place == nil else { return }
        self.worker.add(self)
        self.session.open(context)
        self.isReady = true
        self.pool.connected(self)
    }

    func channelInactive(context: ChannelHandlerContext) { self.end() }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        self.isLeaving = true
        // Of an attempt that fails its own end tells.
        guard self.isReady || self.isMade else { return }
        if self.place != nil { self.worker.remove(self) }
        self.session.close()
        self.streams = [:]
        self.pool.gone(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.session.isWritable = context.channel.isWritable
        self.session.sendWaiting()
        for stream in Array(self.streams.values) { stream.sentSome() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.session.receive(self.unwrapInboundIn(data))
    }

    // MARK: What the session tells

    /// Nobody opens streams towards a client (RFC 9113 §8.4).
    func opened(_ id: UInt32, _ fields: FieldList, isLast: Bool) {}

    func saidGoodbye() { self.session.context?.close(promise: nil) }

    func settingsCame() { self.pool.roomChanged(self) }

    func peerLeaves(after last: UInt32) {
        self.isLeaving = true
        for stream in Array(self.streams.values) where stream.number > last { stream.notProcessed() }
        self.rest(at: .now())
    }
}
