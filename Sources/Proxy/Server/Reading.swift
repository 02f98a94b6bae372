// A request's body that goes to the handler.

import NIOCore

extension ClientStream {
    func read(_ exchange: Exchange) {
        guard self.phase == .deciding else { return }
        self.phase = .reading
        guard !self.body.isComplete else { return self.finishReading(isWhole: true) }
        if exchange.head.expectsContinue, self.body.received == 0 {
            self.sendContinue()
        }
        self.watchBody(.now())
        self.resume()
    }

    /// Takes what `buffer` holds of the body, and tells the handler once it is all there.
    func gatherBody(_ buffer: inout ByteBuffer) {
        var index = 0
        var isOver = false
        var isWanted = true
        while !isOver, isWanted {
            let piece = self.body.next(buffer.readableBytesUInt8Span, from: &index)
            switch piece {
            case .data(let range):
                if !self.facts.isForCalls, let limit = self.worker.limits.bodyBytes,
                    self.body.received > limit
                {
                    buffer.clear()
                    return self.refuse(.bodyTooLarge)
                }
                let data = buffer.readableBytesUInt8Span.extracting(range)
                isWanted = self.exchange.reading?.take(data) ?? false
                isOver = self.body.isComplete
            case .more:
                buffer.moveReaderIndex(forwardBy: index)
                return self.watchBody(.now())
            case .end: isOver = true
            case .malformed:
                buffer.clear()
                return self.refuse(.malformed(.chunk))
            }
        }
        buffer.moveReaderIndex(forwardBy: index)
        self.finishReading(isWhole: isWanted)
    }

    /// The stream has ended, which ends a body of unknown length, too.
    func endReading() {
        guard self.body.close() else { return }
        self.finishReading(isWhole: true)
    }

    private func finishReading(isWhole: Bool) {
        guard let reading = self.exchange.reading else { return }
        self.exchange.reading = nil
        self.phase = .deciding
        self.deadline = .distantFuture
        reading.then(isWhole ? .whole(reading.data) : .tooLarge)
    }
}
