// One client's connection of HTTP/2: its streams, its time and its end.

import NIOCore

/// Makes requests of a session's streams and watches over the connection; `HTTP2Session` keeps the protocol.
final class HTTP2Connection: ChannelInboundHandler, ClientConnection, HTTP2SessionUser {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let worker: Worker
    var place: Int?
    /// Past while there are streams, so that each sweep looks at theirs.
    private(set) var deadline = NIODeadline.distantFuture
    /// Each stream has its own.
    var endsAt: NIODeadline { .distantFuture }
    private(set) var facts = ClientFacts()
    private(set) var origin = HeadWriter.Origin.unknown
    /// Reads every request of the connection: they come whole.
    var parser: RequestParser
    private var ownSession: HTTP2Session?
    /// Streams under way.
    private var streams: [HTTP2Stream] = []
    /// Streams that have ended, for the next.
    private var spare: [HTTP2Stream] = []
    private var requests = 0
    /// Requests after which a client that was asked to leave is made to.
    private var lastRequest = Int.max
    private var isLeaving = false
    /// Octets that came since GOAWAY; nil before.
    private var lingered: Int?
    private let arrival: Arrival

    private init(worker: Worker, _ arrival: Arrival) {
        self.worker = worker
        self.arrival = arrival
        var limits = worker.limits
        // A call to the program itself is no client's upload; whoever reads it has a limit of its own.
        if arrival.isForCalls { limits.bodyBytes = nil }
        self.parser = RequestParser(limits: limits)
    }

    /// Whether the channel takes more.
    var isWritable: Bool { self.ownSession?.isWritable ?? false }

    // MARK: Coming and going

    /// Adds what speaks HTTP/2 to the end of a channel's pipeline; the next octets must be the client's preface.
    ///
    /// - Parameter arrival: what came before.
    static func install(on channel: any Channel, worker: Worker, _ arrival: Arrival = Arrival()) throws {
        try channel.pipeline.syncOperations.addHandler(HTTP2Connection(worker: worker, arrival))
    }

    func handlerAdded(context: ChannelHandlerContext) {
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
        let session = HTTP2Session(.server, worker: self.worker, user: self, bounds: FloodGuard.Bounds())
        self.ownSession = session
        session.open(context)
        if self.worker.isDraining { self.drain(.now()) }
    }

    func channelInactive(context: ChannelHandlerContext) { self.end() }

    func handlerRemoved(context: ChannelHandlerContext) { self.end() }

    private func end() {
        guard let session = self.ownSession else { return }
        self.ownSession = nil
        session.close()
        self.streams = []
        self.spare = []
        self.worker.remove(self, self.facts)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard let session = self.ownSession else { return }
        session.isWritable = context.channel.isWritable
        session.sendWaiting()
        for stream in self.streams { stream.sentSome() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        guard var lingered = self.lingered else {
            self.ownSession?.receive(buffer)
            return
        }
        lingered += buffer.readableBytes
        self.lingered = lingered
        if lingered > self.worker.limits.drainedBytes * 4 { self.abort() }
    }

    // MARK: Streams

    func opened(_ id: UInt32, _ fields: FieldList, isLast: Bool) {
        guard let session = self.ownSession else { return }
        self.requests += 1
        guard self.requests <= self.lastRequest else { return session.fail(.enhanceYourCalm) }
        let stream = self.spare.popLast() ?? HTTP2Stream(connection: self, session)
        stream.number = self.streams.count
        self.streams.append(stream)
        self.deadline = .distantPast
        session.add(stream.flow, id, isPeerEnded: isLast)
        stream.begin(fields)
        if self.requests >= self.worker.limits.requestsPerConnection { self.leave(.now()) }
    }

    /// A stream is over.
    func closed(_ stream: HTTP2Stream) {
        guard stream.number < self.streams.count, self.streams[stream.number] === stream else { return }
        let last = self.streams.removeLast()
        if last !== stream {
            self.streams[stream.number] = last
            last.number = stream.number
        }
        if self.spare.count < HTTP2Limits.spareStreams { self.spare.append(stream) }
        guard self.streams.isEmpty else { return }
        let limits = self.worker.limits
        self.deadline =
            .now() + TimeAmount(seconds: self.isLeaving ? limits.drainIdleSeconds : limits.idleSeconds)
    }

    func settingsCame() {}

    func peerLeaves(after last: UInt32) { self.leave(.now()) }

    // MARK: Time and end

    func timeIsUp(_ now: NIODeadline) {
        guard self.streams.isEmpty else {
            for stream in self.streams {
                if stream.endsAt <= now {
                    stream.identityEnded()
                } else if stream.deadline <= now {
                    stream.timeIsUp()
                }
            }
            return
        }
        self.deadline = .distantFuture
        guard self.lingered == nil else { return self.abort() }
        self.ownSession?.fail(.noError)
    }

    /// Ends all streams, and reads and drops what the client still sends: closed at once, with octets unread, the connection
    /// would be reset, and the client might never see why (RFC 9112 §9.6 says it of HTTP/1.1).
    func saidGoodbye() {
        guard let session = self.ownSession, let context = session.context, self.lingered == nil else {
            return
        }
        self.lingered = 0
        session.endStreams()
        self.deadline = .now() + .seconds(2)
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.ownSession?.context?.close(mode: .output, promise: nil)
        }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    func identityEnded() {}

    func review() { for stream in self.streams { stream.review() } }

    func rest() {
        self.spare = []
        self.ownSession?.rest()
    }

    func drain(_ now: NIODeadline) { self.leave(now) }

    /// Asks the client to open no more streams; those that are on their way are served (RFC 9113 §6.8).
    private func leave(_ now: NIODeadline) {
        guard !self.isLeaving, self.lingered == nil, let session = self.ownSession else { return }
        self.isLeaving = true
        // What was on its way already is served (RFC 9113 §6.8).
        self.lastRequest = self.requests + HTTP2Limits.concurrentStreams
        session.writeGoAway(0x7FFF_FFFF, .noError)
        session.flush()
        guard self.streams.isEmpty else { return }
        self.deadline = min(self.deadline, now + TimeAmount(seconds: self.worker.limits.drainIdleSeconds))
    }

    func abort() { self.ownSession?.context?.close(promise: nil) }
}
