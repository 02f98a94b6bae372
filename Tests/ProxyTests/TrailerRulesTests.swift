// Which fields behind a body go on.

import Testing

@testable import Proxy

@Suite struct TrailerRulesTests {
    /// What goes on of `trailers` behind a request.
    private func toUpstream(
        _ trailers: String,
        head more: String = "",
        dropped: [FieldName] = [],
        edits: FieldEdits = FieldEdits()
    ) throws -> String {
        let head = try RequestHead.parse("POST / HTTP/1.1\r\nHost: a\r\n\(more)\r\n".utf8)
        let terms = ForwardTerms(
            endpoint: Endpoint(host: "10.0.0.1", port: 8080),
            dropped: FieldNameSet(dropped)
        )
        let rules = TrailerRules(head, ForwardOrder(terms), edits)
        return String(decoding: rules.admitted(Array(trailers.utf8)), as: UTF8.self)
    }

    /// What goes on of `trailers` behind an answer.
    private func toClient(
        _ trailers: String,
        head more: String = "",
        edits: FieldEdits = FieldEdits()
    ) throws -> String {
        var (parser, head) = (ResponseParser(limits: ProxyLimits()), ResponseHead())
        parser.feed("HTTP/1.1 200 OK\r\n\(more)\r\n".utf8, to: &head)
        guard case .complete = parser.advance(&head, answering: .get) else { throw HeadFault.incomplete }
        return String(decoding: TrailerRules(head, edits).admitted(Array(trailers.utf8)), as: UTF8.self)
    }

    @Test(arguments: [
        "X-A: b\r\n", "grpc-status: 0\r\ngrpc-message: \r\n", "Repr-Digest: sha-256=:AA==:\r\n",
        "ETag: \"a\"\r\n",
        "Server-Timing: a\r\n", "Signature: a\r\n", "Iffy: x\r\n", "Secret: x\r\n",
    ])
    func `what says nothing of a head goes on, both ways`(_ trailers: String) throws {
        #expect(try self.toUpstream(trailers) == trailers)
        #expect(try self.toClient(trailers) == trailers)
    }

    @Test func `whitespace around a value and empty values are written anew`() throws {
        #expect(
            try self.toUpstream("X-A:b\r\nX-B:\r\nX-C: \t c d \t\r\n") == "X-A: b\r\nX-B: \r\nX-C: c d\r\n"
        )
    }

    @Test(arguments: [
        "Host", "Content-Length", "Transfer-Encoding", "transfer_encoding", "Connection", "Keep-Alive", "TE",
        "Trailer", "Upgrade", "Proxy-Authorization", "Proxy-Anything", "Proxy-Authentication-Info", "Expect",
        "Max-Forwards", "X-Forwarded-For", "X-Forwarded-Anything", "Forwarded", "X-Real-IP", "X-Request-Id",
        "X-Original-URL", "x_original_url", "Authorization", "AUTHORIZATION", "Cookie", "Set-Cookie",
        "set.cookie",
        "WWW-Authenticate", "DPoP", "Client-Cert", "Cache-Control", "Pragma", "Range", "If", "If-Match",
        "If-None-Match",
        "If-Modified-Since", "if_range", "Accept", "Accept-Encoding", "User-Agent", "Origin", "Referer",
        "Sec-Fetch-Site",
        "Access-Control-Allow-Origin", "Age", "Date", "Expires", "Location", "Retry-After", "Vary", "Warning",
        "Content-Type", "Content-Encoding", "Content-Range", "Content-Disposition", "Content-Location",
        "Strict-Transport-Security", "Content-Security-Policy", "Server", "Via", "X-HTTP-Method-Override",
        "traceparent",
    ])
    func `what only a head may say does not go on, in whatever spelling (X10, H1)`(_ name: String) throws {
        #expect(try self.toUpstream("\(name): x\r\nX-A: b\r\n") == "X-A: b\r\n")
        #expect(try self.toClient("\(name): x\r\nX-A: b\r\n") == "X-A: b\r\n")
    }

    @Test func `what is never taken from a client is not taken as a trailer either (X10, H1)`() throws {
        let trailers = "X-Consumer-Username: ann\r\nx_consumer.username: ann\r\nX-Consumer: b\r\n"
        #expect(try self.toUpstream(trailers) == trailers)
        #expect(try self.toUpstream(trailers, dropped: ["x-consumer-username"]) == "X-Consumer: b\r\n")
    }

    @Test func `what the gateway sets, adds or removes has no other word behind it (X10, H1, H2)`() throws {
        var edits = FieldEdits()
        try edits.set("x-set", "ours")
        try edits.append("x-added", "ours")
        edits.remove("x-removed")
        let trailers = "X-Set: 1\r\nX-Added: 2\r\nX-REMOVED: 3\r\nX_Set: 4\r\nx.added: 5\r\nX-A: b\r\n"
        #expect(try self.toUpstream(trailers, edits: edits) == "X-A: b\r\n")
        #expect(try self.toClient(trailers, edits: edits) == "X_Set: 4\r\nx.added: 5\r\nX-A: b\r\n")
    }

    @Test func `what Connection names ends here as a trailer too (H2, X11)`() throws {
        let connection = "Connection: x-hop, close\r\n"
        #expect(try self.toUpstream("X-Hop: 1\r\nX-A: b\r\n", head: connection) == "X-A: b\r\n")
        #expect(try self.toClient("X-Hop: 1\r\nX-A: b\r\n", head: connection) == "X-A: b\r\n")
    }

    @Test(arguments: [
        ("Trailer: X-A, X-B\r\n", "Trailer: X-A, X-B\r\n"),
        ("Trailer: X-A\r\nTrailer: X-B\r\n", "Trailer: X-A, X-B\r\n"),
        ("Trailer: Host, X-A, , Content-Length\r\n", "Trailer: X-A\r\n"), ("Trailer: Cookie\r\n", ""),
        ("Trailer: X A, X-B\r\n", "Trailer: X-B\r\n"), ("Trailer: \r\n", ""), ("X-A: b\r\n", ""),
        ("Trailer: X-User, X-Hop, X-A\r\nConnection: X-Hop\r\n", "Trailer: X-A\r\n"),
        ("Trailer: X-A\r\nConnection: trailer\r\n", ""),
    ])
    func `only what goes on is announced (RFC 9110 §6.6.2)`(_ row: (fields: String, announced: String)) throws
    {
        let head = try RequestHead.parse("POST / HTTP/1.1\r\nHost: a\r\n\(row.fields)\r\n".utf8)
        let terms = ForwardTerms(endpoint: Endpoint(host: "a", port: 80), dropped: FieldNameSet(["x-user"]))
        var output: [UInt8] = []
        TrailerRules(head, ForwardOrder(terms), FieldEdits()).appendAnnouncement(into: &output)
        #expect(String(decoding: output, as: UTF8.self) == row.announced)
    }

    @Test(arguments: [
        ("TE: trailers\r\n", true), ("TE: Trailers\r\n", true), ("TE: gzip;q=0.5, trailers\r\n", true),
        ("TE: gzip\r\nTE: trailers\r\n", true), ("TE: trailers;q=1\r\n", false), ("TE: gzip\r\n", false),
        ("TE:\r\n", false),
        ("", false), ("T_E: trailers\r\n", false), ("Trailer: trailers\r\n", false),
    ])
    func `a client takes trailers if TE says so (RFC 9110 §10.1.4)`(
        _ row: (fields: String, takes: Bool)
    ) throws {
        for version in ["1.1", "1.0"] {
            let head = try RequestHead.parse("GET / HTTP/\(version)\r\nHost: a\r\n\(row.fields)\r\n".utf8)
            #expect(head.takesTrailers == (row.takes && version == "1.1"))
        }
    }
}
