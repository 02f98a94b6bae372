// Fields behind a body: which of them go on (X10).

/// Tells of each trailer field whether it goes on; pure.
///
/// Trailers travel as lines of HTTP/1.1, whichever protocol they came by, and never become fields of a head. What only a
/// head may say is taken out (RFC 9110 §6.5.1), because a peer that merges the two would believe it: framing, routing,
/// modifiers of requests, authentication, control of responses, and how a body is to be read. So is what `Connection` names
/// (§7.6.1), what is never taken from a client (H1), and what the gateway itself sets or removes.
struct TrailerRules {
    /// Octets of all lines of a chunked body's trailers.
    static let maximumBytes = 8192
    /// Fields of trailers.
    static let maximumFields = 100

    private let head: FieldTable
    private let nominates: Bool
    private let edits: FieldEdits
    private let dropped: FieldNameSet
    /// Whether other spellings of an edited name are meant too, as they are where an upstream reads them (H1).
    private let folds: Bool

    /// Rules for what a client sends behind the body of a request with this head.
    init(_ head: borrowing RequestHead, _ order: borrowing ForwardOrder, _ edits: borrowing FieldEdits) {
        (self.head, self.nominates, self.edits) = (head.fields, head.nominates, copy edits)
        (self.dropped, self.folds) = (order.terms.dropped, true)
    }

    /// Rules for what an upstream sends behind the body of an answer with this head.
    init(_ head: borrowing ResponseHead, _ edits: borrowing FieldEdits) {
        (self.head, self.nominates, self.edits) = (head.fields, head.nominates, copy edits)
        (self.dropped, self.folds) = (FieldNameSet(), false)
    }

    /// Whether a field whose name stands in `name` of `bytes` goes on.
    func admits(_ bytes: [UInt8], _ name: Range<Int>) -> Bool {
        guard FieldKind(bytes, name) == .other, !Self.ofHead.contains(bytes, name),
            !Self.families.contains(where: { bytes.begins(name, folded: $0) })
        else { return false }
        return !self.dropped.contains(bytes, name) && !self.edits.concerns(bytes, name, folding: self.folds)
            && !(self.nominates && HeadWriter.isNominated(self.head, bytes, name))
    }

    /// The lines that go on, written anew.
    func admitted(_ lines: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        _ = HeadLines.forEach(lines, from: 0) { name, value in
            guard self.admits(lines, name) else { return }
            output.append(contentsOf: lines[name])
            output.append(": ")
            output.append(contentsOf: lines[value])
            output.append("\r\n")
        }
        return output
    }

    /// Appends a `Trailer` field that announces what the head does, as far as it goes on (RFC 9110 §6.6.2).
    func appendAnnouncement(into output: inout [UInt8]) {
        var isFirst = true
        for field in self.head.ranges where field.kind == .trailer && !field.isRemoved {
            guard !(self.nominates && HeadWriter.isNominated(self.head, field)) else { continue }
            TokenList.forEach(self.head.bytes, field.value) { name in
                guard name.allSatisfy({ Octet.isToken(self.head.bytes[$0]) }),
                    self.admits(self.head.bytes, name)
                else { return }
                output.append(isFirst ? "Trailer: " : ", ")
                output.append(contentsOf: self.head.bytes[name])
                isFirst = false
            }
        }
        if !isFirst { output.append("\r\n") }
    }

    /// Names that mean something in a head alone, beside those that are the proxy's business in any place (`FieldKind`).
    private static let ofHead = FieldNameSet([
        // Modifiers of requests, and whom they say they are from.
        "accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "early-data",
        "from", "if",
        "origin", "pragma", "prefer", "priority", "range", "referer", "user-agent", "via", "x-http-method",
        "x-http-method-override", "x-method-override", "traceparent", "tracestate",
        // Authentication.
        "authentication-info", "authorization", "client-cert", "client-cert-chain", "cookie", "cookie2",
        "dpop",
        "dpop-nonce", "set-cookie", "set-cookie2", "www-authenticate", "x-forwarded-client-cert",
        // Control of responses.
        "accept-ranges", "age", "allow", "alt-svc", "clear-site-data", "content-security-policy",
        "content-security-policy-report-only", "date", "expires", "last-modified", "location",
        "referrer-policy",
        "refresh", "retry-after", "server", "strict-transport-security", "vary", "warning",
        "x-content-type-options", "x-frame-options",
        // How a body is to be read.
        "content-disposition", "content-encoding", "content-language", "content-location", "content-range",
        "content-type",
    ])

    /// How names begin of which the same holds, each folded.
    private static let families = ["access-control-", "if-", "proxy-", "sec-", "x-forwarded-"].map {
        Array($0.utf8)
    }
}

extension RequestHead {
    /// Whether the client takes trailers (RFC 9110 §10.1.4).
    var takesTrailers: Bool { self.isHTTP11 && self.fields.kinds.contains(.te) && self.fields.saysTrailers }
}

extension FieldTable {
    private static let trailers = Array("trailers".utf8)

    fileprivate var saysTrailers: Bool {
        var says = false
        for field in self.ranges where field.kind == .te {
            TokenList.forEach(self.bytes, field.value) { element in
                says = says || self.bytes.matches(element, lowercased: Self.trailers)
            }
        }
        return says
    }
}

extension [UInt8] {
    /// Whether what stands in `range` begins with these octets, which are folded.
    fileprivate func begins(_ range: Range<Int>, folded start: [UInt8]) -> Bool {
        range.count > start.count && self.matches(range.prefix(start.count), folded: start)
    }
}
