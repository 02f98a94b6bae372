// One client's connection: octets in, exchanges through, answers out.

import NIOCore

/// Speaks HTTP/1.1 with one client; one exchange at a time, pipelined requests wait their turn.
final class ServerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where the connection stands.
    enum Phase {
        /// Between requests, or within a head.
        case head
        /// The handler is thinking.
        case deciding
        /// The exchange goes to an upstream, or waits for a connection to one.
        case forwarding
        /// Our answer is out; the rest of the request's body is read and dropped.
        case draining
        /// The last answer is out; what still comes is dropped until the client closes (RFC 9112 §9.6).
        case lingering
        case closed
    }

    let worker: Worker
    let exchange: Exchange
    var phase = Phase.head
    /// When something must have happened; watched by the worker's one timer.
    var deadline = NIODeadline.distantFuture
    /// Where the worker keeps this connection.
    var place: Int?
    var context: ChannelHandlerContext?
    /// The request's body as it comes in.
    var body = InboundBody()
    /// Octets that came while nobody could take them.
    var held = ByteBuffer()
    var isReadingPaused = false
    /// Whether the client takes what is written; as the channel tells it, so that nobody has to ask.
    private(set) var isWritable = true
    /// How fast the body comes.
    var pace = BodyPace()
    /// Set while `run` is on the stack, so that it is never entered twice.
    var isRunning = false
    /// What the exchange has on the upstream's side.
    var passage = UpstreamPassage()
    /// How the answer under way is written.
    var shape = AnswerShape(isHTTP11: true, method: .get, keepsAlive: true)
    var answerFraming = BodyFraming.none

    private var parser: RequestParser
    private var requests = 0
    /// Whether something of the next head has come.
    private var hasBegunHead = false
    /// Whether there is nothing to let go of.
    private var isResting = true
    /// What the connection itself tells of the client, before any request does.
    private var facts = ClientFacts()
    /// The same for the heads that go to upstreams.
    private(set) var origin = HeadWriter.Origin(ClientFacts())
    private var lingered = 0

    init(worker: Worker) {
        self.worker = worker
        self.parser = RequestParser(limits: worker.limits)
        self.exchange = Exchange(
            transport: nil,
            eventLoop: worker.eventLoop,
            client: ClientFacts(),
            waitLimit: TimeAmount(seconds: worker.limits.decisionSeconds)
        )
        self.exchange.transport = self
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

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
        guard self.phase == .forwarding else { return self.resume() }
        self.watchBody(.now())
        self.passage.link?.resumeReading()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Learns who the client is; false if the system does not tell.
    private func meet(_ channel: any Channel) -> Bool {
        guard let peer = channel.remoteAddress.flatMap({ $0.ipAddress }).flatMap({ IPAddress($0) }) else {
            return false
        }
        var facts = ClientFacts()
        facts.peer = peer
        facts.address = peer
        facts.isTrustedPeer = self.worker.trustedPeers.contains { $0.contains(peer) }
        facts.port = UInt16(truncatingIfNeeded: channel.localAddress?.port ?? 0)
        self.facts = facts
        self.origin = HeadWriter.Origin(facts)
        self.exchange.facts = facts
        return true
    }

    // MARK: Octets in

    /// Goes on with what was held back.
    func resume() {
        guard !self.isRunning, self.phase != .closed, self.isReadingPaused || self.held.readableBytes > 0
        else { return }
        let buffer = self.held
        self.held = ByteBuffer()
        self.run(buffer)
        let isFull = self.phase == .forwarding && self.passage.isUpstreamFull
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
            case .forwarding:
                self.pumpBody(&buffer)
                guard self.phase == .forwarding else { continue }
                return self.hold(buffer)
            case .draining:
                guard self.drainBody(&buffer) else { return }
            case .lingering:
                self.lingered += buffer.readableBytes
                if self.lingered > self.worker.limits.drainedBytes * 4 { self.abort() }
                return
            case .closed: return
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

    func pauseReading() {
        guard !self.isReadingPaused, let context = self.context else { return }
        self.isReadingPaused = true
        _ = context.channel.setOption(ChannelOptions.autoRead, value: false)
    }

    func resumeReading() {
        guard self.isReadingPaused, let context = self.context else { return }
        self.isReadingPaused = false
        _ = context.channel.setOption(ChannelOptions.autoRead, value: true)
        // A client whose octets could not be taken was not late; from now on it can be.
        if self.phase == .forwarding { self.watchBody(.now()) }
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
        case .refused(let refusal): self.refuse(refusal)
        }
        return true
    }

    private func begin() {
        let now = NIODeadline.now()
        self.requests += 1
        self.isResting = false
        self.exchange.renew(startedAt: now)
        if self.facts.isTrustedPeer {
            self.exchange.facts = self.facts
            self.exchange.facts.hear(self.exchange.head.fields, trusted: self.worker.trustedPeers)
        } else {
            self.exchange.facts.noticeStranger(self.exchange.head.fields)
        }
        let manner = self.exchange.head.manner
        self.body.begin(manner.framing)
        self.pace = BodyPace()
        self.shape = AnswerShape(
            isHTTP11: manner.isHTTP11,
            method: manner.method,
            keepsAlive: manner.keepsAlive && self.requests < self.worker.limits.requestsPerConnection
        )
        self.phase = .deciding
        self.deadline = .distantFuture
        self.worker.handler.began(self.exchange)
    }

    /// Answers what the guard did not let in, and closes (X19).
    func refuse(_ refusal: RequestRefusal) {
        if self.phase == .head {
            self.exchange.renew(startedAt: .now())
            self.exchange.facts = self.facts
            self.body.begin(.none)
            // Known if the request line was read: an answer to HEAD has no body (X16).
            self.shape = AnswerShape(
                isHTTP11: true,
                method: self.exchange.head.method,
                keepsAlive: false
            )
        }
        self.exchange.progress.refusal = refusal
        self.shape.keepsAlive = false
        self.phase = .deciding
        let answer = self.worker.handler.refused(self.exchange, refusal)
        self.exchange.abandon()
        self.send(answer, after: .refused)
    }

    /// Drops what is left of a body; true once it is all gone.
    private func drainBody(_ buffer: inout ByteBuffer) -> Bool {
        var index = 0
        while true {
            let piece = self.body.next(buffer.readableBytesUInt8Span, from: &index)
            switch piece {
            case .data: continue
            case .more: return false
            case .malformed:
                self.abort()
                return false
            case .end:
                buffer.moveReaderIndex(forwardBy: index)
                self.becomeIdle()
                return true
            }
        }
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
    func abort() {
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
        case .deciding: return
        case .draining, .lingering: self.abort()
        case .closed: return
        }
    }

    /// The connection is gone: ends the exchange, if one is under way, and everything else.
    func end() {
        guard self.phase != .closed else { return }
        let phase = self.phase
        self.phase = .closed
        self.deadline = .distantFuture
        switch phase {
        case .deciding: self.finish(error: .clientGone)
        case .forwarding:
            self.dropUpstream()
            self.finish(error: self.exchange.progress.error ?? .clientGone)
        case .head, .draining, .lingering, .closed: break
        }
        self.exchange.abandon()
        self.exchange.attachment = nil
        self.worker.remove(self, self.facts)
    }
}
