// A client's octets to a request head, without a String.

import NIOCore

/// Collects octets in a head until it is whole, then parses and guards it; reused for each request.
struct RequestParser: Sendable {
    /// What a call of `advance` came to.
    enum Outcome: Equatable {
        /// More octets are needed.
        case incomplete
        /// The head is whole; it took so many of all octets fed since `reset`.
        case complete(Int)
        /// The connection has to be closed with this.
        case refused(RequestRefusal)
    }

    let limits: ProxyLimits
    private var scanned = 0
    private var firstLineEnd: Int?
    /// Octets that `read` took off buffers for a head that was not whole yet.
    private var moved = 0

    init(limits: ProxyLimits) { self.limits = limits }

    /// Makes ready for the next head; keeps the storage.
    mutating func reset(_ head: inout RequestHead) {
        head.reset()
        self.scanned = 0
        self.firstLineEnd = nil
        self.moved = 0
    }

    /// Takes octets from the connection into `head`.
    @inline(__always)
    func feed(_ octets: some Collection<UInt8>, to head: inout RequestHead) {
        head.fields.bytes.append(contentsOf: octets)
    }

    /// Takes octets off `buffer` into `head`, up to the head's end where it is there; none when they are refused.
    mutating func read(_ buffer: inout ByteBuffer, into head: inout RequestHead) -> Outcome {
        let before = head.fields.bytes.count
        let octets = buffer.readableBytesView
        let piece = min(octets.count, 4096, max(1, self.limits.headBytes - before))
        self.feed(piece == octets.count ? octets : octets.prefix(piece), to: &head)
        let outcome = self.advance(&head)
        switch outcome {
        case .incomplete:
            buffer.moveReaderIndex(forwardBy: piece)
            self.moved += piece
        case .complete(let end): buffer.moveReaderIndex(forwardBy: end - before)
        case .refused: break
        }
        return outcome
    }

    /// Whether a refused head is the beginning of HTTP/2's connection preface (RFC 9113 §3.4).
    func isPreface(_ head: borrowing RequestHead) -> Bool { head.fields.bytes.starts(with: Self.preface) }

    private static let preface = Array("PRI * HTTP/2.0\r\n\r\n".utf8)

    /// What was taken off buffers for a refused head.
    func taken(of head: borrowing RequestHead) -> ArraySlice<UInt8> { head.fields.bytes.prefix(self.moved) }

    /// Looks whether `head` is whole; fills it in if so.
    mutating func advance(_ head: inout RequestHead) -> Outcome {
        // The usual request comes in one piece: reading it finds its end. Only what is not whole, or is wrong, is
        // searched for the end, each octet once.
        if self.scanned == 0 {
            if let end = try? RequestGuard.admit(&head, limits: self.limits) { return .complete(end) }
            head.fields.forgetRanges()
        }
        let fed = head.fields.bytes.count
        switch FieldScanner.findEnd(
            head.fields.bytes.span,
            from: self.scanned,
            firstLineEnd: self.firstLineEnd
        ) {
        case .bareLineFeed: return .refused(self.isLineTooLong(fed) ? .targetTooLong : .malformed(.lineEnd))
        case .notYet(let firstLineEnd):
            self.scanned = fed
            self.firstLineEnd = firstLineEnd
            return self.verdictOnPart(head.fields.bytes)
        case .at(let end):
            if fed > end { head.fields.bytes.removeLast(fed - end) }
            do throws(RequestRefusal) {
                return .complete(try RequestGuard.admit(&head, limits: self.limits))
            } catch {
                return .refused(error)
            }
        }
    }

    /// Whether the first line is over its limit, as far as it has come; its CR may be the last octet.
    private func isLineTooLong(_ fed: Int) -> Bool {
        (self.firstLineEnd.map { $0 - 1 } ?? (fed - 1)) > self.limits.lineBytes
    }

    /// Refuses early what cannot become a head any more.
    private func verdictOnPart(_ bytes: [UInt8]) -> Outcome {
        if self.isLineTooLong(bytes.count) { return .refused(.targetTooLong) }
        if bytes.count >= self.limits.headBytes { return .refused(.headTooLarge) }
        guard let first = bytes.first else { return .incomplete }
        guard Octet.isToken(first) || first == Octet.carriageReturn else {
            return .refused(.malformed(.requestLine))
        }
        return .incomplete
    }
}
