// A request's body that goes to the handler.

import NIOCore

extension ClientStream {
    func read(_ exchange: Exchange) {
        guard self.phase == .deciding else { return }
        self.phase = .reading
        guard !self.body.isComplete else {
            var nothing = ByteBuffer()
            return self.finishReading(isWhole: true, &nothing)
        }
        if exchange.head.expectsContinue, self.body.received == 0 {
            self.sendContinue()
            // An expectation is answered once (X15): it goes no further.
            exchange.head.expectsContinue = false
        }
        self.watchBody(.now())
        self.resume()
    }

    /// Takes what `buffer` holds of the body, and tells the handler once it is all there.
    ///
    /// Where the body is kept, `buffer` holds all of it again afterwards.
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
                self.consume(index, of: &buffer)
                return self.watchBody(.now())
            case .end: isOver = true
            case .malformed:
                buffer.clear()
                return self.refuse(.malformed(.chunk))
            }
        }
        self.consume(index, of: &buffer)
        self.finishReading(isWhole: isWanted, &buffer)
    }

    private func consume(_ count: Int, of buffer: inout ByteBuffer) {
        guard let octets = buffer.readSlice(length: count), self.exchange.reading?.keepsBody ?? false else {
            return
        }
        self.exchange.reading?.keep(octets)
    }

    /// The stream has ended, which ends a body of unknown length, too.
    func endReading(_ buffer: inout ByteBuffer) {
        guard self.body.close() else { return }
        self.finishReading(isWhole: true, &buffer)
    }

    private func finishReading(isWhole: Bool, _ buffer: inout ByteBuffer) {
        guard let reading = self.exchange.reading else { return }
        self.exchange.reading = nil
        self.phase = .deciding
        self.deadline = .distantFuture
        guard reading.keepsBody else { return reading.then(isWhole ? .whole(reading.data) : .tooLarge) }
        var again = reading.raw
        let count = again.readableBytes
        again.writeImmutableBuffer(buffer)
        buffer = again
        self.body.restart()
        self.pace = BodyPace()
        self.inPlace = isWhole ? .clients : .none
        reading.then(isWhole ? .whole(reading.data) : .tooLarge)
        if case .other(var octets) = self.inPlace {
            buffer.moveReaderIndex(forwardBy: count)
            octets.writeImmutableBuffer(buffer)
            buffer = octets
        }
        self.inPlace = .none
    }

    func replaceBody(_ exchange: Exchange, type: [UInt8]?, _ octets: [UInt8]) -> Bool {
        guard case .clients = self.inPlace, self.phase == .deciding,
            exchange.head.carry(type: type, count: octets.count, limits: self.worker.limits)
        else { return false }
        self.body.begin(exchange.head.framing)
        self.inPlace = .other(ByteBuffer(bytes: octets))
        return true
    }
}
