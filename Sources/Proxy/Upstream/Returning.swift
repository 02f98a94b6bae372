// An upstream's answer on its way to the client.

import NIOCore

extension ServerConnection {
    /// A 1xx head; the final one is still to come.
    func upstreamInterim(_ head: ResponseHead) {
        // HTTP/1.0 knows none; and nobody asked to switch protocols.
        guard self.shape.isHTTP11, let context = self.context else { return }
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.writeInterim(head, into: &self.worker.scratch)
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: self.worker.scratch)), promise: nil)
    }

    /// The answer's head; it waits in `toClient` for the first of the body.
    func upstreamHead(_ head: inout ResponseHead) {
        let now = NIODeadline.now()
        self.exchange.noteAnswer(sentAt: self.passage.sentAt, now)
        self.worker.handler.answered(self.exchange, head: &head)
        self.exchange.progress.status = head.status
        self.passage.hasAnswered = true
        if self.worker.isDraining || !self.mayDrainBody { self.shape.keepsAlive = false }
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

    /// Data of the answer's body, in `range` of `buffer`; small pieces are gathered in `toClient`.
    func upstreamData(_ buffer: ByteBuffer, _ range: Range<Int>) {
        self.exchange.progress.answerBodyBytes &+= range.count
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

    /// What came in one read has been looked at: off with it.
    func upstreamPause() {
        self.writeGathered()
        guard let context = self.context else { return }
        context.flush()
        guard self.phase == .forwarding, !self.isWritable else { return }
        self.passage.link?.pauseReading()
        self.watchBody(.now())
    }

    private func writeGathered() {
        guard self.worker.toClient.readableBytes > 0 else { return }
        self.context?.write(self.wrapOutboundOut(self.worker.toClient), promise: nil)
        self.worker.toClient.clear()
    }

    /// The answer is whole; the upstream has already been given back or closed.
    func upstreamEnd(hasSurplus: Bool, at now: NIODeadline) {
        guard self.phase == .forwarding else { return }
        if self.answerFraming == .chunked { self.worker.toClient.writeString("0\r\n\r\n") }
        // Octets after an answer: neither side goes on (H5, X16).
        if hasSurplus { self.shape.keepsAlive = false }
        self.passage.link = nil
        self.exchange.abandon()
        self.exchange.progress.isComplete = true
        self.finish(error: nil, at: now)
        let isUnread = !self.body.isComplete
        self.afterLastWrite(isUnread: isUnread, at: now) { context, promise in
            guard self.worker.toClient.readableBytes > 0 else {
                context.flush()
                promise?.succeed()
                return
            }
            context.writeAndFlush(self.wrapOutboundOut(self.worker.toClient), promise: promise)
        }
        self.worker.toClient.clear()
        self.resume()
    }
}
