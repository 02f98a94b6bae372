// A connection of HTTP/2 under any frames.

import NIOCore
import NIOEmbedded

@testable import Proxy

/// Performs frames that a client sends and holds what comes of them to what each exchange must come to.
package enum FramesCheck {
    /// Holds the frames that `input` makes to all promises about connections of HTTP/2.
    package static func run(_ input: [UInt8]) throws {
        var script = FramesScript(input)
        let stage = try FramesStage()
        while let step = script.next() {
            guard stage.wire.isOpen else { break }
            try stage.perform(step)
        }
        try stage.leave()
        for (number, exchange) in stage.handler.exchanges.enumerated() {
            try demand(exchange == 1, "exchange \(number) ended \(exchange) times")
        }
        try demand(stage.handler.broken == nil, stage.handler.broken ?? "")
        try Self.holdFrames(stage.wire.written)
        try demand(stage.admission.connections == 0, "a connection is counted after its end")
    }

    /// What we write is frames; after its end nothing more comes on a stream.
    private static func holdFrames(_ octets: [UInt8]) throws {
        var (index, ended) = (0, Set<UInt32>())
        while index < octets.count {
            try demand(index + 9 <= octets.count, "a frame's head is cut off")
            let length = octets[index..<(index + 3)].reduce(0) { $0 << 8 | Int($1) }
            let (kind, flags) = (octets[index + 3], octets[index + 4])
            let stream = octets[(index + 5)..<(index + 9)].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            try demand(
                length <= 16_384 && index + 9 + length <= octets.count,
                "a frame is cut off or too long"
            )
            try demand(index > 0 || kind == 4, "the first frame is no SETTINGS")
            if kind == 7, octets[(index + 13)..<(index + 17)].contains(where: { $0 != 0 }) {
                try demand(index + 9 + length == octets.count, "something follows the connection's end")
            }
            let isOfStream = kind == 0 || kind == 1
            try demand(!isOfStream || stream % 2 == 1, "an answer on a stream that no client opens")
            try demand(!isOfStream || !ended.contains(stream), "something follows the end of a stream")
            if kind == 3 || (isOfStream && flags & 1 == 1) { ended.insert(stream) }
            index += 9 + length
        }
    }
}

/// A client's next deed.
enum FramesStep {
    case octets([UInt8])
    case decide
    case full(Bool)
}

/// Reads deeds out of any octets; a frame's kind, flags, stream and payload are mostly what they should be.
struct FramesScript {
    private var rest: ArraySlice<UInt8>
    private var nextStream: UInt32 = 1

    init(_ input: [UInt8]) { self.rest = input[...] }

    private mutating func octet() -> UInt8 { self.rest.popFirst() ?? 0 }

    private mutating func some(_ most: Int) -> [UInt8] {
        let count = Int(self.octet()) % (most + 1)
        let taken = Array(self.rest.prefix(count))
        self.rest = self.rest.dropFirst(count)
        return taken
    }

    mutating func next() -> FramesStep? {
        guard !self.rest.isEmpty else { return nil }
        let kind = self.octet()
        switch kind % 16 {
        case 0, 1, 2: return .octets(self.headers())
        case 3: return .octets(Self.frame(0, self.octet() & 0x9, self.stream(), self.some(200)))
        case 4: return .octets(Self.frame(3, 0, self.stream(), Self.number(UInt32(self.octet()))))
        case 5: return .octets(Self.frame(8, 0, self.stream(), Self.number(self.large())))
        case 6: return .octets(Self.frame(4, self.octet() & 1, 0, self.some(18)))
        case 7:
            return .octets(
                Self.frame(6, self.octet() & 1, 0, Array(self.some(8) + [0, 0, 0, 0, 0, 0, 0, 0]).prefix8)
            )
        case 8: return .octets(Self.frame(9, self.octet() & 4, self.stream(), self.some(60)))
        case 9: return .octets(Self.frame(7, 0, 0, Self.number(self.large()) + Self.number(0)))
        case 10: return .octets(Self.frame(self.octet(), self.octet(), self.stream(), self.some(40)))
        case 11: return .octets(self.some(60))
        case 12, 13: return .decide
        case 14: return .full(true)
        default: return .full(false)
        }
    }

    /// A head on the next stream, or on one that is there.
    private mutating func headers() -> [UInt8] {
        let choice = self.octet()
        let stream = choice & 0x80 == 0 ? self.nextStream : self.stream()
        if stream == self.nextStream { self.nextStream += 2 }
        var block: [UInt8] = []
        for (name, value) in Self.heads[Int(choice) % Self.heads.count] { block += Self.field(name, value) }
        if choice & 0x40 != 0 { block += Self.field("x-any", self.some(20)) }
        if choice & 0x20 != 0 { block += self.some(20) }
        return Self.frame(1, 4 | (self.octet() & 1), stream, block)
    }

    private mutating func stream() -> UInt32 {
        let choice = UInt32(self.octet())
        return choice < 200 && self.nextStream > 1 ? (choice % (self.nextStream / 2)) * 2 + 1 : choice
    }

    private mutating func large() -> UInt32 {
        let choice = self.octet()
        return choice < 128 ? UInt32(choice) * 1000 : 0x7FFF_FF80 + UInt32(choice - 128)
    }

    private static let heads: [[(String, String)]] = {
        let plain = [(":method", "GET"), (":scheme", "http"), (":authority", "a.test")]
        let post = [(":method", "POST"), (":scheme", "http"), (":authority", "a.test")]
        return [
            plain + [(":path", "/own")], plain + [(":path", "/later")], plain + [(":path", "/up")],
            post + [(":path", "/read")], post + [(":path", "/look")],
            post + [(":path", "/read"), ("content-length", "5")],
            post + [(":path", "/later")], post + [(":path", "/up"), ("content-length", "5")],
            post + [(":path", "/own"), ("cookie", "a=1"), ("cookie", "b=2")],
            plain + [(":path", "http://b/")],
            plain + [(":path", "/own"), ("connection", "close")],
            plain + [(":path", "/own"), ("host", "b.test")],
            [("x-trailer", "late")], plain + [(":path", "/a/../own#x")],
            [(":method", "HEAD")] + plain.dropFirst()
                + [(":path", "/own")],
        ]
    }()

    static func frame(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        [
            0, UInt8(truncatingIfNeeded: payload.count >> 8), UInt8(truncatingIfNeeded: payload.count), kind,
            flags,
        ]
            + Self.number(stream) + payload
    }

    static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }

    /// A field as it stands, without an entry in the table.
    private static func field(_ name: String, _ value: some Sequence<UInt8>) -> [UInt8] {
        let value = Array(value)
        return [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.count)] + value
    }

    private static func field(_ name: String, _ value: String) -> [UInt8] { Self.field(name, value.utf8) }
}

extension [UInt8] {
    fileprivate var prefix8: [UInt8] { Array(self.prefix(8)) }
}

/// One connection with its worker, and upstreams that nobody reaches.
final class FramesStage {
    let wire: Wire
    let handler = FramesHandler()
    let admission = Admission(ProxyLimits())
    private let loop = EmbeddedEventLoop()
    private let worker: Worker

    init() throws {
        let loop = self.loop
        var limits = ProxyLimits()
        (limits.headBytes, limits.bodyBytes, limits.requestsPerConnection) = (2048, 512, 32)
        let settings = ServerSettings(listen: [], workers: 1, limits: limits) { _, _ in FramesHandler() }
        self.worker = Worker(
            eventLoop: loop,
            settings: settings,
            handler: self.handler,
            admission: self.admission,
            dialer: Dialer { _, _, _ in loop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        )
        self.wire = Wire(loop: loop)
        try self.wire.channel.pipeline.syncOperations.addHandler(self.wire)
        try HTTP2Connection.install(on: self.wire.channel, worker: self.worker)
        self.wire.activate()
        try self.perform(
            .octets(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + FramesScript.frame(4, 0, 0, []))
        )
    }

    func perform(_ step: FramesStep) throws {
        switch step {
        case .octets(let octets):
            self.wire.send(octets)
            while self.wire.isReadable { _ = self.wire.deliver(4096) }
        case .decide: self.handler.decide()
        case .full(let isFull): self.wire.isFull = isFull
        }
        self.loop.run()
        try demand(!self.wire.hasUnflushed, "something was written and never flushed")
    }

    func leave() throws {
        self.wire.close()
        self.loop.run()
        self.handler.waiting = []
    }
}

/// Decides by path, and counts how often each exchange ends.
final class FramesHandler: ExchangeHandler {
    private(set) var exchanges: [Int] = []
    private(set) var broken: String?
    var waiting: [Exchange] = []
    private var current: [ObjectIdentifier: Int] = [:]
    private let endpoint = Endpoint(host: "10.0.0.1", port: 80)

    func began(_ exchange: Exchange) {
        self.open(exchange)
        self.hold(exchange.request)
        switch exchange.request.pathText {
        case "/own": exchange.answer(.text(200, "own"))
        case "/read":
            exchange.read(upTo: 8) { exchange.answer(.text($0 == .tooLarge ? 413 : 200, "read")) }
        case "/look":
            exchange.read(upTo: 8, keepsBody: true) { _ in
                exchange.forward(ForwardOrder(ForwardTerms(endpoint: self.endpoint)))
            }
        case "/later": self.waiting.append(exchange)
        default: exchange.forward(ForwardOrder(ForwardTerms(endpoint: self.endpoint)))
        }
    }

    func decide() {
        guard !self.waiting.isEmpty else { return }
        self.waiting.removeFirst().answer(.text(200, String(repeating: "later", count: 400)))
    }

    /// What began went through the guard: a path, a host, and no octet that could be taken for another line.
    private func hold(_ request: RequestHead) {
        let isSound =
            request.path.first == 0x2F && !request.host.isEmpty
            && !request.pathAndQuery.contains { $0 <= 0x20 || $0 == 0x7F }
            && request.count(of: .cookie) <= 1 && request.count(of: .connection) == 0
        if !isSound {
            self.broken = "a request began that the guard should have refused: \(request.pathText)"
        }
    }

    private func open(_ exchange: Exchange) {
        if self.current[ObjectIdentifier(exchange)] != nil {
            self.broken = "an exchange began before its end"
        }
        self.current[ObjectIdentifier(exchange)] = self.exchanges.count
        self.exchanges.append(0)
    }

    func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer { .text(error.status, error.reason) }

    func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer {
        if self.current[ObjectIdentifier(exchange)] == nil { self.open(exchange) }
        return .text(refusal.status, refusal.reason)
    }

    func ended(_ exchange: Exchange, _ record: ExchangeRecord) {
        guard let number = self.current.removeValue(forKey: ObjectIdentifier(exchange)) else {
            self.broken = "an exchange ended that was not open"
            return
        }
        self.exchanges[number] += 1
        self.waiting.removeAll { $0 === exchange }
    }
}
