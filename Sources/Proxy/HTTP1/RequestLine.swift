// The first line of a request. RFC 9112 §3.

/// Where the parts of a request line stand.
struct RequestLine {
    var method = 0..<0
    var target = 0..<0
    var isHTTP11 = true
    /// Where the line after it begins.
    var next = 0

    /// Reads the line; one empty line before it is skipped (RFC 9112 §2.2).
    static func read(_ bytes: [UInt8]) throws(RequestRefusal) -> RequestLine {
        let span = bytes.span
        let count = span.count
        guard count > 2 else { throw .malformed(.requestLine) }
        var line = RequestLine()
        var index = span[0] == Octet.carriageReturn && span[1] == Octet.lineFeed ? 2 : 0
        let start = index
        while index < count, Octet.isToken(span[index]) { index &+= 1 }
        guard index > start, index < count, span[index] == Octet.space else {
            throw .malformed(.requestLine)
        }
        line.method = start..<index
        index &+= 1
        let targetStart = index
        while index < count, span[index] > 0x20, span[index] < 0x7F, span[index] != 0x23 { index &+= 1 }
        guard index > targetStart, index < count else { throw .malformed(.requestLine) }
        guard span[index] == Octet.space else {
            throw .malformed(span[index] == 0x23 ? .target : .requestLine)
        }
        line.target = targetStart..<index
        line.isHTTP11 = try Self.version(span, index &+ 1)
        line.next = index &+ 11
        return line
    }

    /// Reads `HTTP/1.x` and the line's end, which begin at `start`.
    private static func version(_ span: Span<UInt8>, _ start: Int) throws(RequestRefusal) -> Bool {
        let name: [8 of UInt8] = [0x48, 0x54, 0x54, 0x50, 0x2F, 0x31, 0x2E, 0x31]
        guard span.count >= start + 10 else { throw .malformed(.requestLine) }
        for offset in 0..<5 where span[start &+ offset] != name[offset] { throw .malformed(.requestLine) }
        let (major, minor) = (span[start &+ 5], span[start &+ 7])
        guard Octet.isDigit(major), span[start &+ 6] == 0x2E, Octet.isDigit(minor),
            span[start &+ 8] == Octet.carriageReturn, span[start &+ 9] == Octet.lineFeed
        else { throw .malformed(.requestLine) }
        guard major == 0x31, minor == 0x30 || minor == 0x31 else { throw .unsupportedVersion }
        return minor == 0x31
    }
}
