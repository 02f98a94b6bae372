// An upstream's answer heads, one after the other, out of its connection's octets.

import NIOCore

/// Takes octets until a head is whole; parser and head in one place, so that a step is one access to both.
struct AnswerReader: Sendable {
    /// What a step came to.
    enum Step {
        /// More octets are needed.
        case incomplete
        /// The answer breaks RFC 9112 or is over a limit.
        case malformed
        /// A 1xx head; another follows.
        case interim(ResponseHead)
        /// 101: the upstream speaks another protocol from here on.
        case switching
        /// The final head is in `head`.
        case final(BodyFraming, keepsAlive: Bool)
    }

    /// The head as far as it has come.
    var head = ResponseHead()
    private var parser: ResponseParser
    /// Octets that are looked at in one go: a head's usual size, so that little of a body is copied with it.
    private static let pieceBytes = 4096

    init(limits: ProxyLimits) { self.parser = ResponseParser(limits: limits) }

    /// Makes ready for an answer.
    mutating func begin() { self.parser.reset(&self.head) }

    /// Takes octets off `buffer` up to the end of a head.
    mutating func read(_ buffer: inout ByteBuffer, answering method: Method) -> Step {
        while true {
            let before = self.head.fields.bytes.count
            let octets = buffer.readableBytesView
            let piece = min(octets.count, Self.pieceBytes)
            guard piece > 0 else { return .incomplete }
            self.parser.feed(piece == octets.count ? octets : octets.prefix(piece), to: &self.head)
            switch self.parser.advance(&self.head, answering: method) {
            case .incomplete: buffer.moveReaderIndex(forwardBy: piece)
            case .malformed: return .malformed
            case .complete(let end):
                buffer.moveReaderIndex(forwardBy: end - before)
                return self.complete()
            }
        }
    }

    private mutating func complete() -> Step {
        guard self.head.status < 200 else {
            return .final(self.head.framing, keepsAlive: self.head.keepsAlive)
        }
        guard self.head.status != 101 else { return .switching }
        let interim = self.head
        self.begin()
        return .interim(interim)
    }
}
