// Chunked bodies, whole and cut, well-formed and not.

import Testing

@testable import Proxy

struct ChunkedBodyTests {
    /// Decodes `text` in pieces of `step` octets; gives the data and how it ended.
    static func decode(_ text: String, step: Int = .max) -> (data: String, end: ChunkedBody.Piece, rest: Int)
    {
        let octets = Array(text.utf8)
        var (body, data, start) = (ChunkedBody(), [UInt8](), 0)
        while start < octets.count {
            let part = Array(octets[start..<min(octets.count, step == .max ? octets.count : start + step)])
            var index = 0
            reading: while true {
                switch body.next(part.span, from: &index) {
                case .data(let range): data += part[range]
                case .more: break reading
                case .end: return (String(decoding: data, as: UTF8.self), .end, octets.count - start - index)
                case .malformed: return (String(decoding: data, as: UTF8.self), .malformed, 0)
                }
            }
            start += part.count
        }
        return (String(decoding: data, as: UTF8.self), .more, 0)
    }

    @Test(arguments: [1, 2, 3, 7, Int.max])
    func `a body is the same however it is cut`(_ step: Int) {
        let text = "5\r\nhello\r\n6;a=b;c;d=\"e;f\";g\r\n world\r\n00\r\nX-T: 1\r\n\r\nGET"
        let result = Self.decode(text, step: step)
        #expect(result.data == "hello world")
        #expect(result.end == .end)
        #expect(result.rest == 3 || step < 4)
    }

    @Test(arguments: [
        "\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\na\r\n", " 1\r\na\r\n", "1 \r\na\r\n", "1\na\r\n",
        "1\r\na\n", "1\r\nab\r\n",
        "1\r\na0\r\n\r\n", "1;\u{1}\r\na\r\n", "1;a\nb\r\na\r\n", "0\r\n X: 1\r\n\r\n", "0\r\nX 1\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "1;a\"b\r\na\r\n", "1;a=\"b\r\na\r\n", "1;a==b\r\na\r\n", "1;a=\"b\"c\r\na\r\n", "1;a=\r\na\r\n",
        "0\r\n\n", "1\ra\r\n", "FFFFFFFFFFFFFFFF\r\n", "1000000000000000\r\n",
    ])
    func `a body that breaks its coding is refused (X9)`(_ text: String) {
        #expect(Self.decode(text).end == .malformed)
        #expect(Self.decode(text, step: 1).end == .malformed)
    }

    @Test func `extensions and trailers are bounded (X9, X10)`() {
        let room = ChunkedBody.maximumExtensionBytes
        #expect(Self.decode("1;" + String(repeating: "a", count: room - 1) + "\r\nx\r\n").end == .more)
        #expect(Self.decode("1;" + String(repeating: "a", count: room) + "\r\nx\r\n").end == .malformed)
        let many = String(repeating: "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", count: 512)
        #expect(Self.decode(many).end == .more)
        #expect(Self.decode(many + "1;a\r\n").end == .malformed)
        let trailers = String(repeating: "X: " + String(repeating: "a", count: 123) + "\r\n", count: 63)
        #expect(Self.decode("0\r\n" + trailers + "\r\n").end == .end)
        #expect(Self.decode("0\r\n" + trailers + trailers + "\r\n").end == .malformed)
        let short = String(repeating: "X:\r\n", count: TrailerRules.maximumFields)
        #expect(Self.decode("0\r\n" + short + "\r\n").end == .end)
        #expect(Self.decode("0\r\n" + short + "X:\r\n\r\n").end == .malformed)
    }

    @Test(arguments: [1, 3, Int.max])
    func `trailers are kept as they came, and forgotten with the next body (X10)`(_ step: Int) {
        let octets = Array("1\r\na\r\n0;x=y\r\nX-A: b\r\nX-B:\t c \r\n\r\n".utf8)
        var (body, start) = (InboundBody(), 0)
        body.begin(.chunked)
        while !body.isComplete {
            let part = Array(octets[start..<min(octets.count, step == .max ? octets.count : start + step)])
            var index = 0
            reading: while true {
                switch body.next(part.span, from: &index) {
                case .data: continue
                case .more, .end, .malformed: break reading
                }
            }
            guard index == part.count else { return #expect(Bool(false), "stopped within \(part)") }
            start += index
            if start == octets.count, !body.isComplete {
                var end = 0
                _ = body.next([UInt8]().span, from: &end)
            }
        }
        #expect(String(decoding: body.trailers, as: UTF8.self) == "X-A: b\r\nX-B:\t c \r\n")
        body.begin(.chunked)
        #expect(body.trailers.isEmpty)
    }

    @Test func `a chunk of fifteen digits does not overflow (X9)`() {
        #expect(Self.decode("fffffffffffffff\r\nx").end == .more)
    }

    @Test func `a counted body takes exactly its octets`() {
        var body = InboundBody()
        body.begin(.length(3))
        var index = 0
        let input = Array("abcd".utf8)
        #expect(body.next(input.span, from: &index) == .data(0..<3))
        #expect(body.isComplete && index == 3 && body.received == 3)
        #expect(body.next(input.span, from: &index) == .end)
    }

    @Test func `a body until close ends there, others do not (X18)`() {
        func closes(_ framing: BodyFraming) -> Bool {
            var body = InboundBody()
            body.begin(framing)
            return body.close()
        }
        #expect(closes(.untilClose) && closes(.none))
        #expect(!closes(.length(1)) && !closes(.chunked))
    }
}
