// The end of a server, and the listening sockets that outlive it.

import Glibc
import NIOCore
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct DrainingTests {
    /// Begins to drain, and waits until nobody listens any more and each worker knows.
    private func drain(_ server: TestServer) async -> Task<Void, Never> {
        let task = Task { await server.server.drain(within: .seconds(60)) }
        while let peer = try? await server.client() { await peer.close() }
        while await server.server.areDraining().contains(false) { await Task.yield() }
        return task
    }

    @Test
    func `an idle client's next request is answered while the server drains, and its connection closed`()
        async throws
    {
        try await TestServer.run(limits: { $0.drainIdleSeconds = 60 }) { server in
            let client = try await server.client()
            try await client.send(get("/own"))
            _ = await client.receive(through: "own")
            let drained = await self.drain(server)
            try await client.send(get("/own"))
            let answer = await client.receiveAll()
            #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"))
            await drained.value
        }
    }

    @Test func `a client that stays idle is let go`() async throws {
        try await TestServer.run(limits: { $0.drainIdleSeconds = 0.05 }) { server in
            let client = try await server.client()
            try await client.send(get("/own"))
            _ = await client.receive(through: "own")
            let drained = await self.drain(server)
            #expect(await client.receiveAll().isEmpty)
            await drained.value
        }
    }

    @Test func `an answer that began before may be followed by one more request`() async throws {
        try await TestServer.run(limits: { $0.drainIdleSeconds = 60 }) { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
            #expect(!(await client.receive(through: "\r\n\r\na").contains("Connection: close")))
            let drained = await self.drain(server)
            try await upstream.send("b")
            _ = await client.receive(through: "b")
            try await client.send(get("/own"))
            #expect(await client.receiveAll().contains("Connection: close\r\n"))
            await drained.value
        }
    }

    @Test func `handlers can be asked until the last exchange has ended`() async throws {
        try await TestServer.run(limits: { $0.drainIdleSeconds = 0.05 }) { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            let drained = await self.drain(server)
            #expect(await server.server.onEachWorker { _ in true } == [true])
            try await upstream.send(ok("a"))
            #expect(await client.receiveAll().hasSuffix("a"))
            await drained.value
            #expect(await server.server.onEachWorker { _ in true } == [])
        }
    }

    // MARK: Upstreams that are no longer wanted

    @Test func `connections to an upstream that is no longer wanted close: idle ones now, busy ones later`()
        async throws
    {
        try await TestServer.run { server in
            let (one, other) = (try await server.client(), try await server.client())
            for client in [one, other] { try await client.send(get("/")) }
            let (idle, busy) = (try await server.accept(), try await server.accept())
            for upstream in [idle, busy] { _ = await upstream.receiveHead() }
            try await idle.send(ok("a"))
            let wanted: Set = [Endpoint(host: "127.0.0.1", port: server.upstream.port)]
            await server.server.keepUpstreams(wanted)
            #expect(await server.server.poolCounts() == [1])
            await server.server.keepUpstreams([])
            #expect(await server.server.poolCounts() == [0])
            #expect(await idle.receiveAll().isEmpty)
            try await busy.send(ok("b"))
            #expect(await busy.receiveAll().isEmpty)
            for client in [one, other] { #expect(await client.receive(count: 40).hasPrefix("HTTP/1.1 200 ")) }
        }
    }

    @Test func `an upstream with no connection left is forgotten`() async throws {
        try await TestServer.run { server in
            let client = try await server.client()
            try await client.send(get("/"))
            let upstream = try await server.accept()
            _ = await upstream.receiveHead()
            try await upstream.send(ok("a"))
            _ = await client.receive(through: "a")
            #expect(await server.server.poolCounts() == [1])
            await upstream.close()
            while await server.server.poolCounts() != [0] { await Task.yield() }
        }
    }

    // MARK: Listening sockets

    @Test(arguments: [1, 3]) func `another server goes on with the listening sockets and their queue`(
        workers: Int
    ) async throws {
        try await TestServer.run { server in
            let sockets = await server.server.listeningSockets()
            #expect(sockets.map(\.name) == ["127.0.0.1:\(server.port)"])
            #expect(server.server.listenNames == ["127.0.0.1:\(server.port)"])
            let address = ListenAddress(host: "127.0.0.1", port: server.port)
            let endpoint = Endpoint(host: "127.0.0.1", port: server.upstream.port)
            let younger = ProxyServer(
                ServerSettings(listen: [address], workers: workers) { _, _ in
                    TestHandler(endpoint: endpoint, told: Told(), change: { _ in })
                }
            )
            let addresses = try await younger.start(taking: sockets, accepts: false)
            #expect(addresses.first?.port == server.port)
            await server.server.drain(within: .zero)
            // Nobody accepts: they wait in the queue that was handed over.
            var waiting: [Peer] = []
            for _ in 0..<20 {
                let client = try await server.client()
                try await client.send(get("/own"))
                waiting.append(client)
            }
            #expect(younger.connections == 0)
            await younger.accept()
            for client in waiting {
                #expect(await client.receive(through: "own").hasPrefix("HTTP/1.1 200 "))
                await client.close()
            }
            let again = await younger.listeningSockets()
            #expect(again.count == workers && younger.listenNames.count == 1)
            for socket in again { close(socket.descriptor) }
            await younger.drain(within: .zero)
        }
    }

    @Test func `a socket of another address is left alone, and a stranger's address still refused`()
        async throws
    {
        try await TestServer.run { server in
            let other = ListeningSocket(name: "127.0.0.1:1", descriptor: -1)
            let address = ListenAddress(host: "127.0.0.1", port: server.port)
            let second = ProxyServer(
                ServerSettings(listen: [address], workers: 1) { _, _ in
                    TestHandler(
                        endpoint: Endpoint(host: "127.0.0.1", port: 1),
                        told: Told(),
                        change: { _ in }
                    )
                }
            )
            await #expect(throws: ListenError.self) { try await second.start(taking: [other]) }
        }
    }
}
