// NIOHTTP1 as a second opinion: what it refuses is never let in.

import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import Proxy

struct SecondOpinionTests {
    /// A small generator with a seed, so that a failure can be had again.
    struct Seeded: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return self.state ^ (self.state >> 29)
        }
    }

    /// What NIOHTTP1 makes of a request: its head and body, or nil if it refuses.
    static func other(_ octets: [UInt8]) -> (head: HTTPRequestHead, body: [UInt8], ended: Bool)? {
        let channel = EmbeddedChannel(
            handler: ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes))
        )
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        do {
            try channel.writeInbound(ByteBuffer(bytes: octets))
            guard case .head(let head)? = try channel.readInbound(as: HTTPServerRequestPart.self) else {
                return nil
            }
            var (body, ended) = ([UInt8](), false)
            while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
                switch part {
                case .head: return (head, body, ended)
                case .body(let buffer): body += Array(buffer.readableBytesView)
                case .end: ended = true
                }
            }
            return (head, body, ended)
        } catch {
            return nil
        }
    }

    /// Ours: the head and the body's octets, or nil if refused or not whole.
    static func ours(
        _ octets: [UInt8]
    ) -> (head: RequestHead, body: [UInt8], ended: Bool, start: Int, end: Int)? {
        var (parser, head, body) = (RequestParser(limits: ProxyLimits()), RequestHead(), InboundBody())
        parser.feed(octets, to: &head)
        guard case .complete(let end) = parser.advance(&head) else { return nil }
        body.begin(head.framing)
        let rest = Array(octets[end...])
        var (index, data) = (0, [UInt8]())
        while true {
            switch body.next(rest.span, from: &index) {
            case .data(let range): data += rest[range]
            case .more: return (head, data, false, end, octets.count)
            case .end: return (head, data, true, end, end + index)
            case .malformed: return nil
            }
        }
    }

    /// Without the whitespace around it, which NIOHTTP1 leaves at the end.
    static func trimmed(_ value: String) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let start = value.drop(while: isBlank)
        return String(String(start.reversed().drop(while: isBlank).reversed()))
    }

    static let seeds = [
        "GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
        "POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
        "PUT http://b/c HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    ]
    static let splices = [
        "\r\n", "\n", "\r", " ", "\t", "\0", ":", ",", ";", "0", "5", "f", "-", "+", "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Host: b\r\n", "chunked",
        "HTTP/1.1", "\u{E9}",
        "\u{B}", "X-Y: z\r\n", " : ",
    ]

    /// One to three random changes to a request.
    static func mutate(_ seed: String, _ random: inout Seeded) -> [UInt8] {
        var octets = Array(seed.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let place = Int.random(in: 0..<octets.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: octets.remove(at: place)
            case 1: octets[place] = UInt8.random(in: 0...255, using: &random)
            default:
                octets.insert(contentsOf: (Self.splices.randomElement(using: &random) ?? "").utf8, at: place)
            }
        }
        return octets
    }

    /// Why we may let in what NIOHTTP1 refuses.
    ///
    /// - A method that it does not know: llhttp has a closed list, RFC 9110 §9.1 any token.
    /// - A request target with characters that it takes for no URL, all visible ASCII: ours makes the path canonical.
    /// - A tab after a length: optional whitespace by RFC 9110 §5.6.3; the length is written anew.
    /// - Framing fields among the trailers: ours drops all trailers.
    static func isExcused(_ head: RequestHead, body: ArraySlice<UInt8>) -> Bool {
        let known: Set<String> = ["GET", "POST", "PUT"]
        let rest = String(decoding: body, as: UTF8.self).lowercased()
        let isTrailer = rest.contains("transfer-encoding") || rest.contains("content-length")
        if head.framing == .chunked, isTrailer { return true }
        if head.fields.bytes.contains(Octet.tab), head.first(.contentLength) != nil { return true }
        return !known.contains(head.methodText) || head.target.contains { "\"<>\\^`{|}".utf8.contains($0) }
    }

    @Test(arguments: 0..<4)
    func `what NIOHTTP1 refuses is never let in, and what both let in is read alike (E1)`(_ index: Int) {
        var random = Seeded(state: UInt64(index) &+ 42)
        var (agreed, strict) = (0, 0)
        for _ in 0..<4000 {
            let octets = Self.mutate(Self.seeds[index], &random)
            guard let mine = Self.ours(octets) else {
                strict += 1
                continue
            }
            let text = String(decoding: octets, as: UTF8.self)
            // Only this message: what follows is the next one's affair.
            guard let theirs = Self.other(Array(octets[..<mine.end])) else {
                let isExcused = Self.isExcused(mine.head, body: octets[mine.start..<mine.end])
                #expect(isExcused, "let in, refused by NIOHTTP1: \(text.debugDescription)")
                continue
            }
            agreed += 1
            #expect(mine.body == theirs.body, "bodies differ: \(text.debugDescription)")
            #expect(mine.ended == theirs.ended, "ends differ: \(text.debugDescription)")
            #expect(mine.head.methodText == theirs.head.method.rawValue, "\(text.debugDescription)")
            #expect(
                String(decoding: mine.head.target, as: UTF8.self) == theirs.head.uri,
                "\(text.debugDescription)"
            )
            var names: [String] = []
            mine.head.forEach { names.append(mine.head.fields.name($0) + "=" + mine.head.fields.string($0)) }
            #expect(
                names == theirs.head.headers.map { "\($0)=\(Self.trimmed($1))" },
                "\(text.debugDescription)"
            )
        }
        #expect(agreed > 100 && strict > 100)
    }
}
