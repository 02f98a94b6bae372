// One client's connection of HTTP/2: frames in, streams through, frames out.

import NIOCore
import NIOHTTP2

/// Keeps the streams of a connection and its share of flow control; NIOHTTP2 keeps the protocol's own state.
final class HTTP2Connection: ChannelInboundHandler, ClientConnection {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    let worker: Worker
    var place: Int?
    /// Past while there are streams, so that each sweep looks at theirs.
    private(set) var deadline = NIODeadline.distantFuture
    /// Each stream has its own.
    var endsAt: NIODeadline { .distantFuture }
    private(set) var facts = ClientFacts()
    private(set) var origin = HeadWriter.Origin(ClientFacts())
    /// Reads every request of the connection: they come whole.
    var parser: RequestParser
    private(set) var isWritable = true
    /// The way out, for its streams too.
    let output = FrameOutput()
    private var streams: [HTTP2StreamID: HTTP2Stream] = [:]
    /// Streams that have ended, for the next.
    private var spare: [HTTP2Stream] = []
    private var requests = 0
    private var isLeaving = false
    private let errors = FatalErrors()

    private let arrival: Arrival

    private init(worker: Worker, _ arrival: Arrival) {
        self.worker = worker
        self.arrival = arrival
        self.parser = RequestParser(limits: worker.limits)
    }

    // MARK: Coming and going

    /// Adds what speaks HTTP/2 to the end of a channel's pipeline; the next octets must be the client's preface.
    ///
    /// - Parameter arrival: what came before.
    static func install(on channel: any Channel, worker: Worker, _ arrival: Arrival = Arrival()) throws {
        let connection = HTTP2Connection(worker: worker, arrival)
        let handler = NIOHTTP2Handler(
            mode: .server,
            frameDelegate: connection.errors,
            connectionConfiguration: HTTP2Limits.connection(worker.limits),
            streamConfiguration: HTTP2Limits.stream
        )
        try channel.pipeline.syncOperations.addHandlers([handler, connection])
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.output.open(context)
        if context.channel.isActive { self.begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) { self.begin(context) }

    private func begin(_ context: ChannelHandlerContext) {
        guard self.place == nil else { return }
        let trusted = self.worker.trustedPeers
        guard var facts = ClientFacts(of: context.channel, trusted: trusted, self.arrival) else {
            return context.close(promise: nil)
        }
        facts.isHTTP2 = true
        guard self.worker.admit(self, facts) else { return context.close(promise: nil) }
        self.facts = facts
        self.origin = HeadWriter.Origin(facts)
        self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds)
        self.output.widen()
        if self.worker.isDraining { self.drain(.now()) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.end() }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        guard self.output.isOpen else { return }
        self.output.close()
        for stream in self.streams.values { stream.gone() }
        self.streams = [:]
        self.spare = []
        self.worker.remove(self, self.facts)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let refused = error as? NIOHTTP2Errors.StreamError {
            // What was to be written there may not be.
            self.streams[refused.streamID]?.breakAnswer()
            return
        }
        guard self.errors.hasFailed || !(error is any NIOHTTP2Error) else { return }
        context.close(promise: nil)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        for stream in Array(self.streams.values) { stream.writabilityChanged() }
    }

    // MARK: Frames

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = self.unwrapInboundIn(data)
        switch frame.payload {
        case .headers(let headers):
            if let stream = self.streams[frame.streamID] {
                // Trailers (X10): that the body has ended is all that crosses.
                if headers.endStream { stream.receiveEnd() }
                return
            }
            self.open(frame.streamID, headers)
        case .data(let data):
            guard case .byteBuffer(let buffer) = data.data else { return }
            let padding = data.paddingBytes.map { $0 + 1 } ?? 0
            self.output.taken(padding, of: frame.streamID, more: !data.endStream)
            guard let stream = self.streams[frame.streamID] else {
                return self.output.taken(buffer.readableBytes, of: frame.streamID, more: false)
            }
            stream.receive(buffer, isLast: data.endStream)
        case .goAway: self.leave(.now())
        case .rstStream, .priority, .settings, .pushPromise, .ping, .windowUpdate, .alternativeService,
            .origin:
            return
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let closed = event as? StreamClosedEvent, let stream = self.streams[closed.streamID] else {
            return
        }
        self.streams[closed.streamID] = nil
        stream.gone()
        if self.spare.count < HTTP2Limits.spareStreams { self.spare.append(stream) }
        guard self.streams.isEmpty else { return }
        let limits = self.worker.limits
        self.deadline =
            .now() + TimeAmount(seconds: self.isLeaving ? limits.drainIdleSeconds : limits.idleSeconds)
    }

    private func open(_ id: HTTP2StreamID, _ headers: HTTP2Frame.FramePayload.Headers) {
        self.requests += 1
        let stream = self.spare.popLast() ?? HTTP2Stream(connection: self)
        self.streams[id] = stream
        self.deadline = .distantPast
        stream.begin(id, headers.headers, isWhole: headers.endStream)
        if self.requests >= self.worker.limits.requestsPerConnection { self.leave(.now()) }
    }

    // MARK: Time and end

    func timeIsUp(_ now: NIODeadline) {
        guard self.streams.isEmpty else {
            for stream in Array(self.streams.values) {
                if stream.endsAt <= now {
                    stream.identityEnded()
                } else if stream.deadline <= now {
                    stream.timeIsUp()
                }
            }
            return
        }
        self.output.write(
            .rootStream,
            .goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil)
        )
        self.deadline = .distantFuture
        self.output.flush()
        self.abort()
    }

    func identityEnded() {}

    func rest() { self.spare = [] }

    func drain(_ now: NIODeadline) { self.leave(now) }

    /// Asks the client to open no more streams; those that are on their way are served (RFC 9113 §6.8).
    private func leave(_ now: NIODeadline) {
        guard !self.isLeaving else { return }
        self.isLeaving = true
        self.output.write(.rootStream, .goAway(lastStreamID: .maxID, errorCode: .noError, opaqueData: nil))
        self.output.flush()
        guard self.streams.isEmpty else { return }
        self.deadline = min(self.deadline, now + TimeAmount(seconds: self.worker.limits.drainIdleSeconds))
    }

    func abort() { self.output.context?.close(promise: nil) }
}
