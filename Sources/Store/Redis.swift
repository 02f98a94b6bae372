// A Redis as others ask it: from any thread, answered when the answer is there.
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// What is known of a store and was counted, read from any thread.
final class StoreBoard: Sendable {
    private struct Facts {
        var isDown = false
        /// Seconds of the monotonic clock at which the link came up last.
        var upSince: Double?
        var outcomes: [String: Int] = [:]
        var totalSeconds = 0.0
    }

    private let facts = Mutex(Facts())
    private let title: String
    private let events: any StoreEvents

    init(title: String, events: any StoreEvents) {
        self.title = title
        self.events = events
    }

    func isUp() {
        self.facts.withLock { facts in
            facts.isDown = false
            facts.upSince = RedisLink.now()
        }
        self.events.storeUp(self.title)
    }

    /// A part of it is there again.
    func isBack() {
        self.facts.withLock { if $0.upSince != nil { $0.upSince = RedisLink.now() } }
    }

    func node(_ node: String, is trouble: LinkTrouble?) {
        if let trouble {
            self.events.storeNodeDown(self.title, node: node, reason: trouble.reason)
        } else {
            self.events.storeNodeUp(self.title, node: node)
        }
    }

    func isDown(_ reason: String) {
        self.facts.withLock { $0.isDown = true }
        self.events.storeDown(self.title, reason: reason)
    }

    func count(_ outcome: String, seconds: Double) {
        self.facts.withLock { facts in
            facts.outcomes[outcome, default: 0] += 1
            facts.totalSeconds += seconds
        }
    }

    var isKnownDown: Bool { self.facts.withLock { $0.isDown } }

    /// Seconds since the link came up last; nil while it is not up.
    var upSeconds: Double? {
        self.facts.withLock { facts in
            facts.isDown ? nil : facts.upSince.map { RedisLink.now() - $0 }
        }
    }

    var report: StoreReport {
        self.facts.withLock {
            StoreReport(
                title: self.title,
                isUp: !$0.isDown && $0.upSince != nil,
                outcomes: $0.outcomes,
                totalSeconds: $0.totalSeconds
            )
        }
    }
}

/// What a store has answered so far, for the metrics.
package struct StoreReport: Sendable {
    /// Names the store, without a secret.
    package let title: String
    /// Whether it is there.
    package let isUp: Bool
    /// How often commands came to what: `ok`, or the reason of a failure.
    package let outcomes: [String: Int]
    /// What all answers took together.
    package let totalSeconds: Double
}

/// A Redis server, the one that sentinels name, or a cluster: one connection to each server that all loops share, on which commands
/// are pipelined.
///
/// It connects when it is first asked, and again by itself when the connection ends.
package final class Redis: Sendable {
    /// Where it is.
    package let address: RedisAddress
    private let board: StoreBoard
    private let loop: any EventLoop
    private let link: NIOLoopBoundBox<any RedisCarrier>

    /// Makes the link; nothing is connected yet.
    ///
    /// - Parameter authorities: a PEM file of those whose signatures are believed; nil for the system's.
    package init(
        _ address: RedisAddress,
        authorities: String? = nil,
        limits: LinkLimits? = nil,
        events: any StoreEvents
    ) throws(RedisAddressError) {
        self.address = address
        let board = StoreBoard(title: address.title, events: events)
        self.board = board
        let tls = try Self.context(address, authorities)
        var usual = LinkLimits()
        usual.connectSeconds = address.connectSeconds
        usual.commandSeconds = address.commandSeconds
        let terms = limits ?? usual
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        self.loop = loop
        self.link = NIOLoopBoundBox.makeBoxSendingValue(
            Self.carrier(address, tls, board, terms, loop),
            eventLoop: loop
        )
    }

    private static func carrier(
        _ address: RedisAddress,
        _ tls: NIOSSLContext?,
        _ board: StoreBoard,
        _ limits: LinkLimits,
        _ loop: any EventLoop
    ) -> any RedisCarrier {
        if let cluster = address.cluster {
            return ClusterLink(address, cluster, tls: tls, board: board, limits: limits, loop: loop)
        }
        return RedisLink(address, tls: tls, limits: limits, loop: loop) { trouble in
            if let trouble { board.isDown(trouble.reason) } else { board.isUp() }
        }
    }

    private static func context(
        _ address: RedisAddress,
        _ authorities: String?
    ) throws(RedisAddressError) -> NIOSSLContext? {
        guard let terms = address.tls else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = terms.verifies ? .fullVerification : .none
        if let authorities { configuration.trustRoots = .file(authorities) }
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw .init("the authorities for rediss:// cannot be read")
        }
    }

    deinit {
        let link = self.link
        self.loop.execute { link.value.stop() }
    }

    /// Connects beforehand, so that the first to ask need not wait.
    package func start() {
        let link = self.link
        self.loop.execute { link.value.start() }
    }

    /// Whether it is known that no connection comes about: whoever asks is told at once.
    package var isDown: Bool { self.board.isKnownDown }

    /// Seconds since the connection came about last; nil while there is none.
    package var upSeconds: Double? { self.board.upSeconds }

    /// What was answered so far.
    package var report: StoreReport { self.board.report }

    /// Sends a command and waits for its answer.
    ///
    /// - Throws: after `.timedOut` and `.lost` the command may have been carried out or not.
    package func call(_ command: RedisCommand) async throws(StoreError) -> RedisReply {
        let link = self.link
        let began = RedisLink.now()
        let result = await withCheckedContinuation { continuation in
            self.loop.execute { link.value.call(command) { continuation.resume(returning: $0) } }
        }
        switch result {
        case .success: self.board.count("ok", seconds: RedisLink.now() - began)
        case .failure(let error): self.board.count(error.reason, seconds: RedisLink.now() - began)
        }
        return try result.get()
    }

    /// Sends several commands at once and waits for all answers; the first failure is thrown.
    package func call(_ commands: [RedisCommand]) async throws(StoreError) -> [RedisReply] {
        let link = self.link
        let began = RedisLink.now()
        let results = await withCheckedContinuation { continuation in
            self.loop.execute { Self.call(commands, link.value) { continuation.resume(returning: $0) } }
        }
        let spent = RedisLink.now() - began
        var replies: [RedisReply] = []
        for result in results {
            switch result {
            case .success(let reply):
                self.board.count("ok", seconds: spent)
                replies.append(reply)
            case .failure(let error): self.board.count(error.reason, seconds: 0)
            }
        }
        for result in results { if case .failure(let error) = result { throw error } }
        return replies
    }

    private static func call(
        _ commands: [RedisCommand],
        _ link: any RedisCarrier,
        _ done: @escaping @Sendable ([Result<RedisReply, StoreError>]) -> Void
    ) {
        let gathered = Gathered(commands.count, done)
        for (place, command) in commands.enumerated() { link.call(command) { gathered.take($0, at: place) } }
    }

    /// Answers of several commands, until all are there.
    private final class Gathered: Sendable {
        private let results: Mutex<([Result<RedisReply, StoreError>?], Int)>
        private let done: @Sendable ([Result<RedisReply, StoreError>]) -> Void

        init(_ count: Int, _ done: @escaping @Sendable ([Result<RedisReply, StoreError>]) -> Void) {
            self.results = Mutex(([Result<RedisReply, StoreError>?](repeating: nil, count: count), count))
            self.done = done
        }

        func take(_ result: Result<RedisReply, StoreError>, at place: Int) {
            let all = self.results.withLock { state -> [Result<RedisReply, StoreError>]? in
                state.0[place] = result
                state.1 -= 1
                return state.1 == 0 ? state.0.compactMap { $0 } : nil
            }
            if let all { self.done(all) }
        }
    }

    /// Runs a script, whole and undisturbed, on this key; on no second one, which may lie with another server.
    package func run(
        _ script: String,
        key: RedisWord,
        _ arguments: [RedisWord],
        outlivesFailover: Bool = false
    ) async throws(StoreError) -> RedisReply {
        try await self.call(
            RedisCommand(
                [RedisWord("EVAL"), RedisWord(script), "1", key] + arguments,
                keyAt: 3,
                outlivesFailover: outlivesFailover
            )
        )
    }
}
