// Addresses that cannot be listened on.

import Glibc
import Testing

@testable import Proxy

@Suite(.timeLimit(.minutes(1)))
struct ListenErrorTests {
    /// Tries to serve at an address beside a running server.
    private func start(at address: ListenAddress, beside server: TestServer) async throws {
        let second = ProxyServer(
            ServerSettings(listen: [address], workers: 1) { _, _ in
                TestHandler(
                    endpoint: Endpoint(host: "127.0.0.1", port: 1),
                    told: server.told,
                    change: { _ in }
                )
            }
        )
        try await second.start()
        await second.drain(within: .zero)
    }

    @Test func `an address that another program has is named, and so is one of another machine`() async throws
    {
        try await TestServer.run { server in
            let taken = ListenAddress(host: "127.0.0.1", port: server.port)
            let inUse = await #expect(throws: ListenError.self) {
                try await self.start(at: taken, beside: server)
            }
            #expect(inUse?.code == EADDRINUSE)
            #expect(inUse?.description == "127.0.0.1:\(server.port): another program listens there")
            let foreign = ListenAddress(host: "192.0.2.1", port: 8000)
            let error = await #expect(throws: ListenError.self) {
                try await self.start(at: foreign, beside: server)
            }
            #expect(error?.description == "192.0.2.1:8000: this machine has no such address")
        }
    }

    @Test func `a backlog beyond all bounds is as large as can be`() async throws {
        try await TestServer.run { server in
            let wide = ListenAddress(host: "127.0.0.1", port: 0, backlog: .max)
            try await self.start(at: wide, beside: server)
        }
    }
}
