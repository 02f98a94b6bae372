// The fields of HTTP/2 to a head as HTTP/1.1 writes it, and back: one set of rules for both.

import NIOHPACK

/// Translates heads; pure.
///
/// A request is written down as HTTP/1.1 would send it and then goes through the same guard, so that what holds for one
/// holds for the other. What could mean something else on that way is refused before a word is written (E3).
enum HTTP2Head {
    // MARK: A request

    /// What a request's fields say, sorted.
    private struct Request {
        var method: String?
        var path: String?
        var scheme: String?
        var authority: String?
        var host: String?
        var hasLength = false
        var cookies = 0
    }

    /// Writes a request down in `bytes`.
    ///
    /// - Parameter isWhole: whether no body follows.
    /// - Throws: what breaks RFC 9113 §8.2, §8.3.
    static func write(
        _ fields: HPACKHeaders,
        isWhole: Bool,
        into bytes: inout [UInt8]
    ) throws(RequestRefusal) {
        let request = try Self.sort(fields)
        try Self.writeLine(request, into: &bytes)
        for (name, value, _) in fields where Self.crosses(name) {
            bytes.append(contentsOf: name.utf8)
            bytes.append(": ")
            bytes.append(contentsOf: value.utf8)
            bytes.append("\r\n")
        }
        if request.cookies > 0 { Self.writeCookies(fields, into: &bytes) }
        if !isWhole, !request.hasLength { bytes.append("transfer-encoding: chunked\r\n") }
        bytes.append("\r\n")
    }

    /// Whether a field is copied as it is.
    private static func crosses(_ name: String) -> Bool {
        name.utf8.first != Octet.colon && name != "cookie" && name != "host" && name != "te"
    }

    /// Crumbs of cookies are one field outside of HTTP/2 (RFC 9113 §8.2.3).
    private static func writeCookies(_ fields: HPACKHeaders, into bytes: inout [UInt8]) {
        bytes.append("cookie: ")
        var isFirst = true
        for (name, value, _) in fields where name == "cookie" {
            if !isFirst { bytes.append("; ") }
            isFirst = false
            bytes.append(contentsOf: value.utf8)
        }
        bytes.append("\r\n")
    }

    private static func sort(_ fields: HPACKHeaders) throws(RequestRefusal) -> Request {
        var request = Request()
        for (name, value, _) in fields {
            guard value.utf8.allSatisfy(Octet.isFieldValue) else { throw .malformed(.fieldValue) }
            switch name {
            case ":method": try Self.take(value, &request.method)
            case ":path": try Self.take(value, &request.path)
            case ":scheme": try Self.take(value, &request.scheme)
            case ":authority": try Self.take(value, &request.authority)
            case "host":
                guard request.host == nil else { throw .malformed(.host) }
                request.host = value
            case "cookie": request.cookies += 1
            case "content-length": request.hasLength = true
            case "te":
                guard value == "trailers" else { throw .malformed(.connection) }
            case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
                throw .malformed(.connection)
            default:
                // Capitals are malformed here (RFC 9113 §8.2.1), and so is a pseudo-field that nobody knows.
                guard !name.isEmpty, name.utf8.allSatisfy({ Octet.isToken($0) && $0 &- 0x41 >= 26 }) else {
                    throw .malformed(.fieldName)
                }
            }
        }
        return request
    }

    private static func take(_ value: String, _ place: inout String?) throws(RequestRefusal) {
        guard place == nil else { throw .malformed(.requestLine) }
        place = value
    }

    /// Writes the request line and `Host`.
    private static func writeLine(_ request: Request, into bytes: inout [UInt8]) throws(RequestRefusal) {
        guard let method = request.method, !method.isEmpty, method.utf8.allSatisfy(Octet.isToken) else {
            throw .malformed(.requestLine)
        }
        guard method != "CONNECT" else { throw .methodNotAllowed }  // X14
        guard request.scheme == "https" || request.scheme == "http", let path = request.path,
            path.utf8.first == 0x2F || (path == "*" && method == "OPTIONS"),
            path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 })
        else { throw .malformed(.target) }
        guard let host = request.authority ?? request.host,
            !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw .malformed(.host) }
        // Two names of one thing must be one (RFC 9113 §8.3.1; P5).
        if let other = request.host, other.lowercased() != host.lowercased() { throw .malformed(.host) }
        bytes.append(contentsOf: method.utf8)
        bytes.append(Octet.space)
        bytes.append(contentsOf: path.utf8)
        bytes.append(" HTTP/1.1\r\nhost: ")
        bytes.append(contentsOf: host.utf8)
        bytes.append("\r\n")
    }

    // MARK: An answer

    /// Reads a head that was written for HTTP/1.1; what belongs to a connection alone is left out.
    ///
    /// - Returns: the fields, `:status` first, and where the body begins.
    static func answer(_ bytes: [UInt8], status: Int) -> (HPACKHeaders, bodyStart: Int) {
        var fields = HPACKHeaders()
        fields.reserveCapacity(12)
        fields.add(name: ":status", value: String(status))
        let end = Self.forEachLine(bytes) { name, value in
            let text = Self.lowercased(bytes, name)
            guard !Self.isOfConnection(text) else { return }
            fields.add(
                name: text,
                value: String(decoding: bytes[value], as: UTF8.self),
                indexing: text == "set-cookie" ? .neverIndexed : .indexable
            )
        }
        return (fields, end)
    }

    // MARK: Towards an upstream

    /// Reads a request's head that was written for HTTP/1.1.
    static func request(_ bytes: [UInt8], isSecure: Bool = false) -> HPACKHeaders {
        var fields = HPACKHeaders()
        fields.reserveCapacity(16)
        let words = bytes[..<Self.lineEnd(bytes, from: 0)].split(separator: Octet.space, maxSplits: 2)
        fields.add(name: ":method", value: words.first.map { String(decoding: $0, as: UTF8.self) } ?? "GET")
        fields.add(name: ":scheme", value: isSecure ? "https" : "http")
        fields.add(
            name: ":path",
            value: words.count > 1 ? String(decoding: words[1], as: UTF8.self) : "/",
            indexing: .nonIndexable
        )
        _ = Self.forEachLine(bytes) { name, value in
            let name = Self.lowercased(bytes, name)
            guard !Self.isOfConnection(name) else { return }
            fields.add(
                name: name == "host" ? ":authority" : name,
                value: String(decoding: bytes[value], as: UTF8.self),
                indexing: name == "authorization" || name == "cookie" ? .neverIndexed : .indexable
            )
        }
        // Trailers do cross here, and gRPC asks to be told so.
        fields.add(name: "te", value: "trailers")
        return fields
    }

    /// Writes an answer down as HTTP/1.1 would send it; false if it breaks RFC 9113 §8.3.2.
    static func write(answer fields: HPACKHeaders, into bytes: inout [UInt8]) -> Bool {
        guard let status = fields.first(name: ":status"), status.utf8.count == 3,
            status.utf8.allSatisfy(Octet.isDigit)
        else { return false }
        bytes.append("HTTP/1.1 ")
        bytes.append(contentsOf: status.utf8)
        bytes.append(" \r\n")
        for (name, value, _) in fields where name != ":status" {
            guard Self.isPlain(name, value) else { return false }
            bytes.append(contentsOf: name.utf8)
            bytes.append(": ")
            bytes.append(contentsOf: value.utf8)
            bytes.append("\r\n")
        }
        bytes.append("\r\n")
        return true
    }

    /// What of an answer's trailers may cross: no field that says how the message ends or what becomes of it
    /// (RFC 9110 §6.5.1).
    static func trailers(_ fields: HPACKHeaders) -> HPACKHeaders {
        var crossing = HPACKHeaders()
        for (name, value, indexing) in fields where Self.isPlain(name, value) && !Self.isOfHead(name) {
            crossing.add(name: name, value: value, indexing: indexing)
        }
        return crossing
    }

    /// Fields that mean something in a head alone.
    private static func isOfHead(_ name: String) -> Bool {
        switch name {
        case "content-length", "content-type", "host", "location", "set-cookie", "te", "trailer",
            "www-authenticate":
            true
        default: false
        }
    }

    /// Whether a field is one that may come out of HTTP/2 at all.
    private static func isPlain(_ name: String, _ value: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { Octet.isToken($0) && $0 &- 0x41 >= 26 }
            && !Self.isOfConnection(name) && value.utf8.allSatisfy(Octet.isFieldValue)
    }

    /// Fields that HTTP/2 has no place for (RFC 9113 §8.2.2).
    private static func isOfConnection(_ name: String) -> Bool {
        switch name {
        case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade": true
        default: false
        }
    }

    /// Calls `body` with each field's name and value; tells where the head ends.
    private static func forEachLine(_ bytes: [UInt8], _ body: (Range<Int>, Range<Int>) -> Void) -> Int {
        var line = Self.lineEnd(bytes, from: 0) + 2
        while line < bytes.count {
            let end = Self.lineEnd(bytes, from: line)
            guard end > line else { return end + 2 }
            if let colon = bytes[line..<end].firstIndex(of: Octet.colon) {
                var start = colon + 1
                while start < end, bytes[start] == Octet.space || bytes[start] == Octet.tab { start += 1 }
                var stop = end
                while stop > start, bytes[stop - 1] == Octet.space || bytes[stop - 1] == Octet.tab {
                    stop -= 1
                }
                body(line..<colon, start..<stop)
            }
            line = end + 2
        }
        return bytes.count
    }

    private static func lineEnd(_ bytes: [UInt8], from start: Int) -> Int {
        var index = start
        while index + 1 < bytes.count {
            if bytes[index] == Octet.carriageReturn, bytes[index + 1] == Octet.lineFeed { return index }
            index += 1
        }
        return bytes.count
    }

    private static func lowercased(_ bytes: [UInt8], _ range: Range<Int>) -> String {
        guard bytes[range].contains(where: { $0 &- 0x41 < 26 }) else {
            return String(decoding: bytes[range], as: UTF8.self)
        }
        return String(decoding: bytes[range].lazy.map(Octet.lowercased), as: UTF8.self)
    }
}
