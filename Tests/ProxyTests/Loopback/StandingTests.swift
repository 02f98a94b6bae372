// Exchanges whose ground is taken away while they are under way.

import NIOCore
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct StandingTests {
    private static let begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"

    @Test func `an answer that goes on is broken off, and that of another goes on`() async throws {
        try await TestServer.run { server in
            let (ended, stays) = (try await server.client(), try await server.client())
            try await ended.send(get("/ended"))
            let first = try await server.accept()
            _ = await first.receiveHead()
            try await first.send(Self.begun)
            _ = await ended.receive(through: "abc\r\n")
            try await stays.send(get("/stays"))
            let second = try await server.accept()
            _ = await second.receiveHead()
            try await second.send(Self.begun)
            _ = await stays.receive(through: "abc\r\n")
            server.told.takeBack("/ended")
            #expect(!(await ended.receiveAll().contains("0\r\n\r\n")))
            let ending = try #require(await server.told.endings(1).first)
            #expect(ending.path == "/ended")
            #expect(ending.record.error == .identityEnded && !ending.record.isComplete)
            try await second.send("0\r\n\r\n")
            #expect(await stays.receive(through: "0\r\n\r\n") == "0\r\n\r\n")
            #expect(try #require(await server.told.endings(2).last).record.error == nil)
        }
    }

    @Test(arguments: ["/late", "/then"])
    func `an answer that has not begun is broken off soon after it begins`(_ path: String) async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get(path))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            server.told.takeBack(path)
            // Another exchange shows that the change has been looked at.
            let other = try await server.client()
            server.told.takeBack("/other")
            try await other.send(get("/other"))
            let second = try await server.accept()
            _ = await second.receiveHead()
            try await second.send(Self.begun)
            #expect(await other.receive(through: "abc\r\n").hasSuffix("abc\r\n"))
            try await upstream.send(Self.begun)
            #expect(!(await client.receiveAll().contains("0\r\n\r\n")))
            #expect(await server.told.endings(1).first?.record.error == .identityEnded)
        }
    }

    @Test func `an answer that ends by itself at once is whole`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/short"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            server.told.takeBack("/short")
            try await upstream.send(ok("short"))
            #expect(await client.receive(through: "short").hasSuffix("short"))
            let record = try #require(await server.told.endings(1).first).record
            #expect(record.isComplete && record.error == nil)
            // The connection is its client's still; the next request is asked about anew.
            try await client.send(get("/own"))
            #expect(await client.receive(through: "own").contains("200"))
        }
    }
}
