// A request that somebody tells of in pieces, as HTTP/2 has them.

/// The pseudo-fields and fields of a request of another hop; read by the same guard as a request of HTTP/2.
package struct RequestPieces {
    private var list = FieldList()

    /// Begins with what stands in a request's first line, and whom it is for.
    package init(
        method: some Sequence<UInt8>,
        scheme: ClientFacts.Scheme,
        authority: some Sequence<UInt8>,
        path: some Sequence<UInt8>
    ) {
        self.append(":method".utf8, method)
        self.append(":scheme".utf8, scheme.rawValue.utf8)
        self.append(":authority".utf8, authority)
        self.append(":path".utf8, path)
    }

    /// Adds a field, whose name is in lower case.
    package mutating func append(_ name: some Sequence<UInt8>, _ value: some Sequence<UInt8>) {
        let start = self.list.bytes.count
        self.list.bytes.append(contentsOf: name)
        let nameEnd = self.list.bytes.count
        self.list.bytes.append(contentsOf: value)
        self.list.close(start, nameEnd, limit: .max)
    }

    /// The head of the request; it has no body here.
    ///
    /// - Throws: what breaks a rule of RFC 9113 §8.2, §8.3, or of the guard.
    package func head(limits: ProxyLimits) throws(RequestRefusal) -> RequestHead {
        var octets: [UInt8] = []
        try HTTP2Head.write(self.list, isWhole: true, into: &octets)
        let head = try RequestHead.parse(octets, limits: limits)
        guard head.framing == .none else { throw .malformed(.contentLength) }
        return head
    }
}
