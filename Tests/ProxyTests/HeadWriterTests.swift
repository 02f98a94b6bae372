// What crosses the proxy in a head, and what does not.

import Testing

@testable import Proxy

struct HeadWriterTests {
    let writer = HeadWriter(viaName: "gatehouse")
    let endpoint = Endpoint(host: "10.0.0.1", port: 8080)

    /// The lines of the head that an upstream gets for `fields`.
    func lines(
        _ fields: String,
        method: String = "GET",
        trusted: Bool = false,
        edits: FieldEdits = FieldEdits(),
        order change: (inout ForwardOrder) -> Void = { _ in }
    ) throws -> [String] {
        let head = try RequestHead.parse("\(method) /p?q HTTP/1.1\r\nHost: web\r\n\(fields)\r\n".utf8)
        var order = ForwardOrder(ForwardTerms(endpoint: self.endpoint))
        change(&order)
        let peer = try #require(IPAddress("192.0.2.1"))
        let client = ClientFacts(peer: peer, isTrustedPeer: trusted, port: 8000)
        var output: [UInt8] = []
        self.writer.write(head, order, edits, from: client, HeadWriter.Origin(client), into: &output)
        let text = String(decoding: output, as: UTF8.self)
        #expect(text.hasSuffix("\r\n\r\n"))
        return text.split(separator: "\r\n").map(String.init)
    }

    @Test func `a plain request crosses with what we add`() throws {
        #expect(
            try self.lines("Accept: */*\r\nX-A: 1\r\nX-B:2\r\n") == [
                "GET /p?q HTTP/1.1", "Host: 10.0.0.1:8080", "Accept: */*", "X-A: 1", "X-B:2",
                "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: http", "X-Forwarded-Port: 8000",
                "X-Forwarded-Host: web", "X-Forwarded-Path: /p", "Via: 1.1 gatehouse",
            ]
        )
    }

    @Test(arguments: [("GET", "POST", true), ("POST", "GET", false), ("GET", "PURGE", false)])
    func `a replaced method is sent, and framed as its own`(
        method: String,
        other: String,
        hasLength: Bool
    ) throws {
        let lines = try self.lines("", method: method) { $0.words.method = ReplacedMethod(other) }
        #expect(lines.first == "\(other) /p?q HTTP/1.1")
        #expect(lines.contains("Content-Length: 0") == hasLength)
    }

    @Test(arguments: ["HEAD", "CONNECT", "TRACE", "get", "", "A B", "A\r\nB"])
    func `a method that ends an exchange otherwise, or is none, replaces no other`(name: String) {
        #expect(ReplacedMethod(name) == nil)
    }

    @Test(arguments: [
        "Connection: x", "Keep-Alive: 1", "Proxy-Connection: a", "TE: gzip", "Trailer: x",
        "Upgrade: websocket",
        "Proxy-Authorization: Basic eA==", "Proxy-Authenticate: x", "HTTP2-Settings: x",
    ])
    func `a field of this hop ends here (X11, X12)`(_ field: String) throws {
        let name = try #require(field.split(separator: ":").first).lowercased()
        let lines = try self.lines("X-A: 1\r\n\(field)\r\nX-B: 2\r\n")
        #expect(!lines.contains { $0.lowercased().hasPrefix(name + ":") })
        #expect(lines.contains("X-A: 1") && lines.contains("X-B: 2"))
    }

    @Test func `that a client takes trailers is said anew, of TE nothing else (X10, X11)`() throws {
        let lines = try self.lines("TE: gzip, trailers\r\nConnection: close, TE, X-Hop\r\n")
        #expect(lines.filter { $0.hasPrefix("TE") } == ["TE: trailers"])
        #expect(lines.filter { $0.hasPrefix("Connection") } == ["Connection: TE"])
    }

    @Test func `trailers of a chunked body are announced, of others not (X10)`() throws {
        let chunked = try self.lines("Transfer-Encoding: chunked\r\nTrailer: X-A, Host\r\n", method: "POST")
        #expect(chunked.filter { $0.hasPrefix("Trailer") } == ["Trailer: X-A"])
        let counted = try self.lines("Content-Length: 1\r\nTrailer: X-A\r\n", method: "POST")
        #expect(!counted.contains { $0.hasPrefix("Trailer") })
    }

    @Test func `what Connection nominates ends here, and what we set does not (H2)`() throws {
        var edits = FieldEdits()
        try edits.set("x-consumer", "alice")
        let lines = try self.lines(
            "X-Gone: 1\r\nConnection: x-gone, X-Consumer, X-Forwarded-For, host\r\nX-Stays: 2\r\n",
            edits: edits
        )
        #expect(!lines.contains("X-Gone: 1"))
        #expect(lines.contains("X-Stays: 2"))
        #expect(lines.contains("x-consumer: alice"))
        #expect(lines.contains("X-Forwarded-For: 192.0.2.1"))
        #expect(lines.contains("Host: 10.0.0.1:8080"))
    }

    @Test(arguments: [
        "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Path: /evil", "X-Forwarded-Prefix: /evil", "X-Forwarded-Uri: /evil",
        "X-Forwarded-Method: PUT",
        "Forwarded: for=6.6.6.6", "X-Original-URL: /evil", "X-Original-URI: /evil", "X-Original-Method: PUT",
        "X-Rewrite-URL: /evil", "X-Real-IP: 6.6.6.6", "X-Request-Id: evil", "X_Forwarded_For: 6.6.6.6",
        "X.Real.IP: 6.6.6.6", "x-original_url: /evil",
    ])
    func `a stranger's word about a client is dropped (P1)`(_ field: String) throws {
        let value = try #require(field.split(separator: " ").last)
        #expect(!(try self.lines(field + "\r\n").contains { $0.hasSuffix(" " + value) }))
    }

    @Test func `a trusted peer's word is passed on, its address added (P1)`() throws {
        let lines = try self.lines(
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop\r\nX-Request-Id: r1\r\n",
            trusted: true
        )
        #expect(lines.contains("X-Forwarded-For: 6.6.6.6, 192.0.2.1"))
        #expect(lines.filter { $0.hasPrefix("X-Forwarded-Proto") } == ["X-Forwarded-Proto: https"])
        #expect(lines.filter { $0.hasPrefix("X-Forwarded-Host") } == ["X-Forwarded-Host: shop"])
        #expect(lines.contains("X-Request-Id: r1"))
        #expect(lines.contains("X-Forwarded-Port: 8000"))
    }

    @Test(arguments: ["X-User: evil", "x_user: evil", "X.USER: evil"])
    func `a copy of an identity field never crosses (H1)`(_ field: String) throws {
        let dropped = try self.lines(field + "\r\n") {
            $0.terms = ForwardTerms(endpoint: self.endpoint, dropped: FieldNameSet(["x-user"]))
        }
        #expect(!dropped.contains { $0.hasSuffix("evil") })
        var edits = FieldEdits()
        try edits.set("x-user", "alice")
        let lines = try self.lines(field + "\r\n", edits: edits)
        #expect(!lines.contains { $0.hasSuffix("evil") })
        #expect(lines.contains("x-user: alice"))
    }

    @Test func `an edit of a forwarded field takes its place`() throws {
        var edits = FieldEdits()
        try edits.set("x-forwarded-host", "shop")
        #expect(
            try self.lines("", edits: edits).filter { $0.lowercased().hasPrefix("x-forwarded-host") } == [
                "x-forwarded-host: shop"
            ]
        )
    }

    @Test func `the order says target, host and prefix`() throws {
        let lines = try self.lines("") { order in
            order.words.target = Array("/t?x".utf8)
            order.words.host = Array("web".utf8)
            order.words.forwardedPrefix = Array("/api".utf8)
        }
        #expect(lines[0] == "GET /t?x HTTP/1.1")
        #expect(lines[1] == "Host: web")
        #expect(lines.contains("X-Forwarded-Prefix: /api"))
    }

    @Test func `the framing is written anew, misspelt framing is dropped (X5)`() throws {
        #expect(try self.lines("Content-Length: 07\r\n", method: "POST").contains("Content-Length: 7"))
        #expect(
            try self.lines("Transfer-Encoding: CHUNKED\r\n", method: "POST").contains(
                "Transfer-Encoding: chunked"
            )
        )
        #expect(try self.lines("", method: "POST").contains("Content-Length: 0"))
        let lines = try self.lines("Content_Length: 7\r\nTransfer_Encoding: chunked\r\n")
        #expect(!lines.contains { $0.hasSuffix("7") || $0.hasSuffix("chunked") })
    }

    @Test func `an expectation crosses, once (X15)`() throws {
        let lines = try self.lines("Expect: 100-continue\r\nContent-Length: 1\r\n", method: "POST")
        #expect(lines.filter { $0.hasPrefix("Expect") } == ["Expect: 100-continue"])
    }

    @Test func `Max-Forwards is counted down for OPTIONS (X13)`() throws {
        #expect(try self.lines("Max-Forwards: 3\r\n", method: "OPTIONS").contains("Max-Forwards: 2"))
    }

    @Test func `Via of earlier proxies stays before ours (X13)`() throws {
        let lines = try self.lines("Via: 1.0 other\r\n")
        #expect(lines.filter { $0.hasPrefix("Via") } == ["Via: 1.0 other", "Via: 1.1 gatehouse"])
    }

    // MARK: Answers

    func answerLines(
        _ text: String,
        method: Method = .get,
        isHTTP11: Bool = true,
        edits: FieldEdits = FieldEdits()
    ) throws -> [String] {
        var parser = ResponseParser(limits: ProxyLimits())
        var head = ResponseHead()
        parser.feed(text.utf8, to: &head)
        #expect(parser.advance(&head, answering: method) == .complete(text.utf8.count))
        var shape = AnswerShape(isHTTP11: isHTTP11, method: method, keepsAlive: true)
        var output: [UInt8] = []
        _ = self.writer.write(head, edits, shape: &shape, into: &output)
        return String(decoding: output, as: UTF8.self).split(separator: "\r\n").map(String.init)
    }

    @Test func `several Set-Cookie stay apart (X22), hop-by-hop ends (X11)`() throws {
        let lines = try self.answerLines(
            "HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nConnection: x-hop\r\nX-Hop: 1\r\nSet-Cookie: b=2\r\nContent-Length: 3\r\nUpgrade: h2c\r\nKeep-Alive: x\r\n\r\n"
        )
        #expect(
            lines == [
                "HTTP/1.1 200 Fine", "Set-Cookie: a=1", "Set-Cookie: b=2", "Via: 1.1 gatehouse",
                "Content-Length: 3",
            ]
        )
    }

    @Test func `an answer to HEAD and a 304 keep their length, a 204 has none (X16)`() throws {
        #expect(
            try self.answerLines("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", method: .head).contains(
                "Content-Length: 3"
            )
        )
        #expect(
            try self.answerLines("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n").contains("Content-Length: 3")
        )
        #expect(
            !(try self.answerLines("HTTP/1.1 204 x\r\nContent-Length: 3\r\n\r\n").contains {
                $0.hasPrefix("Content-Length")
            })
        )
    }

    @Test func `an answer without length is chunked for 1_1 and closes for 1_0`() throws {
        let text = "HTTP/1.1 200 OK\r\n\r\n"
        #expect(try self.answerLines(text).contains("Transfer-Encoding: chunked"))
        #expect(try self.answerLines(text, isHTTP11: false).contains("Connection: close"))
    }

    @Test func `edits replace what the upstream said`() throws {
        var edits = FieldEdits()
        try edits.set("server", "us")
        edits.remove("x-a")
        let lines = try self.answerLines(
            "HTTP/1.1 200 OK\r\nServer: them\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n",
            edits: edits
        )
        #expect(lines == ["HTTP/1.1 200 OK", "Content-Length: 0", "Via: 1.1 gatehouse", "server: us"])
    }

    @Test func `our own answer cannot be split (H3)`() {
        var output: [UInt8] = []
        let answer = Answer(
            status: 302,
            fields: [("Location", "/a\r\nX-Evil: 1"), ("X-B", "1"), ("Content-Length", "9")]
        )
        let shape = AnswerShape(isHTTP11: true, method: .get, keepsAlive: true)
        self.writer.write(answer, FieldEdits(), shape: shape, into: &output)
        #expect(
            String(decoding: output, as: UTF8.self)
                == "HTTP/1.1 302 Found\r\nX-B: 1\r\nContent-Length: 0\r\n\r\n"
        )
    }
}
