// Carries an exchange to an upstream and streams both ways.

import NIOCore

/// What an exchange has on the upstream's side.
struct UpstreamPassage {
    var order: ForwardOrder?
    /// The connection that carries the exchange, once there is one.
    var link: UpstreamLink?
    /// The request for a connection, while one is waited for.
    var waiting: PoolState.RequestID?
    /// Whether `link` had carried an exchange before.
    var isReused = false
    var attempts = 0
    var sentAt = NIODeadline.distantPast
    /// Whether an octet of an answer has gone to the client.
    var hasAnswered = false
    /// Whether the whole request has been written.
    var hasSentRequest = false
    var isUpstreamFull = false
    /// Where the head offers to switch protocols, if it goes on.
    var offer: Range<Int>?
    /// Octets that a tunnel has carried to the upstream.
    var tunnelledBytes = 0
    /// The target that has it, where the upstream has several.
    var turn: BalancedTurn?
}

extension ClientStream {
    func forward(_ exchange: Exchange, _ order: ForwardOrder) {
        guard self.phase == .deciding else { return }
        if self.shape.method == .options, Self.mayGoNoFurther(exchange.head.fields) {
            self.send(Answer(status: 200), after: .decided)
            return self.resume()
        }
        self.phase = .forwarding
        self.passage = UpstreamPassage()
        self.passage.order = order
        if exchange.head.fields.kinds.contains(.upgrade) {
            self.passage.offer = UpgradeRequest.offer(of: exchange.head)
        }
        if let group = order.terms.group {
            self.forward(order, to: group)
        } else {
            self.exchange.progress.endpoint = order.terms.endpoint
            self.lease(order, fresh: false)
        }
        self.resume()
    }

    /// Whether `Max-Forwards` is used up (X13).
    private static func mayGoNoFurther(_ fields: FieldTable) -> Bool {
        fields.ranges.contains { $0.kind == .maxForwards && TokenList.number(fields.bytes, $0.value) == 0 }
    }

    /// Asks for a connection; `attach` or `upstreamFailed` follows, now or later.
    func lease(_ order: ForwardOrder, fresh: Bool) {
        let id = self.worker.nextRequestID()
        self.passage.waiting = id
        self.deadline = .distantFuture
        self.worker.pool(for: order.endpoint).lease(id, for: self, fresh: fresh)
        guard self.passage.waiting == id else { return }
        self.deadline = .now() + order.terms.connectLimit
    }

    /// A connection is here: the head goes out, and what there is of the body.
    func attach(_ upstream: UpstreamLink, reused: Bool) {
        guard let order = self.passage.order else { return }
        let isWhole = self.body.isComplete
        self.passage.waiting = nil
        self.passage.link = upstream
        self.passage.isReused = reused
        self.passage.sentAt = .now()
        self.passage.hasSentRequest = isWhole
        if let seconds = order.lastsSeconds, !self.isTakenBack {
            self.endsAt = self.exchange.startedAt + TimeAmount(seconds: seconds)
        }
        let follows = !isWhole && (self.held.readableBytes > 0 || self.isRunning)
        if isWhole { self.deadline = .distantFuture }
        upstream.begin(for: self, order, isWhole: isWhole, flush: !follows)
        guard !isWhole else {
            self.passage.link?.awaitAnswer(from: self.passage.sentAt)
            return
        }
        guard self.passage.link === upstream else { return }
        self.watchBody(self.passage.sentAt)
        self.resume()
    }

    /// Watches over a client that still has to send, or to read.
    func watchBody(_ now: NIODeadline) {
        // Who still waits for a connection has that deadline.
        guard self.passage.waiting == nil else { return }
        if !self.isWritable {
            self.pace.hold(now)
            self.deadline = now + TimeAmount(seconds: self.worker.limits.readerSeconds)
        } else if !self.body.isComplete, !self.isReadingPaused {
            self.deadline = self.pace.deadline(now, received: self.body.received, self.worker.limits)
        } else {
            self.pace.hold(now)
            self.deadline = .distantFuture
        }
    }

    // MARK: The request's body

    /// Sends on what `buffer` holds of the body, as long as the upstream takes it.
    func pumpBody(_ buffer: inout ByteBuffer) {
        guard let upstream = self.passage.link, !self.body.isComplete else { return }
        guard !self.passage.isUpstreamFull else { return self.pauseReading() }
        var index = 0
        var isOver = false
        reading: while !isOver {
            let piece = self.body.next(buffer.readableBytesUInt8Span, from: &index)
            switch piece {
            case .data(let range):
                upstream.send(buffer, range)
                isOver = self.body.isComplete
            case .more: break reading
            case .end: isOver = true
            case .malformed: return self.breakOff(refusing: .malformed(.chunk), &buffer)
            }
        }
        buffer.moveReaderIndex(forwardBy: index)
        if let limit = self.worker.limits.bodyBytes, self.body.received > limit {
            return self.breakOff(refusing: .bodyTooLarge, &buffer)
        }
        guard self.passage.link === upstream else { return }
        self.sentOn(isOver, to: upstream)
    }

    /// The body has ended, though nothing of it said so.
    func endBody() {
        guard let upstream = self.passage.link, self.body.close() else { return }
        self.sentOn(true, to: upstream)
    }

    /// What there was of the body has gone to the upstream.
    private func sentOn(_ isOver: Bool, to upstream: UpstreamLink) {
        if isOver { upstream.sendEnd(trailers: self.crossingTrailers) }
        upstream.flush()
        guard self.passage.link === upstream else { return }
        let now = NIODeadline.now()
        if isOver {
            self.passage.hasSentRequest = true
            upstream.awaitAnswer(from: now)
        } else if !upstream.isWritable {
            self.passage.isUpstreamFull = true
            upstream.watchWrite(from: now)
            self.pauseReading()
        }
        self.watchBody(now)
    }

    /// The lines of the request's trailers that go on.
    private var crossingTrailers: [UInt8] {
        guard !self.body.trailers.isEmpty, let order = self.passage.order else { return [] }
        return TrailerRules(self.exchange.head, order, self.exchange.towardsUpstream)
            .admitted(self.body.trailers)
    }

    /// The upstream takes octets again.
    func upstreamBecameWritable() {
        guard self.passage.isUpstreamFull else { return }
        self.passage.isUpstreamFull = false
        self.resumeReading()
        if self.phase == .forwarding { self.watchBody(.now()) }
        self.resume()
    }

    /// The client's body breaks a rule: the upstream never sees its end (H5).
    private func breakOff(refusing refusal: RequestRefusal, _ buffer: inout ByteBuffer) {
        buffer.clear()
        self.dropUpstream()
        guard !self.passage.hasAnswered else {
            self.exchange.progress.refusal = refusal
            return self.abandonAnswer(.clientGone)
        }
        self.refuse(refusal)
    }

    // MARK: Failures

    /// Nothing came of the connection, or of the answer on it.
    func upstreamFailed(_ error: ProxyError) {
        guard self.phase == .forwarding, let order = self.passage.order else { return }
        self.passage.link = nil
        self.passage.waiting = nil
        guard !self.passage.hasAnswered else {
            self.endTurn(error)
            return self.abandonAnswer(error)
        }
        if self.tryAgain(self.retryQuestion(error, order), order) { return }
        self.fail(error)
        self.resume()
    }

    /// Sends the same request once more, if that is safe (X17).
    private func tryAgain(_ question: RetryQuestion, _ order: ForwardOrder) -> Bool {
        guard self.passage.turn == nil else { return self.tryElsewhere(question, order) }
        guard question.mayRepeat else { return false }
        self.passage.attempts += 1
        self.lease(order, fresh: true)
        return true
    }

    private func retryQuestion(_ error: ProxyError, _ order: ForwardOrder) -> RetryQuestion {
        RetryQuestion(
            error: error,
            isReused: self.passage.isReused,
            isIdempotent: self.shape.method.isIdempotent
                && order.sentMethod(self.shape.method).isIdempotent,
            hasBody: self.exchange.head.framing != .none,
            hasSentBody: self.body.received > 0,
            attempts: self.passage.attempts,
            retries: order.terms.retries
        )
    }

    /// An answer that has begun cannot be ended: the client must see that it is not whole (X18).
    func abandonAnswer(_ error: ProxyError) {
        self.exchange.progress.error = error
        self.breakAnswer()
    }

    /// Takes the upstream away from the exchange; it cannot be used for another.
    func dropUpstream() {
        if let waiting = self.passage.waiting, let order = self.passage.order {
            self.worker.pool(for: order.endpoint).forget(waiting)
        }
        let link = self.passage.link
        self.passage.waiting = nil
        self.passage.link = nil
        link?.abort()
        self.endTurn()
    }

    /// The client was too slow, or no connection to the upstream came free.
    func forwardTimedOut() {
        guard self.passage.waiting == nil else {
            self.dropUpstream()
            self.fail(.overloaded)
            return self.resume()
        }
        self.dropUpstream()
        guard !self.passage.hasAnswered else { return self.abandonAnswer(.clientGone) }
        self.refuse(.timedOut)
    }
}
