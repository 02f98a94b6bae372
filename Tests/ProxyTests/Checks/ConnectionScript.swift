// Octets as a play: what clients and upstreams do, step by step.

import NIOCore

@testable import Proxy

/// Reads a play from octets and lets a stage perform it.
///
/// A step is two octets, what happens (four low bits) to whom (four high bits) and an argument; raw steps take as
/// many octets more as the argument says.
struct ConnectionScript {
    private let octets: [UInt8]
    private var index = 0
    private let stage: Stage

    init(_ octets: [UInt8], on stage: Stage) {
        (self.octets, self.stage) = (octets, stage)
    }

    mutating func play() throws {
        try self.stage.addClient()
        var steps = 0
        while self.index + 1 < self.octets.count, steps < 200 {
            let (what, argument) = (self.octets[self.index], Int(self.octets[self.index + 1]))
            self.index += 2
            steps += 1
            if let step = Step(rawValue: what & 15) { try self.step(step, whom: Int(what >> 4), argument) }
            try self.stage.settle()
        }
        try self.finish()
    }

    private mutating func raw(_ count: Int) -> ArraySlice<UInt8> {
        let end = min(self.octets.count, self.index + count)
        defer { self.index = end }
        return self.octets[self.index..<end]
    }

    /// What can happen; a step's low bits.
    enum Step: UInt8 {
        /// A client sends the raw octets that follow, or one of the lines below; so does an upstream.
        case clientSends, clientSendsLine, upstreamSends, upstreamSendsLine
        /// It closes; with an odd argument by a reset.
        case clientCloses, upstreamCloses
        /// Its deadline passes.
        case clientIsLate, upstreamIsLate
        /// It takes no octets any more, or takes them again.
        case clientStalls, upstreamStalls
        /// Attempts to connect wait to be settled, or do so no more.
        case holdDials
        /// The oldest attempt succeeds (0), is refused (1), takes too long (2).
        case settleDial
        /// The oldest exchange that waits is forwarded (0) or answered (1).
        case decide
        case clientComes
        /// Octets of one read from now on.
        case cut
        /// The worker drains, with 255.
        case drain
    }

    private mutating func step(_ step: Step, whom: Int, _ argument: Int) throws {
        switch step {
        case .clientSends: self.client(whom)?.wire.send(self.raw(argument))
        case .clientSendsLine:
            self.client(whom)?.wire.send(Self.requests[argument % Self.requests.count].utf8)
        case .upstreamSends: self.upstream(whom)?.wire.send(self.raw(argument))
        case .upstreamSendsLine:
            self.upstream(whom)?.wire.send(Self.answers[argument % Self.answers.count].utf8)
        case .clientCloses: self.client(whom)?.wire.close(with: argument & 1 == 1 ? Self.reset : nil)
        case .upstreamCloses:
            if let upstream = self.upstream(whom) {
                self.stage.close(upstream, with: argument & 1 == 1 ? Self.reset : nil)
            }
        case .clientIsLate: self.clientIsLate(whom)
        case .upstreamIsLate:
            if let connection = self.upstream(whom)?.connection, connection.deadline < .distantFuture {
                connection.timeIsUp()
            }
        case .clientStalls: if let wire = self.client(whom)?.wire { wire.isFull.toggle() }
        case .upstreamStalls: if let wire = self.upstream(whom)?.wire { wire.isFull.toggle() }
        case .holdDials: self.stage.holdsDials.toggle()
        case .settleDial: try self.stage.settleDial(Self.dialErrors[argument % Self.dialErrors.count])
        case .decide: self.decide(argument)
        case .clientComes: if self.stage.clients.count < 3 { try self.stage.addClient() }
        case .cut: self.stage.pieceSize = argument == 0 ? Stage.largestPiece : argument
        case .drain: if argument == 255, !self.stage.worker.isDraining { self.stage.worker.drain {} }
        }
    }

    private static let reset = IOError(errnoCode: 104, reason: "reset")
    private static let dialErrors: [(any Error)?] = [
        nil, IOError(errnoCode: 111, reason: "refused"), ChannelError.connectTimeout(.seconds(1)),
    ]

    private func client(_ whom: Int) -> PlayedClient? { self.stage.clients[whom % self.stage.clients.count] }

    /// The open ones, the newest first.
    private func upstream(_ whom: Int) -> PlayedUpstream? {
        let open = self.stage.upstreams.filter { $0.wire.isOpen }
        return open.isEmpty ? nil : open[open.count - 1 - whom % open.count]
    }

    private func clientIsLate(_ whom: Int) {
        guard let client = self.client(whom), client.wire.isOpen else { return }
        if client.connection.phase == .deciding {
            client.connection.decisionTimedOut(client.connection.exchange)
        } else if client.connection.deadline < .distantFuture {
            client.connection.timeIsUp(.now())
        }
    }

    /// The oldest exchange that waits is decided.
    private func decide(_ argument: Int) {
        let handler = self.stage.handler
        guard !handler.waiting.isEmpty else { return }
        let (number, exchange) = handler.waiting.removeFirst()
        if argument & 1 == 1 {
            exchange.answer(handler.own(number, 200, "later"))
        } else {
            handler.forward(number, exchange)
        }
    }

    // MARK: The end

    /// Everyone does what is expected: then nothing may be left waiting.
    private func finish() throws {
        self.stage.holdsDials = false
        for client in self.stage.clients { client.wire.isFull = false }
        for upstream in self.stage.upstreams { upstream.wire.isFull = false }
        var before = -1
        while before != self.stage.progress {
            before = self.stage.progress
            while !self.stage.handler.waiting.isEmpty { self.decide(0) }
            try self.stage.settle()
            for upstream in self.stage.upstreams where upstream.wire.isOpen { self.conclude(upstream) }
            try self.stage.settle()
        }
        for client in self.stage.clients where client.wire.isOpen {
            let (phase, held) = (client.connection.phase, client.connection.held.readableBytes)
            switch phase {
            case .head: try demand(held == 0, "octets of a next request are forgotten")
            case .tunnelling, .draining, .lingering: break
            case .forwarding, .reading:
                try demand(!client.connection.body.isComplete && held == 0, "an exchange is stuck")
            case .deciding, .telling, .closed: throw Finding("a client is stuck (\(phase))")
            }
            try demand(client.wire.unread.isEmpty, "a client's octets are never read")
        }
    }

    private func conclude(_ upstream: PlayedUpstream) {
        guard let last = upstream.requests.last, last.isWhole else { return }
        guard last.answer.isEmpty else {
            let answer = PlainAnswer.read(last, self.stage.handler.exchanges[last.exchange].method)
            if !answer.isWhole { self.stage.close(upstream) }
            return
        }
        upstream.wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)
    }

    // MARK: Lines

    private static func get(_ path: String, _ fields: String = "", method: String = "GET") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
    }

    private static let chunked = "Transfer-Encoding: chunked\r\n"

    private static let requests: [String] = [
        get("/a"), get("/b"), get("/own"), get("/later"), get("/a", method: "HEAD"),
        get("/a", "Content-Length: 5\r\n", method: "POST") + "hello",
        get("/a", chunked, method: "POST") + "5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nT: v\r\n\r\n",
        get("/b", "Content-Length: 400\r\n", method: "PUT") + String(repeating: "p", count: 400),
        "GET /a HTTP/1.0\r\n\r\n", "GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        get("/a", "Expect: 100-continue\r\nContent-Length: 3\r\n", method: "POST"),
        get("/later", "Content-Length: 4\r\n", method: "POST") + "body",
        get("*", "Max-Forwards: 0\r\n", method: "OPTIONS"), get("/a", "Connection: close\r\n"),
        get("/a", chunked, method: "POST") + "5\r\nhel", get("/a", "Host: b\r\n"),
        get("/a", "Content-Length: 600\r\n", method: "POST"),
        get("/a", chunked, method: "POST") + "258\r\n" + String(repeating: "c", count: 600) + "\r\n0\r\n\r\n",
        get("/a") + get("/b"), get("/own") + get("/a") + get("/own", method: "HEAD"),
        get("/own", "Content-Length: 10\r\n", method: "POST") + "half ",
        get("/own", "Content-Length: 100\r\n", method: "POST"), get("/a", chunked, method: "POST") + "x\r\n",
        "lo\r\n0\r\n\r\n", "five!", "\r\n",
    ]

    private static func ok(_ fields: String, _ body: String = "", line: String = "HTTP/1.1 200 OK") -> String
    {
        "\(line)\r\n\(fields)\r\n\(body)"
    }

    private static let answers: [String] = [
        ok("Content-Length: 2\r\n", "ok"), ok("Content-Length: 0\r\n"), ok(chunked, "2\r\nok\r\n0\r\n\r\n"),
        ok("", "until close"), ok("", line: "HTTP/1.1 204 x"),
        ok("Content-Length: 9\r\n", line: "HTTP/1.1 304 x"),
        "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n",
        ok("Connection: close\r\nContent-Length: 2\r\n", "ok"),
        ok("Content-Length: 2\r\n", "ok", line: "HTTP/1.0 200 OK"),
        ok("Connection: keep-alive\r\nContent-Length: 2\r\n", "ok", line: "HTTP/1.0 200 OK"),
        ok(chunked + "Content-Length: 2\r\n", "ok"), ok("", line: "HTTP/1.1 101 Switching"),
        ok("Content-Length: 2\r\n", "ok!"), ok("Content-Length: 10\r\n", "three"), "more!", "\r\n",
        "0\r\n\r\n",
        ok("Content-Length: 1000\r\n", String(repeating: "b", count: 1000)), ok(chunked, "5\r\nhel"),
        ok(chunked, "5\r\nhello\r\nx"), "lo\r\n", "HTTP/1.1 2", "x", ok("Content-Length: 600\r\n"),
        String(repeating: "m", count: 600), ok("X-Exchange: 9\r\nContent-Length: 1\r\n", "e"),
        ok("Content-Length: 2\r\n", "ok") + ok("Content-Length: 2\r\n", "no"),
        ok("Content-Length: 900\r\n", String(repeating: "n", count: 900)),
    ]
}
