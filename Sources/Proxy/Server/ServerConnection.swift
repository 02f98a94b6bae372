// One client's connection: octets in, exchanges through, answers out.

import NIOCore

/// Speaks HTTP/1.1 with one client; one exchange at a time, pipelined requests wait their turn.
final class ServerConnection: ClientStream, ChannelInboundHandler, RemovableChannelHandler, ClientConnection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where the worker keeps this connection.
    var place: Int?
    var context: ChannelHandlerContext?
    private let arrival: Arrival
    private var parser: RequestParser
    private var requests = 0
    /// Whether something of the next head has come.
    private var hasBegunHead = false
    /// Whether there is nothing to let go of.
    private var isResting = true
    private var lingered = 0
    /// The lines of the trailers that go behind the answer under way.
    var trailers: [UInt8] = []

    /// - Parameter arrival: where it takes HTTP/2, the client may speak that at once (RFC 9113 §3.3).
    init(worker: Worker, _ arrival: Arrival = Arrival()) {
        self.arrival = arrival
        self.parser = RequestParser(limits: worker.limits)
        super.init(worker: worker)
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if self.arrival.isLate { self.channelActive(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        // A client that has reset already has no address: nothing could be ruled or said of it (P1).
        guard self.meet(context.channel), self.worker.admit(self, self.facts) else {
            return context.close(promise: nil)
        }
        self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds)
        if self.worker.isDraining { self.drain(.now()) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        guard self.held.readableBytes == 0, !self.isRunning else {
            self.hold(buffer)
            return self.resume()
        }
        self.run(buffer)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end()
        self.context = nil
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.isWritable = context.channel.isWritable
        guard self.isWritable else { return }
        switch self.phase {
        case .forwarding:
            self.watchBody(.now())
            self.passage.link?.resumeReading()
        case .tunnelling: self.passage.link?.resumeReading()
        case .head, .deciding, .reading, .telling, .draining, .lingering, .closed: self.resume()
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Learns who the client is; false if the system does not tell.
    private func meet(_ channel: any Channel) -> Bool {
        let trusted = self.worker.trustedPeers
        guard let facts = ClientFacts(of: channel, trusted: trusted, self.arrival) else { return false }
        self.facts = facts
        self.origin = HeadWriter.Origin(facts)
        self.exchange.facts = facts
        return true
    }

    // MARK: Octets in

    /// Goes on with what was held back.
    override func resume() {
        guard !self.isRunning, self.phase != .closed, self.isReadingPaused || self.held.readableBytes > 0
        else { return }
        let buffer = self.held
        self.held = ByteBuffer()
        self.run(buffer)
        let isFull = self.passage.link != nil && self.passage.isUpstreamFull
        guard !isFull, self.held.readableBytes <= self.worker.limits.bufferedBytes else { return }
        self.resumeReading()
    }

    /// Takes octets as far as they can be taken now; holds the rest.
    private func run(_ input: ByteBuffer) {
        var buffer = input
        self.isRunning = true
        defer { self.isRunning = false }
        while true {
            switch self.phase {
            case .head:
                guard buffer.readableBytes > 0 else { return }
                // A client that leaves its answers unread gets no more of them (E2).
                guard self.isWritable else { return self.hold(buffer) }
                guard self.readHead(&buffer) else { return }
            case .deciding: return self.hold(buffer)
            case .reading:
                self.gatherBody(&buffer)
                guard self.phase != .reading else { return self.hold(buffer) }
            case .forwarding:
                self.pumpBody(&buffer)
                guard self.phase == .forwarding else { continue }
                return self.hold(buffer)
            case .tunnelling:
                self.pumpTunnel(&buffer)
                return self.hold(buffer)
            case .draining:
                guard self.drainBody(&buffer) else { return }
            case .lingering:
                self.lingered += buffer.readableBytes
                if self.lingered > self.worker.limits.drainedBytes * 4 { self.abort() }
                return
            case .telling, .closed: return
            }
        }
    }

    private func hold(_ buffer: ByteBuffer) {
        guard buffer.readableBytes > 0 else { return }
        if self.held.readableBytes == 0 {
            self.held = buffer
        } else {
            var more = buffer
            self.held.writeBuffer(&more)
        }
        if self.held.readableBytes > self.worker.limits.bufferedBytes { self.pauseReading() }
    }

    override func pauseReading() {
        guard !self.isReadingPaused, let context = self.context else { return }
        self.isReadingPaused = true
        _ = context.channel.setOption(ChannelOptions.autoRead, value: false)
    }

    override func resumeReading() {
        guard self.isReadingPaused, let context = self.context else { return }
        self.isReadingPaused = false
        _ = context.channel.setOption(ChannelOptions.autoRead, value: true)
        // A client whose octets could not be taken was not late; from now on it can be.
        if self.phase == .forwarding || self.phase == .reading { self.watchBody(.now()) }
    }

    /// Reads on in a head; true if there is more to do with what is left of `buffer`.
    private func readHead(_ buffer: inout ByteBuffer) -> Bool {
        let isFirst = !self.hasBegunHead
        switch self.parser.read(&buffer, into: &self.exchange.head) {
        case .incomplete:
            self.hasBegunHead = true
            if isFirst { self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds) }
            return buffer.readableBytes > 0
        case .complete: self.begin()
        case .refused(let refusal):
            if refusal == .unsupportedVersion, self.turnToHTTP2(buffer) { return false }
            buffer.clear()
            self.refuse(refusal)
        }
        return true
    }

    /// Hands the connection over if its first octets are HTTP/2's preface and the listener takes it (RFC 9113 §3.3).
    private func turnToHTTP2(_ rest: ByteBuffer) -> Bool {
        guard self.arrival.takesHTTP2, self.requests == 0, let context = self.context,
            self.parser.isPreface(self.exchange.head)
        else { return false }
        var octets = ByteBuffer(bytes: self.parser.taken(of: self.exchange.head))
        octets.writeImmutableBuffer(rest)
        self.phase = .closed
        self.worker.remove(self, self.facts)
        do {
            try HTTP2Connection.install(on: context.channel, worker: self.worker, self.arrival)
        } catch {
            context.close(promise: nil)
            return true
        }
        context.fireChannelRead(self.wrapInboundOut(octets))
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        self.context = nil
        return true
    }

    private func begin() {
        self.requests += 1
        self.isResting = false
        let manner = self.exchange.head.manner
        self.beginExchange(manner.framing, at: .now())
        self.shape = AnswerShape(
            isHTTP11: manner.isHTTP11,
            method: manner.method,
            keepsAlive: manner.keepsAlive && self.requests < self.worker.limits.requestsPerConnection,
            takesTrailers: self.exchange.head.takesTrailers
        )
        self.phase = .deciding
        self.worker.handler.began(self.exchange)
    }

    // MARK: Octets out

    override func stage(_ answer: Answer) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            answer,
            self.exchange.towardsClient,
            shape: self.shape,
            into: &self.worker.scratch
        )
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(self.worker.scratch)
    }

    override func sendStaged(isUnread: Bool, at now: NIODeadline) {
        self.afterLastWrite(isUnread: isUnread, at: now) { context, promise in
            context.writeAndFlush(self.wrapOutboundOut(self.worker.toClient), promise: promise)
        }
        self.worker.toClient.clear()
    }

    override func sendContinue() { self.sendRaw(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")) }

    override func sendInterim(_ head: ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.writeInterim(head, into: &self.worker.scratch)
        self.context?.writeAndFlush(
            self.wrapOutboundOut(ByteBuffer(bytes: self.worker.scratch)),
            promise: nil
        )
    }

    override func stage(_ head: borrowing ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.answerFraming = self.worker.writer.write(
            head,
            self.exchange.towardsClient,
            shape: &self.shape,
            into: &self.worker.scratch
        )
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(self.worker.scratch)
    }

    /// Small pieces are gathered in `toClient`.
    override func stage(_ buffer: ByteBuffer, _ range: Range<Int>) {
        if self.answerFraming == .chunked {
            self.worker.scratch.removeAll(keepingCapacity: true)
            self.worker.scratch.appendHexadecimal(range.count)
            self.worker.scratch.append("\r\n")
            self.worker.toClient.writeBytes(self.worker.scratch)
        }
        let start = buffer.readerIndex &+ range.lowerBound
        if range.count <= 8192 {
            self.worker.toClient.writeBytes(buffer.readableBytesView[start..<(start &+ range.count)])
        } else if let data = buffer.getSlice(at: start, length: range.count) {
            self.writeGathered()
            self.context?.write(self.wrapOutboundOut(data), promise: nil)
        }
        if self.answerFraming == .chunked { self.worker.toClient.writeString("\r\n") }
    }

    override func stage(trailers: [UInt8]) {
        if self.answerFraming == .chunked, self.shape.takesTrailers { self.trailers = trailers }
    }

    override func flushStaged() {
        self.writeGathered()
        self.context?.flush()
    }

    override func sendEnd(hasSurplus: Bool, at now: NIODeadline) {
        if self.answerFraming == .chunked { self.stageLastChunk() }
        // Octets after an answer: neither side goes on (H5, X16).
        if hasSurplus { self.shape.keepsAlive = false }
        self.afterLastWrite(isUnread: !self.body.isComplete, at: now) { context, promise in
            guard self.worker.toClient.readableBytes > 0 else {
                context.flush()
                promise?.succeed()
                return
            }
            context.writeAndFlush(self.wrapOutboundOut(self.worker.toClient), promise: promise)
        }
        self.worker.toClient.clear()
    }

    override func sendSwitch(_ head: borrowing ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.writeSwitch(head, self.exchange.towardsClient, into: &self.worker.scratch)
        self.sendRaw(ByteBuffer(bytes: self.worker.scratch))
    }

    override func sendRaw(_ buffer: ByteBuffer) {
        self.context?.writeAndFlush(self.wrapOutboundOut(buffer), promise: nil)
    }

    override func sendClose() {
        guard let context = self.context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in self.abort() }
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer()), promise: promise)
    }

    override func breakAnswer() { self.reset() }

    override func mayStay(after answer: Answer) -> Bool {
        super.mayStay(after: answer) && self.mayDrainBody
    }

    override var mayDrainBody: Bool {
        guard !self.body.isComplete else { return true }
        guard case .length(let count) = self.exchange.head.framing else { return false }
        let isComing = !self.exchange.head.expectsContinue || self.body.received > 0
        return isComing && count - self.body.received <= self.worker.limits.drainedBytes
    }

    // MARK: Between exchanges

    /// Makes ready for the next request.
    func becomeIdle(_ now: NIODeadline = .now()) {
        self.phase = .head
        self.parser.reset(&self.exchange.head)
        self.hasBegunHead = false
        self.deadline = now + TimeAmount(seconds: self.worker.limits.idleSeconds)
        if self.worker.isDraining { self.drain(now) }
    }

    /// Lets go of what the last request needed and the next will need again: idle connections are many.
    func rest() {
        guard self.phase == .head, !self.hasBegunHead, !self.isResting else { return }
        self.isResting = true
        self.passage = UpstreamPassage()
        self.exchange.rest()
    }

    /// Gives an idle client a moment for a request that is on its way; its answer says `Connection: close`.
    func drain(_ now: NIODeadline) {
        guard self.phase == .head, !self.hasBegunHead else { return }
        self.deadline = min(self.deadline, now + TimeAmount(seconds: self.worker.limits.drainIdleSeconds))
    }

    /// Ends an idle connection; what the client sends at this very moment is read and dropped, not reset.
    private func leave(_ now: NIODeadline) {
        self.phase = .lingering
        self.deadline = now + .seconds(1)
        self.context?.close(mode: .output, promise: nil)
    }

    /// Closes at once, with whatever is under way.
    override func abort() {
        self.context?.close(promise: nil)
    }

    /// The worker's clock has passed the deadline.
    func timeIsUp(_ now: NIODeadline) {
        self.deadline = .distantFuture
        switch self.phase {
        case .head:
            guard self.hasBegunHead else { return self.worker.isDraining ? self.leave(now) : self.abort() }
            self.refuse(.timedOut)
        case .forwarding: self.forwardTimedOut()
        case .reading: self.refuse(.timedOut)
        case .deciding: return
        case .tunnelling, .draining, .lingering: self.abort()
        case .telling, .closed: return
        }
    }

    /// The connection is gone: ends the exchange, if one is under way, and everything else.
    func end() {
        guard self.phase != .closed else { return }
        self.endExchange()
        self.worker.remove(self, self.facts)
    }
}
