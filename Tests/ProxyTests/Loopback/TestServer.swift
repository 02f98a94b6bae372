// A proxy server under test, with an upstream to play.

import NIOCore
import Synchronization
import Testing

@testable import Proxy

/// What a server's handlers were told, from all loops.
final class Told: Sendable {
    struct Ending: Sendable {
        let path: String
        let record: ExchangeRecord
    }

    private struct State {
        var endings: [Ending] = []
        var waiters: [(count: Int, wake: CheckedContinuation<Void, Never>)] = []
        /// Paths whose exchanges may not go on.
        var takenBack: Set<String> = []
        var standings: UInt64 = 0
    }

    private let state = Mutex(State())

    func add(_ ending: Ending) {
        let ready = self.state.withLock { state in
            state.endings.append(ending)
            let ready = state.waiters.filter { $0.count <= state.endings.count }
            state.waiters.removeAll { $0.count <= state.endings.count }
            return ready
        }
        for waiter in ready { waiter.wake.resume() }
    }

    /// From now on exchanges of this path may not go on.
    func takeBack(_ path: String) {
        self.state.withLock { state in
            state.takenBack.insert(path)
            state.standings += 1
        }
    }

    func isTakenBack(_ path: String) -> Bool { self.state.withLock { $0.takenBack.contains(path) } }

    var standings: UInt64 { self.state.withLock { $0.standings } }

    /// Waits for so many ended exchanges.
    func endings(_ count: Int) async -> [Ending] {
        await withCheckedContinuation { wake in
            let isThere = self.state.withLock { state in
                guard state.endings.count < count else { return true }
                state.waiters.append((count, wake))
                return false
            }
            if isThere { wake.resume() }
        }
        return self.state.withLock { $0.endings }
    }
}

/// Forwards everything but a few paths of its own.
final class TestHandler: ExchangeHandler {
    let endpoint: Endpoint
    let told: Told
    let change: @Sendable (inout ForwardOrder) -> Void

    init(endpoint: Endpoint, told: Told, change: @escaping @Sendable (inout ForwardOrder) -> Void) {
        self.endpoint = endpoint
        self.told = told
        self.change = change
    }

    func began(_ exchange: Exchange) {
        switch exchange.request.pathText {
        case "/own": exchange.answer(.text(200, "own"))
        case "/read", "/then-read":
            let read = {
                exchange.read(upTo: 40_000) { body in
                    switch body {
                    case .whole(let octets):
                        exchange.answer(.text(200, "<" + String(decoding: octets, as: UTF8.self) + ">"))
                    case .tooLarge: exchange.answer(.text(413, "too much"))
                    }
                }
            }
            if exchange.request.pathText == "/read" { read() } else { exchange.wait(for: {}) { read() } }
        case "/look":
            exchange.read(upTo: 10, keepsBody: true) { _ in self.forward(exchange) }
        case "/swap", "/swap-then":
            exchange.read(upTo: 10, keepsBody: true) { read in
                let body = [UInt8](repeating: 0x61, count: Int(exchange.request.queryText ?? "") ?? 0)
                guard read != .tooLarge, exchange.replaceBody(type: Array("text/other".utf8), body) else {
                    return exchange.answer(.text(500, "not replaced"))
                }
                guard exchange.request.pathText != "/swap" else { return self.forward(exchange) }
                exchange.wait(for: {}) { self.forward(exchange) }
            }
        case "/swap-late":
            exchange.read(upTo: 10, keepsBody: true) { _ in
                exchange.wait(for: {}) {
                    let isReplaced = exchange.replaceBody(type: nil, [])
                    exchange.answer(.text(200, isReplaced ? "replaced" : "not replaced"))
                }
            }
        case "/wait":
            exchange.wait(for: { "waited" }) { exchange.answer(.text(200, $0)) }
        case "/forever":
            exchange.wait(for: { try? await Task.sleep(for: .seconds(600)) }) {
                exchange.answer(.text(200, "never"))
            }
        case "/then": exchange.wait(for: {}) { self.forward(exchange) }
        default: self.forward(exchange)
        }
    }

    private func forward(_ exchange: Exchange) {
        var order = ForwardOrder(ForwardTerms(endpoint: self.endpoint))
        self.change(&order)
        exchange.forward(order)
    }

    var standings: UInt64 { self.told.standings }

    func mayGoOn(_ exchange: Exchange) -> Bool { !self.told.isTakenBack(exchange.request.pathText) }

    func answered(_ exchange: Exchange, head: inout ResponseHead) {
        exchange.answerEdits.set("x-edited", constant: "yes")
    }

    func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer { .text(error.status, error.reason) }

    func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer {
        .text(refusal.status, refusal.reason)
    }

    func ended(_ exchange: Exchange, _ record: ExchangeRecord) {
        self.told.add(Told.Ending(path: exchange.request.pathText, record: record))
    }
}

/// A running server with one worker and a scripted upstream; stopped at the end of `run`.
struct TestServer {
    let server: ProxyServer
    let port: Int
    let upstream: ScriptedUpstream
    let told: Told

    static func run(
        limits change: (inout ProxyLimits) -> Void = { _ in },
        order: @escaping @Sendable (inout ForwardOrder) -> Void = { _ in },
        _ body: (TestServer) async throws -> Void
    ) async throws {
        let (upstream, told) = (try await ScriptedUpstream.start(), Told())
        let endpoint = Endpoint(host: "127.0.0.1", port: upstream.port)
        var limits = ProxyLimits()
        change(&limits)
        let server = ProxyServer(
            ServerSettings(listen: [ListenAddress(host: "127.0.0.1", port: 0)], workers: 1, limits: limits) {
                _,
                _ in
                TestHandler(endpoint: endpoint, told: told, change: order)
            }
        )
        let port = try #require(try await server.start().first?.port)
        do {
            try await body(TestServer(server: server, port: port, upstream: upstream, told: told))
        } catch {
            await server.drain(within: .zero)
            await upstream.stop()
            throw error
        }
        await server.drain(within: .zero)
        await upstream.stop()
    }

    func client() async throws -> Peer { try await Peer.connect(to: self.port) }

    func accept() async throws -> Peer { try #require(await self.upstream.accept()) }
}

/// A GET of `path`.
func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
}

/// An answer with a counted body.
func ok(_ body: String, _ fields: String = "") -> String {
    "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}
