// Chunked bodies under any octets.

@testable import Proxy

/// Decodes a chunked body in several ways, which must agree.
package enum ChunkedCheck {
    /// Holds `input` against the plain decoder, cut in every simple way, and against NIOHTTP1.
    package static func run(_ input: [UInt8]) throws(Finding) {
        let plain = PlainChunks.decode(input)
        for step in [input.count, 1, 2, 7] where step > 0 {
            let ours = try Self.decode(input, step: step)
            try demand(ours.end == plain.end, "in pieces of \(step): \(ours.end), plainly \(plain.end)")
            try demand(ours.data == plain.data, "in pieces of \(step), the data differs")
        }
        try Self.encodeAgain(plain.data)
        guard case .at(let end) = plain.end else { return }
        try Self.holdTrailers(input)
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        let body = Array(input[..<end])
        guard let theirs = SecondOpinion.request(head + body) else {
            return try demand(SecondOpinion.isExcused(body: body), "let in, refused by NIOHTTP1")
        }
        try demand(theirs.body == plain.data && theirs.ended, "NIOHTTP1 reads another body")
    }

    private static func decode(
        _ input: [UInt8],
        step: Int
    ) throws(Finding) -> (data: [UInt8], end: PlainChunks.End) {
        var (body, data, start) = (InboundBody(), [UInt8](), 0)
        body.begin(.chunked)
        while start < input.count {
            let part = Array(input[start..<min(input.count, start + step)])
            var index = 0
            reading: while true {
                let before = index
                let piece = body.next(part.span, from: &index)
                try demand(index >= before && index <= part.count, "read beyond the end")
                switch piece {
                case .data(let range):
                    try demand(range.lowerBound >= before && range.upperBound == index, "data out of place")
                    data += part[range]
                case .more: break reading
                case .end:
                    try demand(body.received == data.count, "counted \(body.received) of \(data.count)")
                    return (data, .at(start + index))
                case .malformed: return (data, .malformed)
                }
            }
            try demand(index == part.count, "stopped before the end")
            start += part.count
        }
        return (data, .more)
    }

    /// Trailers are kept as they came, and what goes on of them is lines of trailers that no head would notice.
    private static func holdTrailers(_ input: [UInt8]) throws(Finding) {
        var (body, index) = (InboundBody(), 0)
        body.begin(.chunked)
        reading: while true {
            switch body.next(input.span, from: &index) {
            case .data: continue
            case .end: break reading
            case .more, .malformed: throw Finding("a body that was whole is not")
            }
        }
        try demand(body.trailers == PlainChunks.trailers(input), "the trailers are \(shown(body.trailers))")
        let order = ForwardOrder(ForwardTerms(endpoint: Endpoint(host: "10.0.0.1", port: 8080)))
        let crossing = TrailerRules(RequestHead(), order, FieldEdits()).admitted(body.trailers)
        let again = Array("0\r\n".utf8) + crossing + Array("\r\n".utf8)
        try demand(PlainChunks.decode(again).end == .at(again.count), "trailers go on as \(shown(crossing))")
        let octets = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8) + crossing + Array("\r\n".utf8)
        var limits = ProxyLimits()
        limits.fields = TrailerRules.maximumFields + 1
        guard let head = try? RequestHead.parse(octets, limits: limits) else {
            throw Finding("trailers that no head may hold go on: \(shown(crossing))")
        }
        try demand(
            head.framing == .none && head.hostText == "a" && head.keepsAlive && !head.expectsContinue,
            "trailers go on that frame or route: \(shown(crossing))"
        )
    }

    /// What is sent on must be read as the same data.
    private static func encodeAgain(_ data: [UInt8]) throws(Finding) {
        var (output, start, size) = ([UInt8](), 0, 1)
        while start < data.count {
            let end = min(data.count, start + size)
            output.appendHexadecimal(end - start)
            output += [0x0D, 0x0A] + data[start..<end] + [0x0D, 0x0A]
            (start, size) = (end, size * 3)
        }
        output += Array("0\r\n\r\n".utf8)
        let again = PlainChunks.decode(output)
        try demand(again.data == data && again.end == .at(output.count), "what is sent on reads otherwise")
    }
}
