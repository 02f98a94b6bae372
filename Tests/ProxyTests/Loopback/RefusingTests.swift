// What is refused on the wire, and how the connection ends.

import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct RefusingTests {
    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", "400", "malformed-host"),
        ("\u{16}\u{3}\u{1}", "400", "malformed-request-line"),
        ("GET / HTTP/1.1\nHost: a\n\n", "400", "malformed-line-end"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
            "malformed-length-and-coding"
        ),
        ("GET /%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", "malformed-path"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405", "method-not-allowed"),
        ("GET /\(String(repeating: "a", count: 17_000)) HTTP/1.1\r\n", "414", "target-too-long"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 33_000))", "431", "head-too-large"),
    ])
    func `a refused request closes the connection, and nothing behind it is served (X19, E1)`(
        _ row: (String, String, String)
    ) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(row.0 + get("/own"))
            let text = await client.receiveAll()
            #expect(text.hasPrefix("HTTP/1.1 \(row.1) "))
            #expect(text.contains("\r\nConnection: close\r\n"))
            #expect(text.hasSuffix("\r\n\r\n\(row.2)"))
            let endings = await server.told.endings(1)
            #expect(endings.count == 1 && endings.first?.record.refusal?.reason == row.2)
        }
    }

    @Test func `a refused body on a new connection leaves its place in the pool (X9, H5)`() async throws {
        try await TestServer.run(limits: { ($0.upstreamConnections, $0.upstreamWaiters) = (1, 0) }) {
            server in
            for _ in 0..<3 {
                let client = try await server.client()
                try await client.send(
                    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
                )
                #expect(await client.receiveAll().hasPrefix("HTTP/1.1 400 "))
            }
        }
    }

    @Test func `a HEAD that is refused has no body (X16)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("HEAD / HTTP/1.1\r\n\r\n")
            let text = await client.receiveAll()
            #expect(text.hasPrefix("HTTP/1.1 400 ") && text.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func `a head that does not come in time is refused (X21, D1)`() async throws {
        try await TestServer.run(limits: { $0.headSeconds = 0.5 }) { server in
            let client = try await server.client()
            try await client.send("GET / HTTP/1.1\r\nHo")
            #expect(await client.receiveAll().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func `a silent or idle client is closed without a word (X21)`() async throws {
        try await TestServer.run(limits: { $0.headSeconds = 0.05 }) { server in
            let silent = try await server.client()
            #expect(await silent.receiveAll() == "")
        }
        try await TestServer.run(limits: { $0.idleSeconds = 0.05 }) { server in
            let client = try await server.client()
            try await client.send(get("/own"))
            #expect(await client.receiveAll().hasSuffix("own"))
        }
    }

    @Test func `a body that does not come in time is refused, and the upstream sees no end (X21, H5)`()
        async throws
    {
        try await TestServer.run(limits: { $0.bodySeconds = 0.05 }) { server in
            let client = try await server.client()
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
            let upstream = try await server.accept()
            #expect(await upstream.receiveAll().hasSuffix("\r\n\r\nhe"))
            #expect(await client.receiveAll().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test func `a broken chunk is refused, and the upstream sees no end (X9, H5)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"
            )
            let upstream = try await server.accept()
            #expect(await upstream.receive(through: "2\r\nhe\r\n").contains("Transfer-Encoding: chunked\r\n"))
            try await client.send("zz\r\n")
            #expect(await upstream.receiveAll() == "")
            #expect(await client.receiveAll().hasPrefix("HTTP/1.1 400 "))
        }
    }

    @Test func `a chunked body over the limit is refused (X21)`() async throws {
        try await TestServer.run(limits: { $0.bodyBytes = 4 }) { server in
            let client = try await server.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n"
            )
            let upstream = try await server.accept()
            _ = await upstream.receive(through: "four\r\n")
            try await client.send("1\r\n!\r\n")
            #expect(await client.receiveAll().hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test func `our answer drops a small body and goes on, a large one closes (S9)`() async throws {
        try await TestServer.run(limits: { $0.drainedBytes = 10 }) { server in
            let client = try await server.client()
            try await client.send("POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
            #expect(!(await client.receive(through: "own").contains("Connection: close")))
            try await client.send("56789" + get("/own"))
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
            try await client.send("POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234")
            #expect(await client.receiveAll().contains("Connection: close"))
        }
    }

    @Test func `our answer to an expectation sends no 100 and closes (X15)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                "POST /own HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
            )
            let text = await client.receiveAll()
            #expect(text.hasPrefix("HTTP/1.1 200 ") && text.contains("Connection: close"))
        }
    }

    @Test func `requests on a connection are counted`() async throws {
        try await TestServer.run(limits: { $0.requestsPerConnection = 2 }) { server in
            let client = try await server.client()
            try await client.send(get("/own") + get("/own") + get("/own"))
            #expect(await client.receiveAll().components(of: "\r\n\r\nown") == 2)
        }
    }

    @Test func `connections of a worker are counted (D3)`() async throws {
        try await TestServer.run(limits: { $0.connectionsPerWorker = 1 }) { server in
            let first = try await server.client()
            try await first.send(get("/own"))
            _ = await first.receive(through: "own")
            let silent = try await server.client()
            #expect(await silent.receiveAll() == "")
            try await first.send(get("/own"))
            #expect(await first.receive(through: "own").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `an idle connection closes at once when draining, a busy one when it is done (D12)`()
        async throws
    {
        try await TestServer.run { server in
            let (idle, busy) = (try await server.client(), try await server.client())
            try await idle.send(get("/own"))
            _ = await idle.receive(through: "own")
            try await busy.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            async let drained: Void = server.server.drain(within: .seconds(30))
            #expect(await idle.receiveAll() == "")
            try await upstream.send(ok("bye"))
            let text = await busy.receiveAll()
            #expect(text.hasSuffix("bye") && text.contains("Connection: close\r\n"))
            await drained
        }
    }

    @Test func `what does not end in time is cut off`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            _ = await (try await server.accept()).receiveHead()
            await server.server.drain(within: .milliseconds(50))
            #expect(await client.receiveAll() == "")
            #expect(await server.told.endings(1).first?.record.isComplete == false)
        }
    }
}
