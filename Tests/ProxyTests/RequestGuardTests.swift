// What the request guard lets in, and what it refuses.

import Testing

@testable import Proxy

struct RequestGuardTests {
    /// A request as text, and what it has to come to; nil is let in.
    struct Row: Sendable, CustomTestStringConvertible {
        let rule: String
        let text: String
        let refusal: RequestRefusal?
        var testDescription: String { "\(self.rule): \(self.text.prefix(60).debugDescription)" }

        init(_ rule: String, _ text: String, _ refusal: RequestRefusal? = nil) {
            (self.rule, self.text, self.refusal) = (rule, text, refusal)
        }
    }

    static func get(_ fields: String, target: String = "/", version: String = "1.1") -> String {
        "GET \(target) HTTP/\(version)\r\n\(fields)\r\n"
    }

    static func post(_ fields: String, version: String = "1.1") -> String {
        "POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n"
    }

    static let hosts: [Row] = [
        Row("X1", get("Host: a\r\n")),
        Row("X1", get(""), .malformed(.host)),
        Row("X1", get("Host: a\r\nHost: a\r\n"), .malformed(.host)),
        Row("X1", get("Host: a\r\nhost: b\r\n"), .malformed(.host)),
        Row("X1", get("Host: \r\n"), .malformed(.host)),
        Row("X1", get("Host: a b\r\n"), .malformed(.host)),
        Row("X1", get("Host: a,b\r\n"), .malformed(.host)),
        Row("X1", get("Host: u@a\r\n"), .malformed(.host)),
        Row("X1", get("Host: a/b\r\n"), .malformed(.host)),
        Row("X1", get("Host: a:0\r\n"), .malformed(.host)),
        Row("X1", get("Host: a:65535\r\n")),
        Row("X1", get("Host: a:65536\r\n"), .malformed(.host)),
        Row("X1", get("Host: a:8x\r\n"), .malformed(.host)),
        Row("X1", get("Host: a:\r\n")),
        Row("X1", get("Host: [::1]:80\r\n")),
        Row("X1", get("Host: [::1\r\n"), .malformed(.host)),
        Row("X1", get("Host: [1]\r\n"), .malformed(.host)),
        Row("X1", get("", version: "1.0")),
        Row("X1", get("Host: a\r\nHost: a\r\n", version: "1.0"), .malformed(.host)),
        Row("P4", get("Host: a.\r\n")),
        Row("P4", get("Host: a..\r\n"), .malformed(.host)),
        Row("P4", get("Host: .\r\n"), .malformed(.host)),
        Row("P4", get("Host: .a\r\n"), .malformed(.host)),
        Row("P4", get("Host: a..b\r\n"), .malformed(.host)),
        Row("P4", get("Host: a.b.\r\n")),
        Row("X2", get("Host: b\r\n", target: "http://a/")),
        Row("X2", get("Host: b\r\n", target: "HTTPS://a:1?q")),
        Row("X2", get("Host: b\r\n", target: "http:///x"), .malformed(.target)),
        Row("X2", get("Host: b\r\n", target: "ftp://a/"), .malformed(.target)),
        Row("X2", get("", target: "http://a/"), .malformed(.host)),
    ]

    static let lines: [Row] = [
        Row("X3", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Row("X3", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET /\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET / http/1.1\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", .malformed(.requestLine)),
        Row("X3", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", .unsupportedVersion),
        Row("X3", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", .unsupportedVersion),
        Row("X3", "GET / HTTP/1.1\nHost: a\r\n\r\n", .malformed(.lineEnd)),
        Row("X3", "GET / HTTP/1.1\r\nHost: a\n\r\n", .malformed(.lineEnd)),
        Row("X3", "GET / HTTP/1.1\r\nHost: a\r\n\n", .malformed(.lineEnd)),
        Row("X3", get("Host: a\r\nX: a\rb\r\n"), .malformed(.lineEnd)),
        Row("X3", get("Host: a\r\nX: a\0b\r\n"), .malformed(.fieldValue)),
        Row("X3", get("Host: a\r\nX: a\u{1}b\r\n"), .malformed(.fieldValue)),
        Row("X3", get("Host: a\r\nX: a\u{7F}b\r\n"), .malformed(.fieldValue)),
        Row("X3", get("Host: a\r\nX:\t a\tb \r\n")),
        Row("X3", get("Host: a\r\nX: caf\u{E9}\r\n")),
        Row("X3", get("Host: a\r\nX : a\r\n"), .malformed(.fieldName)),
        Row("X3", get("Host: a\r\nX\r\n"), .malformed(.fieldName)),
        Row("X3", get("Host: a\r\n: a\r\n"), .malformed(.fieldName)),
        Row("X3", get("Host: a\r\nX(: a\r\n"), .malformed(.fieldName)),
        Row("X3", get("Host: a\r\nX\u{E9}: a\r\n"), .malformed(.fieldName)),
        Row("X3", get(" Host: a\r\n"), .malformed(.obsoleteFold)),
        Row("X4", get("Host: a\r\nX: a\r\n b\r\n"), .malformed(.obsoleteFold)),
        Row("X4", get("Host: a\r\nX: a\r\n\tb\r\n"), .malformed(.obsoleteFold)),
        Row("X14", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotAllowed),
        Row("X14", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", .methodNotAllowed),
        Row("X1", get("Host: a@b\r\n", target: "http://a/"), .malformed(.host)),
        Row("X1", get("Host: a:99999\r\n", target: "http://a/"), .malformed(.host)),
        Row("X1", get("Host:\r\n", target: "http://a/")),
        Row("P2", get("Host: a\r\n", target: "/a#b"), .malformed(.target)),
        Row("P2", get("Host: a\r\n", target: "/a?b#c"), .malformed(.target)),
        Row("target", get("Host: a\r\n", target: "*"), .malformed(.target)),
        Row("target", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        Row("target", get("Host: a\r\n", target: "a"), .malformed(.target)),
        Row("target", get("Host: a\r\n", target: "/\u{E9}"), .malformed(.requestLine)),
    ]

    static let framing: [Row] = [
        Row("X5", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), .malformed(.lengthAndCoding)),
        Row("X5", post("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"), .malformed(.lengthAndCoding)),
        Row("X6", post("Transfer-Encoding: chunked\r\n")),
        Row("X6", post("Transfer-Encoding: Chunked\r\n")),
        Row("X6", post("Transfer-Encoding: gzip\r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding: chunked, gzip\r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding: gzip, chunked\r\n"), .unknownTransferCoding),
        Row("X6", post("Transfer-Encoding: chunked, chunked\r\n"), .malformed(.transferEncoding)),
        Row(
            "X6",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            .malformed(.transferEncoding)
        ),
        Row("X6", post("Transfer-Encoding: identity\r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding: \r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding: xchunked\r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding: chunked;a=b\r\n"), .malformed(.transferEncoding)),
        Row("X6", post("Transfer-Encoding : chunked\r\n"), .malformed(.fieldName)),
        Row("X7", post("Transfer-Encoding: chunked\r\n", version: "1.0"), .malformed(.transferEncoding)),
        Row("X8", post("Content-Length: 5\r\n")),
        Row("X8", post("Content-Length: 0\r\n")),
        Row("X8", post("Content-Length: 5\r\nContent-Length: 5\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: 5\r\nContent-Length: 6\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: 5, 5\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: \r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: +5\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: -1\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: 0x5\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: 5 5\r\n"), .malformed(.contentLength)),
        Row("X8", post("Content-Length: 999999999999999999\r\n")),
        Row("X8", post("Content-Length: 1000000000000000000\r\n"), .malformed(.contentLength)),
        Row("X11", get("Host: a\r\nConnection: a b\r\n"), .malformed(.connection)),
        Row("X15", post("Expect: 100-continue\r\n")),
        Row("X15", post("Expect: 200-ok\r\n"), .unknownExpectation),
    ]

    @Test(arguments: hosts + lines + framing)
    func `each rule lets in what it must and refuses what it must`(_ row: Row) {
        let octets = row.text.unicodeScalars.map { UInt8($0.value) }
        guard let refusal = row.refusal else {
            #expect(throws: Never.self) { try RequestHead.parse(octets) }
            return
        }
        #expect(throws: refusal) { try RequestHead.parse(octets) }
    }

    @Test(arguments: hosts + lines + framing)
    func `the verdict is the same however the octets are cut`(_ row: Row) {
        let octets = row.text.unicodeScalars.map { UInt8($0.value) }
        var parser = RequestParser(limits: ProxyLimits())
        var head = RequestHead()
        var outcome = RequestParser.Outcome.incomplete
        for octet in octets where outcome == .incomplete {
            parser.feed([octet], to: &head)
            outcome = parser.advance(&head)
        }
        if let refusal = row.refusal {
            #expect(outcome == .refused(refusal))
        } else {
            #expect(outcome == .complete(octets.count))
        }
    }

    @Test func `an absolute target replaces Host (X2)`() throws {
        let head = try RequestHead.parse(Self.get("Host: evil\r\n", target: "http://Good:81/x?y").utf8)
        #expect(head.hostText == "good")
        #expect(head.port == 81)
        #expect(head.authorityText == "Good:81")
        #expect(head.pathText == "/x")
        #expect(head.queryText == "y")
        #expect(try RequestHead.parse(Self.get("Host: b\r\n", target: "http://a").utf8).pathText == "/")
    }

    @Test func `a host is lower case, without port and one trailing dot (P4)`() throws {
        #expect(
            try RequestHead.parse(Self.get("Host: API.Example.COM.:8443\r\n").utf8).hostText
                == "api.example.com"
        )
        #expect(try RequestHead.parse(Self.get("Host: [::1]:80\r\n").utf8).hostText == "[::1]")
    }

    @Test func `a method is known by its exact spelling (P7)`() throws {
        #expect(try RequestHead.parse(Self.get("Host: a\r\n").utf8).method == .get)
        let lower = try RequestHead.parse("get / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        #expect(lower.method == .other)
        #expect(lower.methodText == "get")
    }

    @Test func `a misspelt length is no length`() throws {
        let head = try RequestHead.parse(
            Self.post("Content_Length: 5\r\nTransfer.Encoding: chunked\r\n").utf8
        )
        #expect(head.framing == .none)
    }

    @Test func `a head is as large as the limit and no larger (X21)`() throws {
        var limits = ProxyLimits()
        let text = Self.get("Host: a\r\nX: \(String(repeating: "x", count: 100))\r\n")
        limits.headBytes = text.utf8.count
        #expect(throws: Never.self) { try RequestHead.parse(text.utf8, limits: limits) }
        limits.headBytes -= 1
        #expect(throws: RequestRefusal.headTooLarge) { try RequestHead.parse(text.utf8, limits: limits) }
    }

    @Test func `a request line is as long as the limit and no longer (X21)`() throws {
        var limits = ProxyLimits()
        let text = Self.get("Host: a\r\n", target: "/" + String(repeating: "x", count: 100))
        limits.lineBytes = 114
        #expect(throws: Never.self) { try RequestHead.parse(text.utf8, limits: limits) }
        limits.lineBytes = 113
        #expect(throws: RequestRefusal.targetTooLong) { try RequestHead.parse(text.utf8, limits: limits) }
    }

    @Test(arguments: [1, 7, 4096])
    func `a request line's limit is the same however the line is cut (X21)`(_ step: Int) throws {
        func outcome(_ text: String) -> RequestParser.Outcome {
            var limits = ProxyLimits()
            limits.lineBytes = 114
            var (parser, head, outcome) = (
                RequestParser(limits: limits), RequestHead(), RequestParser.Outcome.incomplete
            )
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty, outcome == .incomplete {
                parser.feed(rest.prefix(step), to: &head)
                rest = rest.dropFirst(step)
                outcome = parser.advance(&head)
            }
            return outcome
        }
        let (fits, long) = (
            "/" + String(repeating: "x", count: 100), "/" + String(repeating: "x", count: 101)
        )
        let whole = Self.get("Host: a\r\n", target: fits)
        #expect(outcome(whole) == .complete(whole.utf8.count))
        #expect(outcome("GET \(fits) HTTP/1.1\r\nHost") == .incomplete)
        #expect(outcome("GET \(long) HTTP/1.1\r\nHost") == .refused(.targetTooLong))
    }

    @Test func `there are as many fields as the limit and no more (E2)`() throws {
        let fields = String(repeating: "X: y\r\n", count: 99)
        #expect(throws: Never.self) { try RequestHead.parse(Self.get("Host: a\r\n" + fields).utf8) }
        #expect(throws: RequestRefusal.headTooLarge) {
            try RequestHead.parse(Self.get("Host: a\r\nX: y\r\n" + fields).utf8)
        }
    }

    @Test func `a body is as long as the limit and no longer (X21)`() throws {
        var limits = ProxyLimits()
        limits.bodyBytes = 5
        #expect(throws: Never.self) {
            try RequestHead.parse(Self.post("Content-Length: 5\r\n").utf8, limits: limits)
        }
        #expect(throws: RequestRefusal.bodyTooLarge) {
            try RequestHead.parse(Self.post("Content-Length: 6\r\n").utf8, limits: limits)
        }
    }

    @Test func `fields are read in any case, all of them, in order (P5)`() throws {
        let head = try RequestHead.parse(Self.get("Host: a\r\nX-A:  1 \r\nx-a:2\r\nX-B:\r\n").utf8)
        #expect(head.string(of: "x-a") == "1")
        #expect(head.fields.strings(of: "x-a") == ["1", "2"])
        #expect(head.count(of: "x-a") == 2)
        #expect(head.string(of: "x-b") == "")
        #expect(head.string(of: "x-c") == nil)
    }

    @Test(arguments: [
        ("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true), ("1.1", "Connection: x, CLOSE\r\n", false),
    ])
    func `the connection stays as the version and the client say`(_ row: (String, String, Bool)) throws {
        let head = try RequestHead.parse(Self.get("Host: a\r\n" + row.1, version: row.0).utf8)
        #expect(head.keepsAlive == row.2)
    }
}
