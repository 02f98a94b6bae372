// The fields of HTTP/2 to a head as HTTP/1.1 writes it, and back: one set of rules for both.

/// Translates heads; pure.
///
/// A request is written down as HTTP/1.1 would send it and then goes through the same guard, so that what holds for one
/// holds for the other. What could mean something else on that way is refused before a word is written (E3).
enum HTTP2Head {
    // MARK: A request

    /// Where a request's fields stand, sorted.
    private struct Request {
        var method: Range<Int>?
        var path: Range<Int>?
        var scheme: Range<Int>?
        var authority: Range<Int>?
        var host: Range<Int>?
        var hasLength = false
        var cookies = 0
        /// Whether a field came that is no pseudo-field.
        var hasOrdinary = false
    }

    /// What a field is, as far as the way from one protocol to the other has a rule for it.
    private enum Kind { case ordinary, cookie, host, length, te, ofConnection }

    /// Writes a request down in `output`.
    ///
    /// - Parameter isWhole: whether no body follows.
    /// - Throws: what breaks RFC 9113 §8.2, §8.3.
    static func write(
        _ list: borrowing FieldList,
        isWhole: Bool,
        into output: inout [UInt8]
    ) throws(RequestRefusal) {
        let bytes = list.bytes
        let request = try Self.sort(list.fields, bytes)
        try Self.writeLine(request, bytes, into: &output)
        for field in list.fields where Self.crosses(bytes, field.name) {
            Self.writeLine(bytes, field, into: &output)
        }
        if request.cookies > 0 { Self.writeCookies(list.fields, bytes, into: &output) }
        if !isWhole, !request.hasLength { output.append("transfer-encoding: chunked\r\n") }
        output.append("\r\n")
    }

    private static func writeLine(_ bytes: [UInt8], _ field: FieldList.Field, into output: inout [UInt8]) {
        output.append(contentsOf: bytes[field.name])
        output.append(": ")
        output.append(contentsOf: bytes[field.value])
        output.append("\r\n")
    }

    /// Whether a field is copied as it is.
    private static func crosses(_ bytes: [UInt8], _ name: Range<Int>) -> Bool {
        guard bytes[name.lowerBound] != Octet.colon else { return false }
        switch Self.kind(bytes, name) {
        case .ordinary, .length, .te: return true
        case .cookie, .host, .ofConnection: return false
        }
    }

    /// Crumbs of cookies are one field outside of HTTP/2 (RFC 9113 §8.2.3).
    private static func writeCookies(
        _ fields: [FieldList.Field],
        _ bytes: [UInt8],
        into output: inout [UInt8]
    ) {
        output.append("cookie: ")
        var isFirst = true
        for field in fields where Self.kind(bytes, field.name) == .cookie {
            if !isFirst { output.append("; ") }
            isFirst = false
            output.append(contentsOf: bytes[field.value])
        }
        output.append("\r\n")
    }

    private static func sort(
        _ fields: [FieldList.Field],
        _ bytes: [UInt8]
    ) throws(RequestRefusal) -> Request {
        var request = Request()
        for field in fields {
            let (name, value) = (field.name, field.value)
            guard Self.isValue(bytes, value) else { throw .malformed(.fieldValue) }
            guard !name.isEmpty else { throw .malformed(.fieldName) }
            guard bytes[name.lowerBound] != Octet.colon else {
                try Self.takePseudo(bytes, name, value, &request)
                continue
            }
            request.hasOrdinary = true
            guard Self.isName(bytes, name) else { throw .malformed(.fieldName) }
            switch Self.kind(bytes, name) {
            case .ordinary: break
            case .host:
                guard request.host == nil else { throw .malformed(.host) }
                request.host = value
            case .cookie: request.cookies += 1
            case .length: request.hasLength = true
            case .te:
                guard bytes.equals(value, "trailers") else { throw .malformed(.connection) }
            case .ofConnection: throw .malformed(.connection)
            }
        }
        return request
    }

    /// Takes a pseudo-field; each comes once, and before all others (RFC 9113 §8.3).
    private static func takePseudo(
        _ bytes: [UInt8],
        _ name: Range<Int>,
        _ value: Range<Int>,
        _ request: inout Request
    ) throws(RequestRefusal) {
        guard !request.hasOrdinary else { throw .malformed(.requestLine) }
        let isSecond: Bool
        if bytes.equals(name, ":method") {
            isSecond = request.method.replace(with: value)
        } else if bytes.equals(name, ":path") {
            isSecond = request.path.replace(with: value)
        } else if bytes.equals(name, ":scheme") {
            isSecond = request.scheme.replace(with: value)
        } else if bytes.equals(name, ":authority") {
            isSecond = request.authority.replace(with: value)
        } else {
            throw .malformed(.fieldName)
        }
        guard !isSecond else { throw .malformed(.requestLine) }
    }

    /// Writes the request line and `Host`.
    private static func writeLine(
        _ request: Request,
        _ bytes: [UInt8],
        into output: inout [UInt8]
    ) throws(RequestRefusal) {
        guard let method = request.method, !method.isEmpty,
            method.allSatisfy({ Octet.isToken(bytes[$0]) })
        else { throw .malformed(.requestLine) }
        guard !bytes.equals(method, "CONNECT") else { throw .methodNotAllowed }  // X14
        guard let scheme = request.scheme, bytes.equals(scheme, "https") || bytes.equals(scheme, "http"),
            let path = request.path, !path.isEmpty,
            bytes[path.lowerBound] == 0x2F
                || (bytes.equals(path, "*") && bytes.equals(method, "OPTIONS")),
            path.allSatisfy({ Self.isVisible(bytes[$0]) && bytes[$0] != 0x23 })
        else { throw .malformed(.target) }
        guard let host = request.authority ?? request.host, !host.isEmpty,
            host.allSatisfy({ Self.isVisible(bytes[$0]) })
        else { throw .malformed(.host) }
        // Two names of one thing must be one (RFC 9113 §8.3.1; P5).
        if let other = request.host, !bytes.matches(other, host) { throw .malformed(.host) }
        output.append(contentsOf: bytes[method])
        output.append(Octet.space)
        output.append(contentsOf: bytes[path])
        output.append(" HTTP/1.1\r\nhost: ")
        output.append(contentsOf: bytes[host])
        output.append("\r\n")
    }

    // MARK: An answer

    /// Turns a head that was written for HTTP/1.1 into a field block; what belongs to a connection alone is left out.
    ///
    /// - Returns: where the body begins.
    static func answer(_ bytes: [UInt8], status: Int, into block: inout [UInt8]) -> Int {
        FieldBlockWriter.append(status: status, to: &block)
        return HeadLines.forEach(bytes) { name, value in
            guard Self.kind(bytes, name) != .ofConnection else { return }
            let isSecret = bytes.matches(name, lowercased: Self.setCookie)
            FieldBlockWriter.append(
                bytes,
                name: name,
                value: value,
                isSecret ? .never : .free,
                to: &block
            )
        }
    }

    /// Writes an answer down as HTTP/1.1 would send it; false if it breaks RFC 9113 §8.3.2.
    static func write(answer list: borrowing FieldList, into output: inout [UInt8]) -> Bool {
        let bytes = list.bytes
        guard let status = list.fields.first, bytes.equals(status.name, ":status"), status.value.count == 3,
            status.value.allSatisfy({ Octet.isDigit(bytes[$0]) })
        else { return false }
        output.append("HTTP/1.1 ")
        output.append(contentsOf: bytes[status.value])
        output.append(" \r\n")
        for field in list.fields.dropFirst() {
            guard Self.isPlain(bytes, field) else { return false }
            Self.writeLine(bytes, field, into: &output)
        }
        output.append("\r\n")
        return true
    }

    // MARK: Trailers

    /// Writes trailers down as lines of HTTP/1.1; false if they break RFC 9113 §8.1, §8.2, or are too many.
    static func write(trailers list: borrowing FieldList, into output: inout [UInt8]) -> Bool {
        guard list.fields.count <= TrailerRules.maximumFields else { return false }
        let bytes = list.bytes
        for field in list.fields {
            guard Self.isPlain(bytes, field) else { return false }
            Self.writeLine(bytes, field, into: &output)
        }
        return true
    }

    /// Turns lines of trailers into a field block.
    static func trailers(_ lines: [UInt8], into block: inout [UInt8]) {
        _ = HeadLines.forEach(lines, from: 0) { name, value in
            FieldBlockWriter.append(lines, name: name, value: value, to: &block)
        }
    }

    /// Lines of trailers of our own.
    static func lines(_ fields: [(String, String)]) -> [UInt8] {
        var lines: [UInt8] = []
        for (name, value) in fields { lines.append("\(name): \(value)\r\n") }
        return lines
    }

    // MARK: Towards an upstream

    /// Turns a request's head that was written for HTTP/1.1 into a field block.
    static func request(_ bytes: [UInt8], isSecure: Bool = false, into block: inout [UInt8]) {
        let line = HeadLines.end(bytes.span, from: 0)
        let methodEnd = bytes.span.place(of: Octet.space, from: 0)
        let targetEnd = bytes.span.place(of: Octet.space, from: methodEnd + 1)
        FieldBlockWriter.append(entry: 2, bytes, value: 0..<min(methodEnd, line), to: &block)
        block.append(isSecure ? 0x87 : 0x86)
        FieldBlockWriter.append(
            entry: 4,
            bytes,
            value: min(methodEnd + 1, line)..<min(targetEnd, line),
            to: &block
        )
        var host: Range<Int>?
        _ = HeadLines.forEach(bytes) { name, value in
            if host == nil, Self.kind(bytes, name) == .host { host = value }
        }
        if let host { FieldBlockWriter.append(entry: 1, bytes, value: host, to: &block) }
        _ = HeadLines.forEach(bytes) { name, value in
            let kind = Self.kind(bytes, name)
            guard kind != .host, kind != .te, kind != .ofConnection else { return }
            let isSecret = kind == .cookie || bytes.matches(name, lowercased: Self.authorization)
            FieldBlockWriter.append(
                bytes,
                name: name,
                value: value,
                isSecret ? .never : .free,
                to: &block
            )
        }
        // Trailers do cross here, and gRPC asks to be told so.
        block.append(contentsOf: Self.takesTrailers)
    }

    private static let setCookie = Array("set-cookie".utf8)
    private static let authorization = Array("authorization".utf8)
    private static let cookie = Array("cookie".utf8)
    private static let takesTrailers = [0x00, 2] + Array("te".utf8) + [8] + Array("trailers".utf8)

    // MARK: Octets

    /// What the field of a name is, whose letters may be of either case.
    private static func kind(_ bytes: [UInt8], _ name: Range<Int>) -> Kind {
        switch FieldKind.table.kind(bytes.span, name) {
        case .host: .host
        case .contentLength: .length
        case .te: .te
        // Fields that HTTP/2 has no place for (RFC 9113 §8.2.2).
        case .connection, .keepAlive, .proxyConnection, .transferEncoding: .ofConnection
        // `http2-settings` is of that kind too, and means nothing here.
        case .upgrade: name.count == 7 ? .ofConnection : .ordinary
        default: bytes.matches(name, lowercased: Self.cookie) ? .cookie : .ordinary
        }
    }

    /// Whether a field's name is one of HTTP/2: a token without capitals (RFC 9113 §8.2.1).
    private static func isName(_ bytes: [UInt8], _ name: Range<Int>) -> Bool {
        for place in name where !Octet.isToken(bytes[place]) || bytes[place] &- 0x41 < 26 { return false }
        return !name.isEmpty
    }

    /// Whether a value may stand in HTTP/2: octets of a field's value, no space or tab at either end (RFC 9113 §8.2.1).
    private static func isValue(_ bytes: [UInt8], _ value: Range<Int>) -> Bool {
        guard let last = value.last else { return true }
        for place in value where !Octet.isFieldValue(bytes[place]) { return false }
        return !Octet.isBlank(bytes[value.lowerBound]) && !Octet.isBlank(bytes[last])
    }

    private static func isVisible(_ octet: UInt8) -> Bool { octet > 0x20 && octet < 0x7F }

    /// Whether a field is one that may come out of HTTP/2 at all.
    private static func isPlain(_ bytes: [UInt8], _ field: FieldList.Field) -> Bool {
        Self.isName(bytes, field.name) && Self.kind(bytes, field.name) != .ofConnection
            && Self.isValue(bytes, field.value)
    }
}

/// Walks over the lines of a head that we wrote.
enum HeadLines {
    /// Calls `body` with each field's name and value; tells where the head ends.
    ///
    /// - Parameter start: where the first field's line begins; nil for behind the first line.
    static func forEach(
        _ octets: [UInt8],
        from start: Int? = nil,
        _ body: (Range<Int>, Range<Int>) -> Void
    ) -> Int {
        let bytes = octets.span
        var line = start ?? Self.end(bytes, from: 0) + 2
        while line < bytes.count {
            let end = Self.end(bytes, from: line)
            guard end > line else { return end + 2 }
            let colon = bytes.place(of: Octet.colon, from: line)
            if colon < end {
                var (start, stop) = (colon + 1, end)
                while start < stop, bytes[start] == Octet.space || bytes[start] == Octet.tab { start += 1 }
                while stop > start, bytes[stop - 1] == Octet.space || bytes[stop - 1] == Octet.tab {
                    stop -= 1
                }
                body(line..<colon, start..<stop)
            }
            line = end + 2
        }
        return bytes.count
    }

    /// Where the line that begins at `start` ends, without its CR and LF.
    static func end(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = bytes.place(of: Octet.lineFeed, from: start)
        while index < bytes.count {
            if index > start, bytes[index - 1] == Octet.carriageReturn { return index - 1 }
            index = bytes.place(of: Octet.lineFeed, from: index + 1)
        }
        return bytes.count
    }
}

extension [UInt8] {
    /// Whether the octets in `range` are just these.
    fileprivate func equals(_ range: Range<Int>, _ text: String) -> Bool {
        let wanted = text.utf8.span
        guard range.count == wanted.count else { return false }
        for offset in wanted.indices where self[range.lowerBound &+ offset] != wanted[offset] { return false }
        return true
    }

    /// Whether the octets in two ranges are the same in any case.
    fileprivate func matches(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
        one.count == other.count
            && zip(one, other).allSatisfy { Octet.lowercased(self[$0]) == Octet.lowercased(self[$1]) }
    }
}

extension Range<Int>? {
    /// Puts a range in; says whether there was one already.
    fileprivate mutating func replace(with range: Range<Int>) -> Bool {
        defer { self = range }
        return self != nil
    }
}
