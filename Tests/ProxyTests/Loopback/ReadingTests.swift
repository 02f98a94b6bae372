// Bodies that the handler reads as a whole.

import Testing

@testable import Proxy

@Suite struct ReadingTests {
    private static func post(_ path: String, _ fields: String, _ body: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(body)"
    }

    private static let hasHead: @Sendable ([UInt8], Bool) -> Bool = { received, _ in
        String(decoding: received, as: UTF8.self).contains("\r\n\r\n")
    }

    private static let long = String(repeating: "x", count: 40_000)

    @Test(
        arguments: [
            ("Content-Length: 5\r\n", "hello", "<hello>"),
            ("Content-Length: 0\r\n", "", "<>"),
            ("", "", "<>"),
            ("Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nX: y\r\n\r\n", "<hello>"),
            ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "<>"),
            ("Content-Length: 40000\r\n", long, "<\(long)>"),
        ],
        ["/read", "/then-read"]
    )
    func `a body is given whole, and the next request is answered`(
        _ framing: (String, String, String),
        path: String
    ) async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post(path, framing.0, framing.1) + get("/own"))
            let answer = await client.receive(through: "own")
            #expect(answer.contains(framing.2))
            await client.close()
        }
    }

    @Test func `a body that comes octet by octet is given whole`() async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            for octet in Self.post("/read", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n") {
                try await client.send(String(octet))
            }
            #expect(await client.receive(through: ">").contains("<abc>"))
            await client.close()
        }
    }

    @Test func `a client that waits for it is told to go on`() async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post("/read", "Content-Length: 2\r\nExpect: 100-continue\r\n", ""))
            #expect(await client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
            try await client.send("ab")
            #expect(await client.receive(through: ">").contains("<ab>"))
            await client.close()
        }
    }

    @Test(
        arguments: [
            ("Content-Length: 40001\r\n", long + "y", "413"),
            ("Transfer-Encoding: chunked\r\n", "3\r\nabcX", "400"),
            ("Transfer-Encoding: chunked\r\n", "zz\r\n", "400"),
        ]
    )
    func `a body that is too long or broken is refused`(_ framing: (String, String, String)) async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post("/read", framing.0, framing.1))
            let answer = await client.receive(until: Self.hasHead)
            #expect(answer.hasPrefix("HTTP/1.1 \(framing.2)"))
            await client.close()
        }
    }

    @Test func `a body beyond the gateway's own limit is refused`() async throws {
        try await TestServer.run(limits: { $0.bodyBytes = 3 }) { test in
            let client = try await test.client()
            try await client.send(Self.post("/read", "Transfer-Encoding: chunked\r\n", "4\r\nabcd\r\n"))
            #expect(await client.receive(until: Self.hasHead).hasPrefix("HTTP/1.1 413"))
            await client.close()
        }
    }

    @Test func `a client that stops in the middle is refused in time`() async throws {
        try await TestServer.run(limits: { $0.bodySeconds = 0.2 }) { test in
            let client = try await test.client()
            try await client.send(Self.post("/read", "Content-Length: 5\r\n", "he"))
            #expect(await client.receive(until: Self.hasHead).hasPrefix("HTTP/1.1 408"))
            let ended = await test.told.endings(1)
            #expect(ended[0].record.status == 408)
            await client.close()
        }
    }

    @Test func `a client that leaves in the middle ends the exchange`() async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post("/read", "Content-Length: 5\r\n", "he"))
            await client.close()
            #expect(await test.told.endings(1)[0].record.error == .clientGone)
        }
    }

    @Test(
        arguments: [
            ("Content-Length: 5\r\n", "hello"), ("Content-Length: 11\r\n", "hello world"),
            ("Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\n", "b\r\nhello world\r\n0\r\n\r\n"),
            ("Content-Length: 40000\r\n", long), ("Content-Length: 0\r\n", ""),
        ]
    )
    func `a body that was looked at goes on as it came`(_ framing: (String, String)) async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            let request = Self.post("/look", framing.0, framing.1)
            try await client.send(request + get("/own"))
            let upstream = try await test.accept()
            let seen = await upstream.receive(through: "\r\n\r\n" + framing.1)
            #expect(seen.hasPrefix("POST /look HTTP/1.1\r\n"))
            try await upstream.send(ok("done"))
            #expect(await client.receive(through: "own").contains("done"))
            await client.close()
        }
    }

    @Test(
        arguments: ["/swap", "/swap-then"].flatMap { path in
            [
                ("Content-Length: 5\r\n", "hello"),
                ("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"),
                ("Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\nx-trailer: y\r\n\r\n"),
            ].flatMap { framing in [0, 1, 100_000].map { (path, framing.0, framing.1, $0) } }
        }
    )
    func `another body goes in the place of the one that was read, and nothing of that`(
        _ path: String,
        _ framing: String,
        _ body: String,
        _ count: Int
    ) async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            let type = "Content-Type: text/small\r\ncontent-type: b\r\nX-Kept: yes\r\n"
            try await client.send(Self.post("\(path)?\(count)", type + framing, body) + get("/own"))
            let upstream = try await test.accept()
            let end = "\r\n\r\n" + String(repeating: "a", count: count)
            let seen = await upstream.receive(through: end)
            #expect(seen.hasSuffix(end))
            let head = seen.dropLast(count).lowercased()
            #expect(head.hasPrefix("post \(path)?\(count) http/1.1\r\n"))
            #expect(head.contains("content-type: text/other\r\n") && head.contains("x-kept: yes\r\n"))
            #expect(head.contains("content-length: \(count)\r\n"))
            #expect(!head.contains("chunked") && !head.contains("expect") && !head.contains("small"))
            try await upstream.send(ok("done"))
            #expect(await client.receive(through: "own").contains("done"))
            await client.close()
        }
    }

    @Test func `a body is replaced while it is handed over, and not later`() async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post("/swap-late", "Content-Length: 2\r\n", "ab"))
            #expect(await client.receive(through: "replaced").contains("not replaced"))
            try await client.send(Self.post("/swap", "Content-Length: 11\r\n", "hello world"))
            #expect(await client.receive(through: "not replaced").contains(" 500 "))
            await client.close()
        }
    }

    @Test func `an expectation is answered once, by us, where a body was looked at (X15)`() async throws {
        try await TestServer.run { test in
            let client = try await test.client()
            try await client.send(Self.post("/look", "Content-Length: 2\r\nExpect: 100-continue\r\n", ""))
            #expect(await client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
            try await client.send("ab")
            let seen = try await test.accept().receive(through: "ab")
            #expect(!seen.lowercased().contains("expect"))
            await client.close()
        }
    }
}
