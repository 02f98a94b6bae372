// Heads of answers: what is understood and what is not.

import Testing

@testable import Proxy

struct ResponseParserTests {
    static func parse(_ text: String, method: Method = .get) -> (ResponseHead, ResponseParser.Outcome) {
        var (parser, head) = (ResponseParser(limits: ProxyLimits()), ResponseHead())
        parser.feed(text.utf8, to: &head)
        let outcome = parser.advance(&head, answering: method)
        return (head, outcome)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", BodyFraming.length(5), true),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", .length(0), true),
        ("HTTP/1.1 200 \r\n\r\n", .untilClose, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", .chunked, false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", .length(1), false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", .length(1), true),
        ("HTTP/1.1 204 x\r\n\r\n", .none, true), ("HTTP/1.1 304 x\r\nContent-Length: 9\r\n\r\n", .none, true),
        ("HTTP/1.1 103 x\r\nLink: a\r\n\r\n", .none, true),
    ])
    func `an answer's body ends as RFC 9112 says`(_ row: (String, BodyFraming, Bool)) {
        let (head, outcome) = Self.parse(row.0)
        #expect(outcome == .complete(row.0.utf8.count))
        #expect(head.framing == row.1)
        #expect(head.keepsAlive == row.2)
    }

    @Test func `an answer to HEAD has no body (X16)`() {
        #expect(Self.parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", method: .head).0.framing == .none)
    }

    @Test(arguments: [
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
        "ICY 200 OK\r\nX: yyyyyyyyyy\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n", "HTTP/1.1 200 OK\nX: y\r\n\r\n", "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ])
    func `an answer with two readings is malformed`(_ text: String) {
        #expect(Self.parse(text).1 == .malformed)
    }

    @Test func `a head that is not whole needs more, up to the limit`() {
        #expect(Self.parse("HTTP/1.1 200 OK\r\nX: y\r\n").1 == .incomplete)
        #expect(Self.parse("HTTP/1.1 200 OK\r\nX: " + String(repeating: "y", count: 40_000)).1 == .malformed)
    }
}
