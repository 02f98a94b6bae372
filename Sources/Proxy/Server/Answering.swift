// Answers of our own, and the end of exchanges.

import NIOCore

extension ClientStream {
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
        if let feed = answer.feed {
            guard !self.mayTell else { return self.open(answer, feed) }
            var answer = answer
            answer.feed = nil
            return self.send(answer, after: cause)
        }
        let now = NIODeadline.now()
        if cause != .refused { self.shape.keepsAlive = self.shape.keepsAlive && self.mayStay(after: answer) }
        self.stage(answer)
        self.exchange.progress.status = answer.meaning ?? answer.status
        self.exchange.progress.answerBodyBytes = self.shape.method == .head ? 0 : answer.body.count
        if self.exchange.progress.upstreamNanoseconds == nil, self.exchange.progress.gatewayNanoseconds == 0 {
            self.exchange.progress.gatewayNanoseconds = (now - self.exchange.startedAt).nanoseconds
        }
        self.exchange.progress.isComplete = true
        self.finish(error: nil, at: now)
        self.sendStaged(isUnread: cause == .refused || !self.body.isComplete, at: now)
    }

    /// Tells the handler, once, what became of the exchange.
    func finish(error: ProxyError?, at now: NIODeadline = .now()) {
        if let error { self.exchange.progress.error = error }
        if self.passage.turn != nil { self.endTurn() }
        if self.exchange.progress.status == 0 { self.exchange.progress.status = 499 }
        self.exchange.progress.requestBodyBytes = self.body.received &+ self.passage.tunnelledBytes
        self.exchange.progress.totalNanoseconds = (now - self.exchange.startedAt).nanoseconds
        self.worker.handler.ended(self.exchange, self.exchange.progress)
    }
}
