// An upstream's octets to an answer head, without a String.

/// Collects octets in a head until it is whole, then parses it; reused for each answer.
struct ResponseParser: Sendable {
    /// What a call of `advance` came to.
    enum Outcome: Equatable {
        /// More octets are needed.
        case incomplete
        /// The head is whole; it took so many of all octets fed since `reset`.
        case complete(Int)
        /// The answer breaks RFC 9112 or is over a limit.
        case malformed
    }

    let headBytes: Int
    let fields: Int
    private var scanned = 0
    private var firstLineEnd: Int?

    init(limits: ProxyLimits) {
        self.headBytes = limits.headBytes
        self.fields = max(limits.fields, 100)
    }

    /// Makes ready for the next head; keeps the storage.
    mutating func reset(_ head: inout ResponseHead) {
        head.fields.reset()
        self.scanned = 0
        self.firstLineEnd = nil
    }

    /// Takes octets from the connection into `head`.
    @inline(__always)
    func feed(_ octets: some Collection<UInt8>, to head: inout ResponseHead) {
        head.fields.bytes.append(contentsOf: octets)
    }

    /// Looks whether `head`, the answer to a request with `method`, is whole; fills it in if so.
    mutating func advance(_ head: inout ResponseHead, answering method: Method) -> Outcome {
        // As for requests: a head that came in one piece is read without a search for its end.
        if self.scanned == 0 {
            if let end = self.read(&head, method) { return .complete(end) }
            head.fields.forgetRanges()
        }
        let fed = head.fields.bytes.count
        switch FieldScanner.findEnd(
            head.fields.bytes.span,
            from: self.scanned,
            firstLineEnd: self.firstLineEnd
        ) {
        case .bareLineFeed: return .malformed
        case .notYet(let firstLineEnd):
            self.scanned = fed
            self.firstLineEnd = firstLineEnd
            return fed >= self.headBytes ? .malformed : .incomplete
        case .at: return self.read(&head, method).map { .complete($0) } ?? .malformed
        }
    }

    /// Reads the head and cuts off what came behind it.
    ///
    /// - Returns: where it ends; nil if it is not whole, or wrong.
    private func read(_ head: inout ResponseHead, _ method: Method) -> Int? {
        guard let start = Self.readStatusLine(head.fields.bytes, &head),
            let end = try? FieldScanner.read(&head.fields, from: start, limit: self.fields),
            end <= self.headBytes
        else { return nil }
        let surplus = head.fields.bytes.count - end
        if surplus > 0 { head.fields.bytes.removeLast(surplus) }
        return Self.readFields(&head, head.fields.bytes, method) ? end : nil
    }

    /// Reads the status line and tells where the next line begins.
    ///
    /// RFC 9112 §4.
    private static func readStatusLine(_ bytes: [UInt8], _ head: inout ResponseHead) -> Int? {
        let name: [7 of UInt8] = [0x48, 0x54, 0x54, 0x50, 0x2F, 0x31, 0x2E]
        guard bytes.count >= 14 else { return nil }
        for index in 0..<7 where bytes[index] != name[index] { return nil }
        guard bytes[7] == 0x30 || bytes[7] == 0x31, bytes[8] == Octet.space,
            let status = TokenList.number(bytes, 9..<12), status >= 100, status < 600
        else { return nil }
        head.isHTTP11 = bytes[7] == 0x31
        (head.status, head.statusAsCame) = (status, status)
        var index = 12
        guard bytes[index] == Octet.space || bytes[index] == Octet.carriageReturn else { return nil }
        if bytes[index] == Octet.space { index += 1 }
        let reasonStart = index
        while index < bytes.count, Octet.isFieldValue(bytes[index]) { index += 1 }
        guard index + 1 < bytes.count, bytes[index] == Octet.carriageReturn,
            bytes[index + 1] == Octet.lineFeed
        else { return nil }
        head.reasonRange = reasonStart..<index
        return index + 2
    }

    private static let chunked = Array("chunked".utf8)
    private static let close = Array("close".utf8)
    private static let keepAlive = Array("keep-alive".utf8)

    /// How the body ends and whether the connection stays.
    ///
    /// RFC 9112 §6.3, §9.3.
    private static func readFields(_ head: inout ResponseHead, _ bytes: [UInt8], _ method: Method) -> Bool {
        var (closes, keeps) = (false, false)
        var (lengths, codings) = (0, 0)
        var (length, coding) = (0..<0, 0..<0)
        head.nominates = false
        head.contentLength = nil
        for field in head.fields.ranges {
            switch field.kind {
            case .contentLength: (lengths, length) = (lengths + 1, field.value)
            case .transferEncoding: (codings, coding) = (codings + 1, field.value)
            case .connection:
                TokenList.forEach(bytes, field.value) { element in
                    let isClose = bytes.matches(element, lowercased: Self.close)
                    let isKeep = bytes.matches(element, lowercased: Self.keepAlive)
                    closes = closes || isClose
                    keeps = keeps || isKeep
                    head.nominates = head.nominates || !(isClose || isKeep)
                }
            default: continue
            }
        }
        head.keepsAlive = !closes && (head.isHTTP11 || keeps)
        let hasNoBody = method == .head || head.status < 200 || head.status == 204 || head.status == 304
        head.framing = .untilClose
        if codings > 0 {
            // Both, a coding in 1.0, or another coding: nobody can say where it ends.
            guard lengths == 0, codings == 1, head.isHTTP11,
                bytes.matches(coding, lowercased: Self.chunked)
            else { return false }
            head.framing = .chunked
        } else if lengths > 0 {
            guard lengths == 1, let count = TokenList.number(bytes, length) else { return false }
            head.framing = .length(count)
            head.contentLength = count
        }
        if hasNoBody { head.framing = .none }
        return true
    }
}
