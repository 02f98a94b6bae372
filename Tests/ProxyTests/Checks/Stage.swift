// A worker with clients and upstreams of memory, and what each of them saw.

import NIOCore
import NIOEmbedded

@testable import Proxy

/// What is known of an exchange from outside.
struct PlayedExchange {
    let client: Int
    let summary: String
    let method: Proxy.Method
    var ownAnswer: Answer?
    var endings = 0
    var record = ExchangeRecord()
    var isForwarded = false
}

/// A client and its connection.
final class PlayedClient {
    let wire: Wire
    let connection: ServerConnection
    /// What the proxy was given to read.
    var sent: [UInt8] = []
    /// Its exchanges, in order.
    var exchanges: [Int] = []
    /// The exchange under way.
    var current: Int?

    init(wire: Wire, connection: ServerConnection) {
        (self.wire, self.connection) = (wire, connection)
    }
}

/// An upstream's connection.
final class PlayedUpstream {
    /// A request that it saw, and what it sent since.
    struct Request {
        let exchange: Int
        let head: PlainMessage
        var body: [UInt8] = []
        var isWhole = false
        var answer: [UInt8] = []
        /// Whether it closed by itself, without an error, after the answer.
        var isClosed = false
    }

    let wire: Wire
    let connection: UpstreamConnection
    var requests: [Request] = []
    /// Where the next request begins.
    var end = 0
    /// Whether it sent something before any request.
    var isRude = false
    /// Whether it has been idle, so that its peer may have closed it before it was used.
    var hasRested = false

    init(wire: Wire, connection: UpstreamConnection) {
        (self.wire, self.connection) = (wire, connection)
    }
}

/// All that takes part in one run of a script.
final class Stage {
    let loop = EmbeddedEventLoop()
    let handler = PlayedHandler()
    private(set) var worker: Worker
    private(set) var clients: [PlayedClient] = []
    private(set) var upstreams: [PlayedUpstream] = []
    private let dialing = Dialing()
    let admission = Admission(Stage.limits)
    /// Octets of one read.
    var pieceSize = 1024
    var holdsDials = false
    static let largestPiece = 1024
    /// What one exchange may write before its peer's silence is felt: a head and a read.
    static let mostWhileFull = 6144

    /// Limits low enough that a short script reaches them.
    static var limits: ProxyLimits {
        var limits = ProxyLimits()
        (limits.headBytes, limits.lineBytes, limits.fields) = (2048, 512, 16)
        (limits.bodyBytes, limits.bufferedBytes, limits.drainedBytes) = (512, 128, 64)
        (limits.upstreamConnections, limits.upstreamIdleConnections, limits.upstreamWaiters) = (2, 1, 2)
        limits.requestsPerConnection = 16
        return limits
    }

    /// Attempts to connect that have not ended.
    final class Dialing {
        var attempts: [(connection: UpstreamConnection, made: EventLoopPromise<any Channel>)] = []
    }

    init() {
        let (loop, dialing) = (self.loop, self.dialing)
        let settings = ServerSettings(listen: [], workers: 1, limits: Self.limits) { _, _ in PlayedHandler() }
        self.worker = Worker(
            eventLoop: loop,
            settings: settings,
            handler: self.handler,
            admission: self.admission,
            dialer: Dialer { _, speaker, _ in
                let made = loop.makePromise(of: (any Channel).self)
                if let connection = speaker as? UpstreamConnection {
                    dialing.attempts.append((connection, made))
                }
                return made.futureResult
            }
        )
        handler.stage = self
    }

    // MARK: Who takes part

    func addClient() throws {
        let wire = Wire(loop: self.loop)
        let connection = ServerConnection(worker: self.worker)
        self.clients.append(PlayedClient(wire: wire, connection: connection))
        try wire.attach(connection)
        wire.activate()
    }

    var hasDials: Bool { !self.dialing.attempts.isEmpty }

    /// Ends the oldest attempt to connect.
    func settleDial(_ error: (any Error)?) throws {
        guard !self.dialing.attempts.isEmpty else { return }
        let (connection, made) = self.dialing.attempts.removeFirst()
        if let error { return made.fail(error) }
        let wire = Wire(loop: self.loop)
        self.upstreams.append(PlayedUpstream(wire: wire, connection: connection))
        try wire.attach(connection)
        wire.activate { made.succeed(wire.channel) }
    }

    /// Gives which client an exchange belongs to.
    func client(of exchange: Exchange) -> Int? {
        self.clients.firstIndex { $0.connection.exchange === exchange }
    }

    // MARK: Steps

    /// Lets everything happen that can happen now.
    func settle() throws {
        var rounds = 0
        repeat {
            rounds += 1
            try demand(rounds < 50_000, "the proxy never comes to rest")
            self.loop.run()
            try self.look()
            while !self.holdsDials, self.hasDials {
                try self.settleDial(nil)
                self.loop.run()
                try self.look()
            }
        } while try self.deliverOne()
    }

    /// Lets one connection read once; false if none can.
    private func deliverOne() throws -> Bool {
        if let client = self.clients.first(where: { $0.wire.isReadable }) {
            let piece = client.wire.unread.prefix(self.pieceSize)
            client.sent += piece
            _ = client.wire.deliver(self.pieceSize)
            return true
        }
        guard let upstream = self.upstreams.first(where: { $0.wire.isReadable }) else { return false }
        let piece = upstream.wire.unread.prefix(self.pieceSize)
        if upstream.requests.isEmpty {
            upstream.isRude = true
        } else {
            upstream.requests[upstream.requests.count - 1].answer += piece
        }
        _ = upstream.wire.deliver(self.pieceSize)
        return true
    }

    /// Rises with everything that happens.
    var progress: Int {
        let wires = self.clients.map(\.wire) + self.upstreams.map(\.wire)
        return wires.reduce(self.handler.exchanges.count) { $0 + $1.written.count + ($1.isOpen ? 1 : 2) }
    }

    /// The upstream closes; by itself, unless there is an error.
    func close(_ upstream: PlayedUpstream, with error: (any Error)? = nil) {
        guard upstream.wire.isOpen else { return }
        if error == nil, !upstream.requests.isEmpty {
            upstream.requests[upstream.requests.count - 1].isClosed = true
        }
        upstream.wire.close(with: error)
    }

    /// Takes everyone away; gives what must be gone then.
    func leave() -> [() -> AnyObject?] {
        var remains: [() -> AnyObject?] = []
        for client in self.clients {
            client.wire.close()
            remains.append { [weak connection = client.connection] in connection }
        }
        for upstream in self.upstreams {
            upstream.wire.close()
            remains.append { [weak connection = upstream.connection] in connection }
        }
        for (_, made) in self.dialing.attempts { made.fail(ChannelError.ioOnClosedChannel) }
        self.dialing.attempts = []
        self.loop.run()
        return remains
    }

    func forgetAll() {
        self.clients = []
        self.upstreams = []
        self.handler.waiting = []
        self.loop.run()
    }
}

/// Decides by path, and remembers every exchange.
final class PlayedHandler: ExchangeHandler {
    weak var stage: Stage?
    private(set) var exchanges: [PlayedExchange] = []
    /// Exchanges that are decided later.
    var waiting: [(number: Int, exchange: Exchange)] = []
    /// The first promise that was broken towards the handler.
    private(set) var broken: String?

    private let endpoints = [Endpoint(host: "10.0.0.1", port: 80), Endpoint(host: "10.0.0.2", port: 80)]

    func began(_ exchange: Exchange) {
        guard let number = self.open(exchange, summary: RequestCheck.summary(exchange.request)) else {
            return
        }
        switch exchange.request.pathText {
        case "/own": exchange.answer(self.own(number, 200, "own"))
        case "/later": self.waiting.append((number, exchange))
        default: self.forward(number, exchange)
        }
    }

    func forward(_ number: Int, _ exchange: Exchange) {
        self.exchanges[number].isForwarded = true
        let endpoint = self.endpoints[exchange.request.pathText == "/b" ? 1 : 0]
        exchange.forward(ForwardOrder(ForwardTerms(endpoint: endpoint)))
    }

    func own(_ number: Int, _ status: Int, _ text: String) -> Answer {
        var answer = Answer.text(status, "\(text) \(number)")
        answer.fields.append(("x-own", "yes"))
        self.exchanges[number].ownAnswer = answer
        return answer
    }

    func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer {
        guard let number = self.current(exchange) else {
            self.broken = self.broken ?? "an exchange failed that was not open"
            return .text(500, "")
        }
        return self.own(number, error.status, error.reason)
    }

    func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer {
        guard let number = self.current(exchange) ?? self.open(exchange, summary: nil) else {
            return .text(500, "")
        }
        return self.own(number, refusal.status, refusal.reason)
    }

    func ended(_ exchange: Exchange, _ record: ExchangeRecord) {
        guard let number = self.current(exchange) else {
            self.broken = self.broken ?? "an exchange ended that was not open"
            return
        }
        self.exchanges[number].endings += 1
        self.exchanges[number].record = record
        self.waiting.removeAll { $0.number == number }
        self.stage?.clients[self.exchanges[number].client].current = nil
    }

    private func current(_ exchange: Exchange) -> Int? {
        self.stage.flatMap { stage in stage.client(of: exchange).flatMap { stage.clients[$0].current } }
    }

    /// Numbers an exchange; a refused one has no summary.
    private func open(_ exchange: Exchange, summary: String?) -> Int? {
        guard let stage = self.stage, let client = stage.client(of: exchange) else { return nil }
        if stage.clients[client].current != nil {
            self.broken = self.broken ?? "an exchange began before the last one ended"
        }
        let number = self.exchanges.count
        self.exchanges.append(
            PlayedExchange(
                client: client,
                summary: summary ?? "",
                method: summary == nil ? .get : exchange.request.method
            )
        )
        stage.clients[client].current = number
        stage.clients[client].exchanges.append(number)
        do {
            try exchange.upstreamEdits.set("x-exchange", "\(number)")
            try exchange.answerEdits.set("x-exchange", "\(number)")
        } catch {
            self.broken = "a number is no field value"
        }
        return number
    }
}
