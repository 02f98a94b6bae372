// One HTTP/1.1 connection out.

import NIOCore

/// Carries one exchange at a time to an upstream; between them it is idle in its pool.
final class UpstreamConnection: UpstreamLink, UpstreamSpeaker, ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase { case connecting, idle, head, body, tunnel, closed }

    let pool: ConnectionPool
    let id: ConnectionID
    /// Whether it has carried an exchange before the one it carries.
    private(set) var hasServed = false

    private var phase = Phase.connecting
    private var context: ChannelHandlerContext?
    private var reader: AnswerReader
    private var body = InboundBody()
    /// Whether the answer under way lets the connection stay.
    private var keepsAlive = false
    /// Whether its other end is the endpoint's no longer.
    private var isLeaving = false
    /// Whether the request goes out in chunks.
    private var isChunked = false
    /// Whether any octet of an answer to the exchange has come, an interim one included.
    private var hasSpoken = false
    /// Whether it broke, rather than closed: then nothing ends by its end.
    private var isBroken = false
    /// Interim answers of the exchange so far.
    private var interims = 0

    init(worker: Worker, pool: ConnectionPool, id: ConnectionID) {
        self.pool = pool
        self.id = id
        self.reader = AnswerReader(limits: worker.limits)
        super.init(worker: worker)
    }

    func install(on channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(self)
    }

    // MARK: What the exchange asks of it

    override func begin(for client: ClientStream, _ order: ForwardOrder, isWhole: Bool, flush: Bool) {
        super.begin(for: client, order, isWhole: isWhole, flush: flush)
        self.phase = .head
        self.hasSpoken = false
        self.interims = 0
        self.reader.begin()
        let exchange = client.exchange
        self.isChunked = exchange.head.framing == .chunked
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            exchange.head,
            order,
            exchange.towardsUpstream,
            from: exchange.facts,
            client.origin,
            offer: client.passage.offer,
            into: &self.worker.scratch
        )
        self.worker.toUpstream.clear()
        self.worker.toUpstream.writeBytes(self.worker.scratch)
        self.write(self.worker.toUpstream, flush: flush)
    }

    override func send(_ buffer: ByteBuffer, _ range: Range<Int>) {
        guard let data = buffer.getSlice(at: buffer.readerIndex + range.lowerBound, length: range.count)
        else { return }
        guard self.isChunked else { return self.write(data, flush: false) }
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.scratch.appendHexadecimal(range.count)
        self.worker.scratch.append("\r\n")
        var framed = ByteBufferAllocator().buffer(capacity: range.count + 20)
        framed.writeBytes(self.worker.scratch)
        framed.writeImmutableBuffer(data)
        framed.writeImmutableBuffer(Self.lineEnd)
        self.write(framed, flush: false)
    }

    override func sendEnd(trailers: [UInt8]) {
        guard self.isChunked else { return }
        guard !trailers.isEmpty else { return self.write(Self.lastChunk, flush: false) }
        self.write(ByteBuffer(bytes: Array("0\r\n".utf8) + trailers + Array("\r\n".utf8)), flush: false)
    }

    private static let lastChunk = ByteBuffer(string: "0\r\n\r\n")
    private static let lineEnd = ByteBuffer(string: "\r\n")

    private func write(_ buffer: ByteBuffer, flush: Bool) {
        guard let context = self.context else { return }
        if flush {
            context.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
        } else {
            context.write(self.wrapOutboundOut(buffer), promise: nil)
        }
    }

    override func sendRaw(_ buffer: ByteBuffer) { self.write(buffer, flush: true) }

    override func sendClose() {
        guard let context = self.context else { return }
        self.client = nil
        self.deadline = .distantFuture
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in self.abort() }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    override func flush() { self.context?.flush() }

    /// Whether it has not closed.
    var isOpen: Bool { self.context != nil && self.phase != .closed }

    override var isWritable: Bool { self.context?.channel.isWritable ?? false }

    override var isAwaiting: Bool { self.phase == .head || self.phase == .body }

    override func pauseReading() {
        guard !self.isReadingPaused, let context = self.context else { return }
        super.pauseReading()
        _ = context.channel.setOption(ChannelOptions.autoRead, value: false)
    }

    override func resumeReading() {
        guard self.isReadingPaused, let context = self.context else { return }
        super.resumeReading()
        _ = context.channel.setOption(ChannelOptions.autoRead, value: true)
    }

    override func abort() {
        self.client = nil
        self.context?.close(promise: nil)
    }

    override func timeIsUp() {
        self.deadline = .distantFuture
        switch self.phase {
        // Of a tunnel the client's side keeps the time.
        case .connecting, .closed, .tunnel: return
        case .idle: self.abort()
        case .head, .body:
            let isWriting = self.client?.passage.isUpstreamFull ?? false
            self.fail(isWriting ? .writeTimedOut : .answerTimedOut)
        }
    }

    /// The attempt to connect has succeeded; from here on its end is its own to tell.
    func connected() { self.phase = .idle }

    /// Becomes idle in its pool.
    func rest(at now: NIODeadline) {
        self.phase = .idle
        self.deadline = now + TimeAmount(seconds: self.worker.limits.upstreamIdleSeconds)
    }

    /// Ends when it is free, if it leads to one of these.
    func leave(_ gone: Set<IPAddress>) {
        guard let context = self.context, context.leads(to: gone) else { return }
        self.isLeaving = true
        if self.phase == .idle { self.abort() }
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // Where a handshake came first.
        if context.channel.isActive, self.place == nil { self.worker.add(self) }
    }

    func channelActive(context: ChannelHandlerContext) { if self.place == nil { self.worker.add(self) } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.worker.toClient.clear()
        guard let client = self.client else { return self.abort() }
        guard self.phase != .tunnel else { return client.tunnelled(buffer) }
        if self.phase == .head {
            guard self.readHead(&buffer, client) else { return }
        }
        self.readBody(buffer, client)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        self.client?.upstreamBecameWritable()
    }

    func channelInactive(context: ChannelHandlerContext) { self.end() }

    /// A channel that closes before it was active tells so in no other way.
    func handlerRemoved(context: ChannelHandlerContext) {
        guard self.phase != .closed else { return }
        guard self.phase != .connecting else {
            // Who asked for the attempt hears of its end; the two must only let go of each other.
            self.context = nil
            return
        }
        self.end()
    }

    private func end() {
        let phase = self.phase
        self.phase = .closed
        self.context = nil
        self.worker.remove(self)
        self.pool.gone(self.id)
        guard let client = self.client else { return }
        self.client = nil
        switch phase {
        case .head:
            client.upstreamFailed(self.hasSpoken ? .closedWithinAnswer : .closedBeforeAnswer)
        case .body:
            // A reset ends nothing, not even what goes on until the close (RFC 9112 §8; X18).
            guard !self.isBroken, self.body.close() else { return client.upstreamFailed(.closedWithinAnswer) }
            // What another exchange left there is none of this answer.
            self.worker.toClient.clear()
            client.upstreamEnd(hasSurplus: false, at: .now())
        case .tunnel: client.tunnelEnded()
        case .connecting, .idle, .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.isBroken = true
        context.close(promise: nil)
    }

    // MARK: The answer

    /// Reads on in a head; false if more is needed or it came to nothing.
    private func readHead(_ buffer: inout ByteBuffer, _ client: ClientStream) -> Bool {
        while true {
            if buffer.readableBytes > 0 { self.hasSpoken = true }
            switch self.reader.read(&buffer, answering: self.method) {
            case .incomplete: return false
            case .malformed:
                self.fail(.malformedAnswer)
                return false
            case .interim(let head):
                self.interims += 1
                guard self.interims <= self.worker.limits.interimAnswers else {
                    self.fail(.malformedAnswer)
                    return false
                }
                client.upstreamInterim(head)
            case .switching:
                self.turnToTunnel(buffer, client)
                return false
            case .final(let framing, let keepsAlive):
                self.phase = .body
                self.keepsAlive = keepsAlive
                self.body.begin(framing)
                client.upstreamHead(&self.reader.head)
                return self.client === client
            }
        }
    }

    /// Octets go through as they are from here on, if the client asked for it; not one did before (H5).
    private func turnToTunnel(_ rest: ByteBuffer, _ client: ClientStream) {
        guard let offer = client.passage.offer,
            UpgradeRequest.accepts(self.reader.head, offer: offer, of: client.exchange.head)
        else { return self.fail(.unexpectedUpgrade) }
        self.phase = .tunnel
        self.deadline = .distantFuture
        client.upstreamSwitched(&self.reader.head, at: .now())
        guard self.client === client, rest.readableBytes > 0 else { return }
        client.tunnelled(rest)
    }

    private func readBody(_ buffer: ByteBuffer, _ client: ClientStream) {
        var index = 0
        while !self.body.isComplete {
            let piece = self.body.next(buffer.readableBytesUInt8Span, from: &index)
            switch piece {
            case .data(let range): client.upstreamData(buffer, range)
            case .more:
                if client.passage.hasSentRequest { self.watchRead(.now()) }
                return client.upstreamPause()
            case .malformed:
                client.upstreamPause()
                return self.fail(.malformedAnswer)
            case .end: break
            }
        }
        self.endExchange(client, hasSurplus: index < buffer.readableBytes)
    }

    /// The answer is whole: back to the pool only if both sides were complete and clean (H5).
    private func endExchange(_ client: ClientStream, hasSurplus: Bool) {
        let isClean = client.passage.hasSentRequest && !hasSurplus
        if !self.body.trailers.isEmpty {
            client.upstreamTrailers(self.body.trailers, after: self.reader.head)
        }
        self.client = nil
        self.hasServed = true
        let stays = isClean && self.keepsAlive && !self.isLeaving && !self.worker.isDraining
        self.phase = .idle
        if !stays { self.abort() }
        let now = NIODeadline.now()
        client.upstreamEnd(hasSurplus: hasSurplus, at: now)
        guard stays, self.isOpen else { return }
        self.resumeReading()
        self.pool.giveBack(self, at: now)
    }
}
