// An upstream's answer on its way to the client.

import NIOCore

extension ClientStream {
    /// A 1xx head; the final one is still to come.
    final func upstreamInterim(_ head: ResponseHead) {
        // HTTP/1.0 knows none; and nobody asked to switch protocols.
        guard self.shape.isHTTP11 else { return }
        self.sendInterim(head)
    }

    /// The answer's head.
    final func upstreamHead(_ head: inout ResponseHead) {
        let now = NIODeadline.now()
        self.exchange.noteAnswer(sentAt: self.passage.sentAt, now)
        if self.passage.turn != nil { self.noteTurn(status: head.status, at: now) }
        self.worker.handler.answered(self.exchange, head: &head)
        self.exchange.progress.status = head.status
        self.passage.hasAnswered = true
        if self.worker.isDraining || !self.mayDrainBody { self.shape.keepsAlive = false }
        self.stage(head)
    }

    /// Data of the answer's body, in `range` of `buffer`.
    final func upstreamData(_ buffer: ByteBuffer, _ range: Range<Int>) {
        self.exchange.progress.answerBodyBytes &+= range.count
        self.stage(buffer, range)
    }

    /// What came in one read has been looked at: off with it.
    final func upstreamPause() {
        self.flushStaged()
        guard self.phase == .forwarding, !self.isWritable else { return }
        self.passage.link?.pauseReading()
        self.watchBody(.now())
    }

    /// Lines of trailers behind the body of an answer with that head; they cross where the client has a place for them.
    final func upstreamTrailers(_ lines: [UInt8], after head: borrowing ResponseHead) {
        self.stage(trailers: TrailerRules(head, self.exchange.towardsClient).admitted(lines))
    }

    /// The answer is whole; the upstream has already been given back or closed.
    final func upstreamEnd(hasSurplus: Bool, at now: NIODeadline) {
        guard self.phase == .forwarding else { return }
        self.passage.link = nil
        self.exchange.abandon()
        self.exchange.progress.isComplete = true
        self.finish(error: nil, at: now)
        self.sendEnd(hasSurplus: hasSurplus, at: now)
        self.resume()
    }
}
