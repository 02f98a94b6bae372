// A server over real sockets: connections that stay, requests in a row, answers of our own.

import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct ServingTests {
    @Test func `a request goes to the upstream and its answer comes back`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/a?b", "X-A: 1\r\n"))
            let upstream = try await server.accept()
            let head = await upstream.receiveHead()
            #expect(
                head.hasPrefix("GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:\(server.upstream.port)\r\nX-A: 1\r\n")
            )
            #expect(head.contains("\r\nX-Forwarded-For: 127.0.0.1\r\n"))
            try await upstream.send(ok("hello", "X-B: 2\r\n"))
            #expect(
                await client.receive(through: "hello")
                    == "HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 5\r\nVia: 1.1 gatehouse\r\nx-edited: yes\r\n\r\nhello"
            )
            let record = try #require(await server.told.endings(1).first).record
            #expect(record.status == 200 && record.isComplete && record.answerBodyBytes == 5)
            #expect(record.totalNanoseconds >= (record.upstreamNanoseconds ?? .max))
        }
    }

    @Test func `both connections serve again`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/1"))
            let upstream = try await server.accept()
            for number in 1...20 {
                #expect(await upstream.receiveHead().hasPrefix("GET /\(number) "))
                try await upstream.send(ok("n\(number)."))
                #expect(await client.receive(through: "n\(number).").hasPrefix("HTTP/1.1 200"))
                try await client.send(get("/\(number + 1)"))
            }
            #expect(server.server.connections == 1)
        }
    }

    @Test func `pipelined requests are answered in order, one at a time`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/1") + get("/own") + get("/2") + get("/own"))
            for number in 1...2 {
                let upstream = try await server.accept()
                let head = await upstream.receiveHead()
                #expect(head.hasPrefix("GET /\(number) ") && !head.contains("GET /own"))
                try await upstream.send(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nn\(number)"
                )
            }
            let text = await client.receive { received, _ in
                String(decoding: received, as: UTF8.self).components(of: "own") == 2
            }
            #expect(text.parts(between: "\r\n\r\n").map { $0.prefix(3) } == ["n1H", "own", "n2H", "own"])
        }
    }

    @Test func `a thousand pipelined requests do not exhaust the stack (D2)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                String(repeating: get("/own"), count: 1000) + get("/own", "Connection: close\r\n")
            )
            #expect(await client.receiveAll().components(of: "\r\n\r\nown") == 1001)
        }
    }

    @Test func `a request may come octet by octet`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            for octet in get("/own").utf8 { try await client.send([octet]) }
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test(arguments: [
        ("GET /own HTTP/1.0\r\n\r\n", true), ("GET /own HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ("GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true),
        ("GET /own HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ])
    func `the connection closes when it was asked to`(_ row: (String, Bool)) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(row.0)
            guard row.1 else {
                #expect(!(await client.receive(through: "own").contains("Connection: close")))
                try await client.send(get("/own"))
                #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
                return
            }
            #expect(await client.receiveAll().contains("Connection: close\r\n"))
        }
    }

    @Test func `HEAD gets a head alone, from us and from the upstream (X16)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("HEAD /own HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n")
            let text = await client.receive { received, _ in
                String(decoding: received, as: UTF8.self).components(of: "\r\n\r\n") == 2
            }
            #expect(text.contains("Content-Length: 3\r\n") && text.contains("Content-Length: 7\r\n"))
            #expect(text.hasSuffix("\r\n\r\n") && !text.contains("own"))
            try await client.send(get("/own"))
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `work off the loop ends on it`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/wait") + get("/own"))
            let text = await client.receive(through: "own")
            #expect(text.contains("\r\n\r\nwaitedHTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `a body waits while the handler does`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("POST /then HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
            let upstream = try await server.accept()
            #expect(await upstream.receive(through: "hello").contains("\r\nContent-Length: 5\r\n"))
            try await upstream.send(ok("done"))
            #expect(await client.receive(through: "done").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `work that does not end is given up (X21)`() async throws {
        try await TestServer.run(limits: { $0.decisionSeconds = 0.05 }) { server in
            let client = try await server.client()
            try await client.send(get("/forever"))
            #expect(await client.receive(through: "decision-timed-out").hasPrefix("HTTP/1.1 503 "))
            try await client.send(get("/own"))
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `work for a client that left is dropped`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/forever"))
            try await client.send(get("/own"))
            await client.close()
            let ending = try #require(await server.told.endings(1).first)
            #expect(
                ending.path == "/forever" && ending.record.error == .clientGone && ending.record.status == 499
            )
        }
    }

    @Test func `a thousand clients in a row leave nothing behind`() async throws {
        try await TestServer.run { server in
            for _ in 0..<100 {
                let client = try await server.client()
                try await client.send(get("/own", "Connection: close\r\n"))
                #expect(await client.receiveAll().hasSuffix("own"))
            }
            #expect(await server.told.endings(100).count == 100)
        }
    }
}

extension String {
    /// How often `part` stands in it.
    func components(of part: String) -> Int {
        let (octets, wanted) = (Array(self.utf8), Array(part.utf8))
        guard octets.count >= wanted.count else { return 0 }
        return (0...(octets.count - wanted.count)).count {
            octets[$0..<($0 + wanted.count)].elementsEqual(wanted)
        }
    }

    /// What follows each `separator`.
    func parts(between separator: String) -> [String] {
        var (rest, parts) = (self.utf8[...], [String]())
        while let found = rest.firstRange(of: separator.utf8) {
            rest = rest[found.upperBound...]
            let end = rest.firstRange(of: separator.utf8)?.lowerBound ?? rest.endIndex
            parts.append(String(decoding: rest[..<end], as: UTF8.self))
        }
        return parts
    }
}
