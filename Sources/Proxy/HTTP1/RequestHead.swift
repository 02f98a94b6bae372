// The head of a request: octets, and a table of where its parts stand.

/// A parsed and guarded request head; its path and host are canonical and are what is ruled on and forwarded (P3, P4).
package struct RequestHead: Sendable {
    /// The fields, and the octets that all ranges point into.
    package internal(set) var fields = FieldTable()
    /// What is asked to be done; see `methodText` for `.other`.
    package internal(set) var method = Method.get
    /// Whether the client speaks HTTP/1.1 (else 1.0).
    package internal(set) var isHTTP11 = true
    /// The port that the client named in Host or in an absolute target, if any.
    package internal(set) var port: UInt16?
    /// How the request's body is delimited.
    package internal(set) var framing = BodyFraming.none
    /// Whether the client wants the connection kept.
    package internal(set) var keepsAlive = true
    /// Whether the client waits for 100 (Continue) before it sends the body.
    package internal(set) var expectsContinue = false
    /// Whether the target came in absolute form, so that its authority replaced Host (X2).
    package internal(set) var hadAbsoluteTarget = false

    var methodRange = 0..<0
    var targetRange = 0..<0
    var pathRange = 0..<0
    var queryRange: Range<Int>?
    var hostRange = 0..<0
    /// Host and port as the client wrote them.
    var authorityRange = 0..<0
    /// Whether a `Connection` field names others.
    var nominates = false

    /// What the connection has to know of the head, in one look.
    struct Manner {
        let framing: BodyFraming
        let isHTTP11: Bool
        let method: Method
        let keepsAlive: Bool
    }

    var manner: Manner {
        Manner(
            framing: self.framing,
            isHTTP11: self.isHTTP11,
            method: self.method,
            keepsAlive: self.keepsAlive
        )
    }

    /// An empty head.
    package init() {}

    /// Parses a head written in code or told by a callout; the same guard and the same path rules as on the wire.
    package static func parse(
        _ bytes: some Sequence<UInt8>,
        limits: ProxyLimits = ProxyLimits()
    ) throws(RequestRefusal) -> RequestHead {
        var head = RequestHead()
        head.fields.bytes = Array(bytes)
        try head.readWhole(limits: limits)
        return head
    }

    /// Reads the octets that it holds, which are one whole head.
    mutating func readWhole(limits: ProxyLimits) throws(RequestRefusal) {
        var parser = RequestParser(limits: limits)
        let count = self.fields.bytes.count
        switch parser.advance(&self) {
        case .complete(let consumed):
            guard consumed == count else { throw .malformed(.requestLine) }
        case .incomplete: throw .malformed(.requestLine)
        case .refused(let refusal): throw refusal
        }
    }

    /// How many octets it has, about.
    package var octetCount: Int { self.fields.bytes.count }
    /// The method's name.
    package var methodOctets: ArraySlice<UInt8> { self.fields.bytes[self.methodRange] }
    /// The method's name as text.
    package var methodText: String { self.text(self.methodRange) }
    /// The target as the client wrote it.
    package var target: ArraySlice<UInt8> { self.fields.bytes[self.targetRange] }
    /// The canonical path; begins with `/` (or is `*` for OPTIONS).
    package var path: ArraySlice<UInt8> { self.fields.bytes[self.pathRange] }
    /// The canonical path as text.
    package var pathText: String { self.text(self.pathRange) }
    /// What follows the `?`, without it; nil without a `?`.
    package var query: ArraySlice<UInt8>? { self.queryRange.map { self.fields.bytes[$0] } }
    /// The query as text.
    package var queryText: String? { self.queryRange.map(self.text) }
    /// The host in lower case, without port and without one trailing dot.
    package var host: ArraySlice<UInt8> { self.fields.bytes[self.hostRange] }
    /// The host as text.
    package var hostText: String { self.text(self.hostRange) }
    /// Host and port as the client wrote them.
    package var authority: ArraySlice<UInt8> { self.fields.bytes[self.authorityRange] }
    /// Host and port as the client wrote them, as text.
    package var authorityText: String { self.text(self.authorityRange) }
    /// Canonical path and query: what goes into a request line.
    package var pathAndQuery: [UInt8] {
        var result = Array(self.path)
        if let query = self.query {
            result.append(0x3F)
            result.append(contentsOf: query)
        }
        return result
    }

    /// Forgets everything; keeps the storage.
    mutating func reset() {
        self.fields.reset()
        (self.method, self.framing) = (.other, .none)
        (self.methodRange, self.targetRange, self.pathRange) = (0..<0, 0..<0, 0..<0)
        (self.hostRange, self.authorityRange, self.queryRange) = (0..<0, 0..<0, nil)
        (self.port, self.expectsContinue, self.hadAbsoluteTarget) = (nil, false, false)
    }

    /// Gives the first field of that name.
    package func first(_ name: FieldName) -> FieldRange? { self.fields.first(name) }
    /// Gives how many fields have that name.
    package func count(of name: FieldName) -> Int { self.fields.count(of: name) }
    /// Gives the first value of that name as text.
    package func string(of name: FieldName) -> String? { self.fields.string(of: name) }
    /// Reads a field's value without a copy.
    package func withValue<R, E: Error>(
        _ range: FieldRange,
        _ body: (Span<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        try self.fields.withValue(range, body)
    }
    /// Calls `body` with every field, in order.
    package func forEach<E: Error>(_ body: (FieldRange) throws(E) -> Void) throws(E) {
        try self.fields.forEach(body)
    }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: self.fields.bytes[range], as: UTF8.self)
    }
}
