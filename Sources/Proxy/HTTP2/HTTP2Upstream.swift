// One connection of HTTP/2 out: many exchanges at a time.

import NIOCore
import NIOHTTP2

/// Keeps the streams of a connection to an upstream; made and kept by its pool.
final class HTTP2Upstream: ChannelInboundHandler, UpstreamSpeaker, WatchedUpstream {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    let worker: Worker
    unowned let pool: HTTP2Pool
    var place: Int?
    private(set) var deadline = NIODeadline.distantFuture
    private(set) var isWritable = true
    /// Whether it has carried an exchange before.
    private(set) var hasServed = false
    /// Whether its preface has gone out, before which nothing may.
    private(set) var isReady = false
    /// Whether the attempt to connect has succeeded.
    private(set) var isMade = false
    /// The way out, for its streams too.
    let output = FrameOutput()
    private var streams: [HTTP2StreamID: HTTP2UpstreamStream] = [:]
    private var nextID = 1
    /// Streams that the upstream allows.
    private var mostStreams = HTTP2Limits.assumedStreams
    /// Whether it takes no more exchanges.
    private(set) var isLeaving = false
    private let errors = FatalErrors()

    init(worker: Worker, pool: HTTP2Pool) {
        self.worker = worker
        self.pool = pool
    }

    func install(on channel: any Channel) throws {
        let handler = NIOHTTP2Handler(
            mode: .client,
            frameDelegate: self.errors,
            connectionConfiguration: HTTP2Limits.upstream(self.worker.limits),
            streamConfiguration: HTTP2Limits.upstreamStream
        )
        try channel.pipeline.syncOperations.addHandlers([handler, self])
    }

    /// Whether it can carry one more exchange.
    var hasRoom: Bool {
        self.isReady && self.output.isOpen && !self.isLeaving && self.streams.count < self.mostStreams
    }

    /// The attempt to connect has succeeded; false if the connection has closed since.
    func made() -> Bool {
        self.isMade = true
        return self.output.isOpen
    }

    /// A stream for an exchange.
    func open() -> HTTP2UpstreamStream {
        let stream = HTTP2UpstreamStream(connection: self, id: HTTP2StreamID(self.nextID))
        self.nextID += 2
        if self.nextID > HTTP2Limits.lastStreamID { self.isLeaving = true }
        self.streams[stream.id] = stream
        self.deadline = .distantFuture
        self.worker.add(stream)
        return stream
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
        if let context = self.output.context, context.leads(to: gone) { self.retire() }
    }

    func timeIsUp() {
        self.deadline = .distantFuture
        guard self.streams.isEmpty else { return }
        self.isLeaving = true
        self.abort()
    }

    func abort() { self.output.context?.close(promise: nil) }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.output.open(context)
        // Where a handshake came first.
        if context.channel.isActive { self.channelActive(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard self.place == nil else { return }
        self.worker.add(self)
        self.output.widen()
        self.isReady = true
        self.pool.connected(self)
    }

    func channelInactive(context: ChannelHandlerContext) { self.end() }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        guard self.output.isOpen else { return }
        self.output.close()
        self.isLeaving = true
        // Of an attempt that fails its own end tells.
        guard self.isReady || self.isMade else { return }
        if self.place != nil { self.worker.remove(self) }
        let streams = self.streams
        self.streams = [:]
        for stream in streams.values { stream.gone(nil) }
        self.pool.gone(self)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let refused = error as? NIOHTTP2Errors.StreamError {
            self.streams[refused.streamID]?.refused()
            return
        }
        guard self.errors.hasFailed || !(error is any NIOHTTP2Error) else { return }
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        for stream in Array(self.streams.values) { stream.writabilityChanged() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = self.unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let headers):
            self.worker.toClient.clear()
            self.streams[frame.streamID]?.receive(headers.headers, isLast: headers.endStream)
        case .data(let data):
            guard case .byteBuffer(let buffer) = data.data else { return }
            self.output.taken(
                data.paddingBytes.map { $0 + 1 } ?? 0,
                of: frame.streamID,
                more: !data.endStream
            )
            guard let stream = self.streams[frame.streamID] else {
                return self.output.taken(buffer.readableBytes, of: frame.streamID, more: false)
            }
            stream.receive(buffer, isLast: data.endStream)
        case .settings(.settings(let settings)):
            for setting in settings where setting.parameter == .maxConcurrentStreams {
                self.mostStreams = max(1, setting.value)
            }
            self.pool.roomChanged(self)
        case .goAway(let last, _, _):
            self.isLeaving = true
            for stream in Array(self.streams.values) where stream.id > last { stream.notProcessed() }
            self.rest(at: .now())
        case .settings, .rstStream, .priority, .pushPromise, .ping, .windowUpdate, .alternativeService,
            .origin:
            return
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let closed = event as? StreamClosedEvent,
            let stream = self.streams.removeValue(forKey: closed.streamID)
        else { return }
        self.hasServed = true
        stream.gone(closed.reason)
        if self.streams.isEmpty { self.rest(at: .now()) }
        self.pool.roomChanged(self)
    }
}
