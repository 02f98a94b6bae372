// Clients that come too often, too slowly, or too many at once.

import NIOCore
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct ProtectionTests {
    @Test func `a connection over the total is closed at once, and its place is free again later`()
        async throws
    {
        try await TestServer.run(limits: { $0.connectionsTotal = 1 }) { server in
            let first = try await server.client()
            try await first.send(get("/own"))
            _ = await first.receive(through: "own")
            let second = try await server.client()
            #expect(await second.receiveAll().isEmpty)
            #expect(server.server.turnedAway(.server) == 1)
            try await first.send(get("/own"))
            _ = await first.receive(through: "own")
            await first.close()
            while server.server.connections > 0 { await Task.yield() }
            let third = try await server.client()
            try await third.send(get("/own"))
            #expect(await third.receive(through: "own").hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func `a connection over its address's limit is closed at once`() async throws {
        try await TestServer.run(limits: { $0.connectionsPerAddress = 1 }) { server in
            let first = try await server.client()
            try await first.send(get("/own"))
            _ = await first.receive(through: "own")
            #expect(await (try await server.client()).receiveAll().isEmpty)
            #expect(server.server.turnedAway(.address) == 1)
            #expect(server.server.connections == 1)
        }
    }

    @Test func `the last request that a connection may carry closes it`() async throws {
        try await TestServer.run(limits: { $0.requestsPerConnection = 2 }) { server in
            let client = try await server.client()
            try await client.send(get("/own"))
            #expect(await client.receive(through: "own").contains("Connection: close") == false)
            try await client.send(get("/own"))
            #expect(await client.receiveAll().contains("Connection: close\r\n"))
        }
    }

    @Test func `a body that drips is given up though it never pauses for long (X21)`() async throws {
        try await TestServer.run(limits: { ($0.bodySeconds, $0.bodyRate) = (0.4, 1000) }) { server in
            let client = try await server.client()
            try await client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
            let dripping = Task {
                while !Task.isCancelled {
                    try await client.send("a")
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(await client.receive(through: "request-timed-out").hasPrefix("HTTP/1.1 408 "))
            dripping.cancel()
            _ = await dripping.result
        }
    }

    @Test func `a client that was held back and then sends no more is given up (X21)`() async throws {
        try await TestServer.run(limits: { ($0.bodySeconds, $0.bufferedBytes) = (0.3, 1000) }) { server in
            let client = try await server.client()
            let part = String(repeating: "a", count: 5000)
            try await client.send("PUT /then HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n\(part)")
            #expect(await client.receive(through: "request-timed-out").hasPrefix("HTTP/1.1 408 "))
        }
    }
}
