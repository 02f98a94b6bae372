// Answers out of a client's connection, and the end of exchanges.

import NIOCore

extension ServerConnection: ExchangeTransport {
    /// Why an answer of our own is sent.
    enum Cause { case decided, failed, refused }

    func answer(_ exchange: Exchange, _ answer: Answer) {
        guard self.phase == .deciding || self.phase == .forwarding else { return }
        self.send(answer, after: .decided)
        self.resume()
    }

    func decisionTimedOut(_ exchange: Exchange) {
        guard self.phase == .deciding else { return }
        self.fail(.decisionTimedOut)
        self.resume()
    }

    /// Lets the handler tell the client of a failure.
    func fail(_ error: ProxyError) {
        self.exchange.progress.error = error
        let answer = self.worker.handler.failed(self.exchange, error)
        self.exchange.abandon()
        self.send(answer, after: .failed)
    }

    /// Sends an answer of our own and ends the exchange; the body that is still to come is dropped (S9).
    func send(_ answer: Answer, after cause: Cause) {
        let now = NIODeadline.now()
        if cause != .refused { self.shape.keepsAlive = self.shape.keepsAlive && self.mayStay(after: answer) }
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            answer,
            self.exchange.towardsClient,
            shape: self.shape,
            into: &self.worker.scratch
        )
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(self.worker.scratch)
        self.exchange.progress.status = answer.status
        self.exchange.progress.answerBodyBytes = self.shape.method == .head ? 0 : answer.body.count
        if self.exchange.progress.upstreamNanoseconds == nil, self.exchange.progress.gatewayNanoseconds == 0 {
            self.exchange.progress.gatewayNanoseconds = (now - self.exchange.startedAt).nanoseconds
        }
        self.exchange.progress.isComplete = true
        self.finish(error: nil, at: now)
        let isUnread = cause == .refused || !self.body.isComplete
        self.afterLastWrite(isUnread: isUnread, at: now) { context, promise in
            context.writeAndFlush(self.wrapOutboundOut(self.worker.toClient), promise: promise)
        }
        self.worker.toClient.clear()
    }

    /// Writes the end of an answer, then goes on to the next request, drains this one, or closes.
    func afterLastWrite(
        isUnread: Bool,
        at now: NIODeadline,
        _ write: (ChannelHandlerContext, EventLoopPromise<Void>?) -> Void
    ) {
        guard let context = self.context else { return }
        guard self.shape.keepsAlive else {
            let promise = context.eventLoop.makePromise(of: Void.self)
            self.phase = .lingering
            self.deadline = now + TimeAmount(seconds: self.worker.limits.readerSeconds)
            promise.futureResult.assumeIsolated().whenComplete { _ in
                guard let context = self.context else { return }
                self.deadline = .now() + .seconds(2)
                context.close(mode: isUnread ? .output : .all, promise: nil)
            }
            return write(context, promise)
        }
        write(context, nil)
        guard self.body.isComplete else {
            self.phase = .draining
            self.deadline = now + TimeAmount(seconds: self.worker.limits.bodySeconds)
            return
        }
        self.becomeIdle(now)
    }

    /// Whether the connection can go on after an answer of our own.
    private func mayStay(after answer: Answer) -> Bool {
        !answer.closesConnection && !self.worker.isDraining && self.mayDrainBody
    }

    /// Whether what is left of the request's body is known to be little, and is coming.
    var mayDrainBody: Bool {
        guard !self.body.isComplete else { return true }
        guard case .length(let count) = self.exchange.head.framing else { return false }
        let isComing = !self.exchange.head.expectsContinue || self.body.received > 0
        return isComing && count - self.body.received <= self.worker.limits.drainedBytes
    }

    /// Tells the handler, once, what became of the exchange.
    func finish(error: ProxyError?, at now: NIODeadline = .now()) {
        if let error { self.exchange.progress.error = error }
        if self.exchange.progress.status == 0 { self.exchange.progress.status = 499 }
        self.exchange.progress.requestBodyBytes = self.body.received
        self.exchange.progress.totalNanoseconds = (now - self.exchange.startedAt).nanoseconds
        self.worker.handler.ended(self.exchange, self.exchange.progress)
    }
}
