// Refuses smuggled and ambiguous requests, before anything is decided about them.

/// The rules that a whole head must hold; each names its section.
///
/// RFC 9112, RFC 9110.
enum RequestGuard {
    /// Parses the octets that `head` holds and fills in all else, or says why not.
    ///
    /// - Returns: where the head ends; what stood behind it is cut off.
    static func admit(_ head: inout RequestHead, limits: ProxyLimits) throws(RequestRefusal) -> Int {
        let line = try RequestLine.read(head.fields.bytes)
        guard line.next - 2 <= limits.lineBytes else { throw .targetTooLong }
        head.methodRange = line.method
        head.method = Method(head.fields.bytes, line.method)
        guard head.method != .connect, head.method != .trace else { throw .methodNotAllowed }
        head.isHTTP11 = line.isHTTP11
        head.targetRange = line.target
        let end: Int
        do throws(HeadFault) {
            end = try FieldScanner.read(&head.fields, from: line.next, limit: limits.fields)
        } catch {
            throw RequestRefusal(error)
        }
        guard end <= limits.headBytes else { throw .headTooLarge }
        let surplus = head.fields.bytes.count - end
        if surplus > 0 { head.fields.bytes.removeLast(surplus) }
        let bytes = head.fields.bytes
        try Self.readFields(&head, bytes, limits: limits)
        try Self.readTarget(&head, bytes, limits: limits)
        return end
    }

    // MARK: Framing, connection and expectation

    /// What the fields of this hop say, gathered in one pass.
    private struct Hop {
        var hosts = 0
        var host = 0..<0
        var lengths = 0
        var length = 0..<0
        var codings = 0
        var coding = 0..<0
        var closes = false
        var keeps = false
        var nominates = false
    }

    private static func readFields(
        _ head: inout RequestHead,
        _ bytes: [UInt8],
        limits: ProxyLimits
    ) throws(RequestRefusal) {
        var hop = Hop()
        head.nominates = false
        head.expectsContinue = false
        for field in head.fields.ranges {
            switch field.kind {
            case .other, .misspelt: continue
            case .host: (hop.hosts, hop.host) = (hop.hosts + 1, field.value)
            case .contentLength: (hop.lengths, hop.length) = (hop.lengths + 1, field.value)
            case .transferEncoding: (hop.codings, hop.coding) = (hop.codings + 1, field.value)
            case .connection:
                try Self.readConnection(bytes, field.value, &hop)
            case .expect:
                guard bytes.matches(field.value, lowercased: Self.hundredContinue) else {
                    throw .unknownExpectation
                }
                head.expectsContinue = head.isHTTP11
            default: continue
            }
        }
        head.nominates = hop.nominates
        head.keepsAlive = !hop.closes && (head.isHTTP11 || hop.keeps)
        head.framing = try Self.framing(hop, bytes, isHTTP11: head.isHTTP11)
        if case .length(let count) = head.framing, let limit = limits.bodyBytes, count > limit {
            throw .bodyTooLarge
        }
        // Exactly one Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 §3.2; X1).
        guard hop.hosts == 1 || (hop.hosts == 0 && !head.isHTTP11) else { throw .malformed(.host) }
        head.authorityRange = hop.host
    }

    private static let hundredContinue = Array("100-continue".utf8)
    private static let chunked = Array("chunked".utf8)
    private static let close = Array("close".utf8)
    private static let keepAlive = Array("keep-alive".utf8)

    private static func readConnection(
        _ bytes: [UInt8],
        _ range: Range<Int>,
        _ hop: inout Hop
    ) throws(RequestRefusal) {
        var (closes, keeps, nominates) = (hop.closes, hop.keeps, hop.nominates)
        try TokenList.forEach(bytes, range) { element throws(RequestRefusal) in
            for index in element where !Octet.isToken(bytes[index]) { throw .malformed(.connection) }
            let isClose = bytes.matches(element, lowercased: Self.close)
            let isKeep = bytes.matches(element, lowercased: Self.keepAlive)
            closes = closes || isClose
            keeps = keeps || isKeep
            nominates = nominates || !(isClose || isKeep)
        }
        (hop.closes, hop.keeps, hop.nominates) = (closes, keeps, nominates)
    }

    /// How the body ends.
    ///
    /// RFC 9112 §6.1, §6.3.
    private static func framing(
        _ hop: Hop,
        _ bytes: [UInt8],
        isHTTP11: Bool
    ) throws(RequestRefusal) -> BodyFraming {
        if hop.codings > 0 {
            guard isHTTP11 else { throw .malformed(.transferEncoding) }  // X7
            guard hop.lengths == 0 else { throw .malformed(.lengthAndCoding) }  // X5
            guard hop.codings == 1 else { throw .malformed(.transferEncoding) }
            return try Self.coding(bytes, hop.coding)
        }
        guard hop.lengths > 0 else { return .none }
        // A list or a repetition is refused even where its members agree (X8).
        guard hop.lengths == 1, let count = TokenList.number(bytes, hop.length) else {
            throw .malformed(.contentLength)
        }
        return count == 0 ? .none : .length(count)
    }

    /// `chunked` alone is known; another coding before it is 501, anything after it is 400 (X6).
    private static func coding(_ bytes: [UInt8], _ range: Range<Int>) throws(RequestRefusal) -> BodyFraming {
        guard !bytes.matches(range, lowercased: Self.chunked) else { return .chunked }
        var (seen, isFinal, wasChunked) = (0, false, false)
        TokenList.forEach(bytes, range) { element in
            isFinal = bytes.matches(element, lowercased: Self.chunked)
            if isFinal, wasChunked { seen = -1_000 }
            wasChunked = wasChunked || isFinal
            seen += 1
        }
        guard isFinal, seen > 1 else { throw .malformed(.transferEncoding) }
        throw .unknownTransferCoding
    }

    // MARK: Target and host

    private static func readTarget(
        _ head: inout RequestHead,
        _ bytes: [UInt8],
        limits: ProxyLimits
    ) throws(RequestRefusal) {
        let target = head.targetRange
        var pathStart = target.lowerBound
        head.hadAbsoluteTarget = false
        if bytes[pathStart] != 0x2F {
            if target.count == 1, bytes[pathStart] == 0x2A, head.method == .options {
                (head.pathRange, head.queryRange) = (target, nil)
                return try Self.readHost(&head, bytes)
            }
            guard let authority = Self.absoluteAuthority(bytes, target) else { throw .malformed(.target) }
            // The Host that it replaces has to be one all the same (RFC 9112 §3.2; X1).
            guard head.authorityRange.isEmpty || Authority.read(bytes, head.authorityRange) != nil else {
                throw .malformed(.host)
            }
            head.hadAbsoluteTarget = true
            head.authorityRange = authority  // RFC 9112 §3.2.2 (X2)
            pathStart = authority.upperBound
        }
        var pathEnd = pathStart
        while pathEnd < target.upperBound, bytes[pathEnd] != 0x3F { pathEnd &+= 1 }
        head.queryRange = pathEnd < target.upperBound ? (pathEnd + 1)..<target.upperBound : nil
        try Self.readHost(&head, bytes)
        try Self.readPath(&head, bytes, pathStart..<pathEnd, limits: limits)
    }

    private static func readPath(
        _ head: inout RequestHead,
        _ bytes: [UInt8],
        _ path: Range<Int>,
        limits: ProxyLimits
    ) throws(RequestRefusal) {
        if !path.isEmpty, PathRules.isCanonical(bytes.span, path) {
            head.pathRange = path
            return
        }
        let canonical =
            path.isEmpty ? [0x2F] : try PathRules.canonical(bytes, path, allowing: limits.allowedInPath)
        head.pathRange = head.append(canonical)
    }

    /// Gives where the authority of an absolute target stands, if it is `http` or `https`.
    private static func absoluteAuthority(_ bytes: [UInt8], _ target: Range<Int>) -> Range<Int>? {
        for scheme in [Array("http://".utf8), Array("https://".utf8)] where target.count > scheme.count {
            let start = target.lowerBound + scheme.count
            guard bytes.matches(target.lowerBound..<start, lowercased: scheme) else { continue }
            var end = start
            while end < target.upperBound, bytes[end] != 0x2F, bytes[end] != 0x3F { end += 1 }
            return start < end ? start..<end : nil
        }
        return nil
    }

    private static func readHost(_ head: inout RequestHead, _ bytes: [UInt8]) throws(RequestRefusal) {
        head.port = nil
        guard !head.authorityRange.isEmpty else {
            guard !head.isHTTP11 else { throw .malformed(.host) }
            head.hostRange = 0..<0
            return
        }
        guard let authority = Authority.read(bytes, head.authorityRange) else { throw .malformed(.host) }
        head.port = authority.port
        head.hostRange = authority.host
        guard authority.hasUpperCase else { return }
        head.hostRange = head.append(bytes[authority.host].map(Octet.lowercased))
    }
}

extension RequestHead {
    /// Puts canonical octets after the head's own and tells where.
    fileprivate mutating func append(_ octets: [UInt8]) -> Range<Int> {
        let start = self.fields.bytes.count
        self.fields.bytes.append(contentsOf: octets)
        return start..<self.fields.bytes.count
    }
}

extension RequestRefusal {
    fileprivate init(_ fault: HeadFault) {
        switch fault {
        case .fieldName: self = .malformed(.fieldName)
        case .fieldValue: self = .malformed(.fieldValue)
        case .lineEnd, .incomplete: self = .malformed(.lineEnd)
        case .obsoleteFold: self = .malformed(.obsoleteFold)
        case .tooManyFields: self = .headTooLarge
        }
    }
}
