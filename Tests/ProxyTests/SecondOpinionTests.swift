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
            guard let theirs = SecondOpinion.request(Array(octets[..<mine.end])) else {
                let isExcused =
                    SecondOpinion.isExcused(mine.head)
                    || mine.head.framing == .chunked
                        && SecondOpinion.isExcused(body: octets[mine.start..<mine.end])
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
                names == theirs.head.headers.map { "\($0)=\(SecondOpinion.trimmed($1))" },
                "\(text.debugDescription)"
            )
        }
        #expect(agreed > 100 && strict > 100)
    }

    static let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close, x-y\r\nX-Y: z\r\n\r\n",
        "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    ]
    static let bodies = [
        "5\r\nhello\r\n0\r\n\r\n", "3;x=y\r\nabc\r\nA;b\r\n0123456789\r\n000\r\nT: v\r\n\r\n",
    ]

    @Test(arguments: 0..<4)
    func `a mutated request is read alike in every way, and refused where NIOHTTP1 refuses it (E1)`(
        _ index: Int
    ) throws {
        try Self.mutated(Self.seeds[index], seed: 100 + index, RequestCheck.run)
    }

    @Test(arguments: 0..<4)
    func `a mutated answer is read alike in every way, and refused where NIOHTTP1 refuses it (E1)`(
        _ index: Int
    ) throws {
        try Self.mutated(Self.answers[index], seed: 200 + index, AnswerCheck.run)
    }

    @Test(arguments: 0..<2)
    func `a mutated chunked body is read alike in every way, and refused where NIOHTTP1 refuses it (E1)`(
        _ index: Int
    ) throws {
        try Self.mutated(Self.bodies[index], seed: 300 + index, ChunkedCheck.run)
    }

    static func mutated(_ text: String, seed: Int, _ check: ([UInt8]) throws -> Void) throws {
        var random = Seeded(state: UInt64(seed))
        for _ in 0..<1000 {
            let octets = Self.mutate(text, &random)
            #expect(throws: Never.self, "\(String(decoding: octets, as: UTF8.self).debugDescription)") {
                try check(octets)
            }
        }
    }
}
