// Answer heads under any octets.

import NIOHTTP1

@testable import Proxy

/// Parses an answer's head in several ways, and writes it for a client and parses that again.
package enum AnswerCheck {
    private static var limits: ProxyLimits {
        var limits = ProxyLimits()
        limits.headBytes = 1024
        return limits
    }

    /// Holds `input` to all promises about answer heads.
    package static func run(_ input: [UInt8]) throws(Finding) {
        for method in [Method.get, .head] {
            let (whole, head) = Self.parse(input, step: 4096, answering: method)
            for step in [1, 3] {
                let (outcome, other) = Self.parse(input, step: step, answering: method)
                try demand(outcome == whole, "in pieces of \(step): \(outcome), not \(whole)")
                guard case .complete = whole else { continue }
                try demand(
                    Self.summary(other) == Self.summary(head),
                    "in pieces of \(step): \(Self.summary(other)), not \(Self.summary(head))"
                )
            }
            guard case .complete(let end) = whole else { continue }
            try Self.compare(head, Array(input[..<end]), answering: method)
            try Self.writeAgain(head, answering: method)
        }
    }

    /// Feeds the octets as a connection does.
    private static func parse(
        _ input: [UInt8],
        step: Int,
        answering method: Proxy.Method
    ) -> (ResponseParser.Outcome, ResponseHead) {
        var (parser, head, index) = (ResponseParser(limits: Self.limits), ResponseHead(), 0)
        var outcome = ResponseParser.Outcome.incomplete
        while index < input.count, outcome == .incomplete {
            let piece = min(step, input.count - index)
            parser.feed(input[index..<(index + piece)], to: &head)
            outcome = parser.advance(&head, answering: method)
            index += piece
        }
        return (outcome, head)
    }

    /// All that a head says.
    static func summary(_ head: ResponseHead) -> String {
        "\(head.status) 1.1 \(head.isHTTP11) \(shown(head.fields.bytes[head.reasonRange])) \(head.framing) "
            + "\(head.keepsAlive) \(head.contentLength ?? -1) \(head.nominates) \(Self.fields(head) { _ in true })"
    }

    private static func fields(_ head: ResponseHead, where isWanted: (FieldRange) -> Bool) -> [String] {
        head.fields.ranges.filter { isWanted($0) }
            .map { head.fields.name($0) + "=" + head.fields.string($0) }
    }

    private static func compare(
        _ head: ResponseHead,
        _ octets: [UInt8],
        answering method: Proxy.Method
    ) throws(Finding) {
        guard let theirs = SecondOpinion.answer(octets, to: method == .head ? .HEAD : .GET) else {
            throw Finding("let in, refused by NIOHTTP1: \(shown(octets))")
        }
        try demand(head.status == Int(theirs.status.code), "NIOHTTP1 reads \(theirs.status)")
        let others = theirs.headers.map { "\($0)=\(SecondOpinion.trimmed($1))" }
        let fields = Self.fields(head) { _ in true }
        try demand(fields == others, "NIOHTTP1 reads \(others), we \(fields)")
    }

    // MARK: The round trip

    private static func writeAgain(_ head: ResponseHead, answering method: Proxy.Method) throws(Finding) {
        let writer = HeadWriter(viaName: "v")
        for isHTTP11 in [true, false] {
            var shape = AnswerShape(isHTTP11: isHTTP11, method: method, keepsAlive: true)
            var output: [UInt8] = []
            var framing = BodyFraming.none
            if head.status < 200 {
                writer.writeInterim(head, into: &output)
            } else {
                framing = writer.write(head, FieldEdits(), shape: &shape, into: &output)
            }
            guard let plain = try PlainMessage.head(output, from: 0) else {
                throw Finding("no head was written")
            }
            try demand(plain.headEnd == output.count, "something was written after a head: \(shown(output))")
            _ = try plain.framing()
            try Self.hold(head, output, framing, keepsAlive: shape.keepsAlive, answering: method)
        }
    }

    private static func hold(
        _ head: ResponseHead,
        _ output: [UInt8],
        _ framing: BodyFraming,
        keepsAlive: Bool,
        answering method: Proxy.Method
    ) throws(Finding) {
        var (parser, again) = (ResponseParser(limits: ProxyLimits()), ResponseHead())
        parser.feed(output, to: &again)
        let outcome = parser.advance(&again, answering: method)
        try demand(outcome == .complete(output.count), "what was written is malformed: \(shown(output))")
        try demand(
            again.status == head.status && again.framing == framing && again.keepsAlive == keepsAlive,
            "what was written says something else: \(shown(output))"
        )
        let crossed = Self.fields(again) { $0.kind != .connection && !Self.isFraming($0) }
        let crossing = Self.fields(head) { field in
            !field.kind.isHopByHop && !Self.isFraming(field)
                && !(head.nominates && HeadWriter.isNominated(head.fields, field))
        }
        let ours = head.status < 200 ? [] : ["Via=1.1 v"]
        try demand(crossed == crossing + ours, "fields crossed as \(crossed), not as \(crossing + ours)")
    }

    private static func isFraming(_ field: FieldRange) -> Bool {
        field.kind == .contentLength || field.kind == .transferEncoding
    }
}
