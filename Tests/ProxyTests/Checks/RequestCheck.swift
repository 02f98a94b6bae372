// Request heads under any octets.

import NIOHTTP1

@testable import Proxy

/// Parses a request's head in several ways, and writes it for an upstream and parses that again.
package enum RequestCheck {
    /// Limits low enough that a short input reaches them.
    private static var limits: ProxyLimits {
        var limits = ProxyLimits()
        (limits.headBytes, limits.lineBytes, limits.fields) = (1024, 256, 12)
        return limits
    }

    /// Holds `input` to all promises about request heads.
    package static func run(_ input: [UInt8]) throws(Finding) {
        let (whole, head) = Self.parse(input, step: 4096)
        for step in [1, 3] {
            let (outcome, other) = Self.parse(input, step: step)
            try demand(
                Self.kind(outcome) == Self.kind(whole),
                "in pieces of \(step): \(outcome), not \(whole)"
            )
            guard case .complete = whole else { continue }
            try demand(
                outcome == whole && Self.summary(other) == Self.summary(head),
                "in pieces of \(step): \(Self.summary(other)), not \(Self.summary(head))"
            )
        }
        guard case .complete(let end) = whole else { return }
        try Self.compare(head, Array(input[..<end]))
        for isTrusted in [false, true] { try Self.writeAgain(head, isTrusted: isTrusted) }
    }

    /// Feeds the octets as a connection does.
    private static func parse(_ input: [UInt8], step: Int) -> (RequestParser.Outcome, RequestHead) {
        let limits = Self.limits
        var (parser, head, index) = (RequestParser(limits: limits), RequestHead(), 0)
        var outcome = RequestParser.Outcome.incomplete
        while index < input.count, outcome == .incomplete {
            let room = max(1, limits.headBytes - head.fields.bytes.count)
            let piece = min(step, input.count - index, room)
            parser.feed(input[index..<(index + piece)], to: &head)
            outcome = parser.advance(&head)
            index += piece
        }
        return (outcome, head)
    }

    private static func kind(_ outcome: RequestParser.Outcome) -> Int {
        switch outcome {
        case .incomplete: 0
        case .complete: 1
        case .refused: 2
        }
    }

    /// All that a head says.
    static func summary(_ head: RequestHead) -> String {
        var fields: [String] = []
        head.forEach { fields.append("\(head.fields.name($0)): \(shown(head.fields.value($0)))") }
        return
            "\(head.methodText) \(head.method) \(shown(head.target)) 1.1 \(head.isHTTP11) \(shown(head.path)) "
            + "\(head.query.map(shown) ?? "-") \(shown(head.host)) \(head.port ?? 0) \(shown(head.authority)) "
            + "\(head.framing) \(head.keepsAlive) \(head.expectsContinue) \(head.hadAbsoluteTarget) "
            + "\(head.nominates) \(fields)"
    }

    // MARK: The second opinion

    private static func compare(_ head: RequestHead, _ octets: [UInt8]) throws(Finding) {
        guard let theirs = SecondOpinion.request(octets)?.head else {
            return try demand(SecondOpinion.isExcused(head), "let in, refused by NIOHTTP1: \(shown(octets))")
        }
        try demand(head.methodText == theirs.method.rawValue, "NIOHTTP1 reads \(theirs.method)")
        try demand(
            head.target.elementsEqual(theirs.uri.utf8) || head.target.contains { $0 > 0x7F },
            "NIOHTTP1 reads \(theirs.uri)"
        )
        var fields: [String] = []
        head.forEach { fields.append(head.fields.name($0) + "=" + head.fields.string($0)) }
        let others = theirs.headers.map { "\($0)=\(SecondOpinion.trimmed($1))" }
        try demand(fields == others, "NIOHTTP1 reads \(others), we \(fields)")
    }

    // MARK: The round trip

    private static func writeAgain(_ head: RequestHead, isTrusted: Bool) throws(Finding) {
        var order = ForwardOrder(ForwardTerms(endpoint: Endpoint(host: "10.0.0.1", port: 8080)))
        if !head.authority.isEmpty { order.words.host = Array(head.authority) }
        let peer = IPAddress(v4: 0x0A00_0002)
        let client = ClientFacts(peer: peer, isTrustedPeer: isTrusted)
        var output: [UInt8] = []
        let origin = HeadWriter.Origin(client)
        HeadWriter(viaName: "v").write(head, order, FieldEdits(), from: client, origin, into: &output)
        guard let plain = try PlainMessage.head(output, from: 0) else { throw Finding("no head was written") }
        try demand(plain.headEnd == output.count, "something was written after a head: \(shown(output))")
        try demand(plain.values("host").count == 1, "not one Host was written: \(shown(output))")
        try demand(plain.values("x-forwarded-for").count == 1, "not one X-Forwarded-For: \(shown(output))")
        _ = try plain.framing()
        var limits = ProxyLimits()
        limits.fields = 200
        let again: RequestHead
        do throws(RequestRefusal) {
            again = try RequestHead.parse(output, limits: limits)
        } catch {
            throw Finding("what was written is refused (\(error.reason)): \(shown(output))")
        }
        try demand(
            again.methodText == head.methodText && again.framing == head.framing
                && again.path == head.path && again.query == head.query,
            "what was written says something else: \(shown(output))"
        )
        try demand(
            head.authority.isEmpty || again.host == head.host && again.port == head.port,
            "another host was written: \(shown(output))"
        )
        let (crossing, crossed) = (Self.crossing(head), Self.ordinary(again))
        try demand(crossed == crossing, "fields crossed as \(crossed), not as \(crossing)")
    }

    /// The fields that no rule of the proxy concerns, and our `Via`.
    private static func crossing(_ head: RequestHead) -> [String] {
        var nominated: Set<String> = []
        for value in head.fields.strings(of: .connection) {
            for element in value.split(separator: ",") {
                nominated.insert(SecondOpinion.trimmed(String(element)).lowercased())
            }
        }
        return Self.ordinary(head).filter { field in
            !nominated.contains(String(field.prefix { $0 != "=" }).lowercased())
        } + ["Via=1.1 v"]
    }

    private static func ordinary(_ head: RequestHead) -> [String] {
        var fields: [String] = []
        head.forEach { field in
            guard field.kind == .other else { return }
            fields.append(head.fields.name(field) + "=" + head.fields.string(field))
        }
        return fields
    }
}
