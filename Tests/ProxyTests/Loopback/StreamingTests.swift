// Bodies both ways, and sides that break off.

import NIOCore
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct StreamingTests {
    @Test func `a chunked body crosses both ways, framed anew, its trailers too (X10)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "5;x=y\r\nhello\r\n0\r\nT:v\r\nHost: b\r\n\r\n" + get("/own")
            )
            let upstream = try await server.accept()
            let request = await upstream.receive(through: "0\r\nT: v\r\n\r\n")
            #expect(request.hasSuffix("\r\n\r\n5\r\nhello\r\n0\r\nT: v\r\n\r\n"))
            try await upstream.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nT:v\r\nDate: b\r\n\r\n"
            )
            let text = await client.receive(through: "own")
            #expect(text.contains("\r\nTransfer-Encoding: chunked\r\n"))
            #expect(text.contains("\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\nHTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `an answer until close is chunked, and whole only at the close (X18)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send("HTTP/1.0 200 OK\r\n\r\nabc")
            #expect(await client.receive(through: "3\r\nabc\r\n").contains("Transfer-Encoding: chunked"))
            await upstream.close()
            #expect(await client.receive(through: "0\r\n\r\n") == "0\r\n\r\n")
        }
    }

    @Test func `an answer until close that a reset ends is never shown as whole (X18)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/", "Connection: close\r\n"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send("HTTP/1.1 200 OK\r\n\r\nabc")
            _ = await client.receive(through: "3\r\nabc\r\n")
            await upstream.reset()
            #expect(!(await client.receiveAll().contains("0\r\n\r\n")))
            let record = try #require(await server.told.endings(1).first).record
            #expect(record.error == .closedWithinAnswer && !record.isComplete)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ])
    func `an answer that breaks off is never shown as whole (X18, D4)`(_ answer: String) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send(answer)
            _ = await client.receive { received, _ in
                String(decoding: received, as: UTF8.self).contains("abc")
            }
            await upstream.close()
            #expect(!(await client.receiveAll().contains("0\r\n\r\n")))
            let record = try #require(await server.told.endings(1).first).record
            #expect(record.error == .closedWithinAnswer && !record.isComplete && record.status == 200)
        }
    }

    @Test(arguments: [
        ("", "closed-before-answer", "502"), ("HTTP/1.1 200 OK\r\n", "closed-within-answer", "502"),
        ("junk\r\n\r\n", "answer-malformed", "502"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "answer-malformed", "502"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "unexpected-upgrade", "502"),
    ])
    func `an upstream that gives no answer is a 502 (D4)`(_ row: (String, String, String)) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            if !row.0.isEmpty { try await upstream.send(row.0) }
            await upstream.close()
            #expect(await client.receive(through: row.1).hasPrefix("HTTP/1.1 \(row.2) "))
            try await client.send(get("/own"))
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `interim answers cross up to their bound, one more is a 502 (X15, E4)`() async throws {
        try await TestServer.run(limits: { $0.interimAnswers = 2 }) { server in
            for (count, status) in [(2, "200"), (3, "502")] {
                let client = try await server.client()
                try await client.send(get("/", "Connection: close\r\n"))
                let upstream = try await server.accept()
                _ = await upstream.receiveHead()
                let hints = String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: count)
                try await upstream.send(hints + ok("", "Connection: close\r\n"))
                let text = await client.receiveAll()
                #expect(text.contains("HTTP/1.1 \(status) "))
                #expect(text.components(of: "HTTP/1.1 103 ") == 2)
            }
        }
    }

    @Test func `an upstream that says nothing is a 504 (X21)`() async throws {
        try await TestServer.run(order: {
            $0.terms = ForwardTerms(endpoint: $0.terms.endpoint, readSeconds: 0.05)
        }) { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            #expect(await upstream.receiveAll().hasPrefix("GET / "))
            #expect(await client.receive(through: "upstream-answer-timed-out").hasPrefix("HTTP/1.1 504 "))
        }
    }

    @Test func `an upstream that is not there is a 502`() async throws {
        try await TestServer.run(order: {
            $0.terms = ForwardTerms(endpoint: Endpoint(host: "127.0.0.1", port: 1))
        }) { server in
            let client = try await server.client()
            try await client.send(get("/"))
            #expect(await client.receive(through: "upstream-connect-failed").hasPrefix("HTTP/1.1 502 "))
        }
    }

    @Test func `an interim answer crosses before the final one, once (X15)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            )
            let upstream = try await server.accept()
            #expect(await upstream.receiveHead().contains("\r\nExpect: 100-continue\r\n"))
            try await upstream.send("HTTP/1.1 100 Continue\r\n\r\n")
            #expect(await client.receiveHead() == "HTTP/1.1 100 Continue\r\n\r\n")
            try await client.send("hi")
            #expect(await upstream.receive(through: "hi") == "hi")
            try await upstream.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok("done"))
            let text = await client.receive(through: "done")
            #expect(text.hasPrefix("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `an early answer to an unfinished request ends both connections (H5)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
            )
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send(ok("no"))
            #expect(await upstream.receiveAll() == "")
            let text = await client.receiveAll()
            #expect(text.hasSuffix("no") && text.contains("\r\nConnection: close\r\n"))
        }
    }

    @Test func `an early answer to a small body ends the upstream's connection alone (H5)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            let upstream = try await server.accept()
            _ = await upstream.receive(through: "half")
            try await upstream.send(ok("no"))
            #expect(await upstream.receiveAll() == "")
            #expect(!(await client.receive(through: "no").contains("Connection: close")))
            try await client.send("other" + get("/own"))
            #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `octets after an answer end both connections and reach nobody (H5, X16)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send(ok("one") + ok("evil"))
            #expect(await upstream.receiveAll() == "")
            #expect(await client.receiveAll().hasSuffix("one"))
        }
    }

    @Test func `octets on an idle upstream connection end it and reach nobody (H5)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/1"))
            let first = try await server.accept()
            _ = await first.receiveHead()
            try await first.send(ok("one"))
            _ = await client.receive(through: "one")
            try await first.send(ok("evil"))
            #expect(await first.receiveAll() == "")
            try await client.send(get("/2"))
            let second = try await server.accept()
            _ = await second.receiveHead()
            try await second.send(ok("two"))
            #expect(await client.receive(through: "two").components(of: "evil") == 0)
        }
    }

    @Test(arguments: [("GET", 200), ("PUT", 200), ("POST", 502), ("PATCH", 502)])
    func `only what may be done twice is tried again on a reused connection (X17, D4)`(
        _ row: (String, Int)
    ) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/1"))
            let first = try await server.accept()
            _ = await first.receiveHead()
            try await first.send(ok("one"))
            _ = await client.receive(through: "one")
            try await client.send("\(row.0) /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(await first.receiveHead().hasPrefix("\(row.0) /2 "))
            await first.close()
            if row.1 == 200 {
                let second = try await server.accept()
                #expect(await second.receiveHead().hasPrefix("\(row.0) /2 "))
                try await second.send(ok("two"))
            }
            let text = await client.receive(through: row.1 == 200 ? "two" : "upstream-closed-before-answer")
            #expect(text.hasPrefix("HTTP/1.1 \(row.1) "))
        }
    }

    @Test func `a client that leaves takes its upstream connection with it`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            await client.close()
            #expect(await upstream.receiveAll() == "")
            #expect(await server.told.endings(1).first?.record.error == .clientGone)
        }
    }

    @Test func `a large body crosses whole, up and down`() async throws {
        try await TestServer.run { server in
            let body = String(repeating: "0123456789abcdef", count: 400_000)
            let client = try await server.client()
            async let sent: Void = client.send(
                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body
            )
            let upstream = try await server.accept()
            let request = await upstream.receive { received, _ in
                received.count > body.utf8.count + 100
                    && received.suffix(16).elementsEqual("0123456789abcdef".utf8)
                    && received.count >= body.utf8.count + Self.headCount(received)
            }
            #expect(request.hasSuffix("\r\n\r\n" + body))
            try await sent
            async let answered: Void = upstream.send(ok(body))
            let answer = await client.receive { received, _ in
                received.count >= body.utf8.count + Self.headCount(received)
            }
            #expect(answer.hasSuffix("\r\n\r\n" + body))
            try await answered
        }
    }

    /// Octets of the head in `received`, or more than enough.
    static func headCount(_ received: [UInt8]) -> Int {
        let head = received.prefix(2000)
        guard let end = head.firstRange(of: "\r\n\r\n".utf8) else { return .max / 2 }
        return end.upperBound
    }

    @Test func `a client that does not read holds the upstream back (D2)`() async throws {
        try await TestServer.run(limits: { $0.readerSeconds = 0.3 }) { server in
            let client = try await Peer.connect(to: server.port, receiveBuffer: 4096)
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            let total = 64 << 20
            try await upstream.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            // The upstream's writes stall, and the client is given up in the end.
            var isCutOff = false
            let piece = [UInt8](repeating: 0x61, count: 1 << 20)
            for _ in 0..<64 where !isCutOff {
                do { try await upstream.send(piece) } catch { isCutOff = true }
            }
            #expect(isCutOff)
            let record = try #require(await server.told.endings(1).first).record
            #expect(!record.isComplete && record.answerBodyBytes < 16 << 20)
        }
    }

    @Test func `an upstream that does not read holds the client back, and is given up (X21)`() async throws {
        try await TestServer.run(order: {
            $0.terms = ForwardTerms(endpoint: $0.terms.endpoint, writeSeconds: 0.3, readSeconds: 0.3)
        }) { server in
            let client = try await server.client()
            let total = 64 << 20
            try await client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
            let upstream = try await server.accept()
            try await upstream.channel.setOption(.autoRead, value: false).get()
            let piece = [UInt8](repeating: 0x61, count: 1 << 20)
            let sending = Task {
                for _ in 0..<64 { try await client.send(piece) }
            }
            #expect(await client.receive(through: "upstream-write-timed-out").hasPrefix("HTTP/1.1 504 "))
            await client.close()
            _ = await sending.result
            let record = try #require(await server.told.endings(1).first).record
            #expect(record.error == .writeTimedOut && record.requestBodyBytes < 32 << 20)
        }
    }

    @Test func `OPTIONS that may go no further is answered here (X13)`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
            #expect(await client.receiveHead().hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }
}
