// A server: workers, each with its listening sockets and its handler.

import NIOCore
import NIOPosix
import Synchronization

/// Listens, carries exchanges, and drains.
package final class ProxyServer: Sendable {
    private struct State {
        var group: MultiThreadedEventLoopGroup?
        var workers: [NIOLoopBound<Worker>] = []
        var listeners: [any Channel] = []
    }

    private let settings: ServerSettings
    private let state = Mutex(State())
    private let admission: Admission

    /// Makes a server that does not listen yet.
    package init(_ settings: ServerSettings) {
        self.settings = settings
        self.admission = Admission(settings.limits)
    }

    /// How many clients are connected.
    package var connections: Int { self.admission.connections }

    /// How many connections were closed at once, for a reason.
    package func turnedAway(_ reason: TurnedAway) -> Int { self.admission.turnedAway(reason) }

    /// How many connections came to nothing before a request, for a reason.
    package func refusals(_ reason: EarlyRefusal) -> Int { self.admission.refusals(reason) }

    /// How often a listening socket was left alone for a moment, because the system had no room.
    package var acceptPauses: Int { self.admission.acceptPauses }

    /// Starts the workers and listens; gives the addresses with the ports that the system chose.
    ///
    /// - Parameters:
    ///   - sockets: what another program listens on, taken over where an address is ours too; the rest is left alone.
    ///   - accepts: whether connections are accepted at once; otherwise they wait in the queue for `accept`.
    /// - Throws: `ListenError` for the first address that cannot be listened on.
    @discardableResult
    package func start(
        taking sockets: [ListeningSocket] = [],
        accepts: Bool = true
    ) async throws -> [ListenAddress] {
        let count = self.settings.workers > 0 ? self.settings.workers : System.coreCount
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        self.state.withLock { $0.group = group }
        var workers: [NIOLoopBound<Worker>] = []
        for index in 0..<count {
            workers.append(try await self.makeWorker(index, on: group.next()))
        }
        let made = workers
        for (index, worker) in made.enumerated() {
            let others = made.enumerated().filter { $0.offset != index }.map(\.element)
            try await worker.eventLoop.submit { worker.value.balancers.others = others }.get()
        }
        self.state.withLock { $0.workers = made }
        var addresses: [ListenAddress] = []
        do {
            for address in self.settings.listen {
                let listening = Listening(address: address, workers: workers, accepts: accepts) { channel in
                    self.state.withLock { $0.listeners.append(channel) }
                }
                do {
                    addresses.append(try await listening.start(taking: sockets))
                } catch {
                    throw ListenError(address, error)
                }
            }
        } catch {
            await self.drain(within: .zero)
            throw error
        }
        return addresses
    }

    /// Begins to accept connections, where `start` did not.
    package func accept() async {
        for listener in self.state.withLock({ $0.listeners }) {
            try? await listener.setOption(.autoRead, value: true).get()
        }
    }

    /// Closes this program's listening sockets; whoever has copies goes on with them and their queues.
    package func stopListening() async {
        let listeners = self.state.withLock { state in
            defer { state.listeners = [] }
            return state.listeners
        }
        for listener in listeners { try? await listener.close() }
    }

    /// The addresses that are listened on, as listening sockets are named.
    package var listenNames: Set<String> {
        Set(self.state.withLock { $0.listeners }.compactMap { $0.localAddress?.listenName })
    }

    /// Copies of all listening sockets, to hand to another program; whoever has them closes them.
    package func listeningSockets() async -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        for listener in self.state.withLock({ $0.listeners }) {
            if let socket = await ListeningSocket.copy(of: listener) { sockets.append(socket) }
        }
        return sockets
    }

    /// Stops listening, lets exchanges end for at most `limit`, then closes what is left and ends the workers.
    ///
    /// Handlers can be asked until the workers end.
    package func drain(within limit: Duration) async {
        await self.stopListening()
        let workers = self.state.withLock { $0.workers }
        await withTaskGroup(of: Void.self) { tasks in
            for worker in workers { tasks.addTask { await Self.drain(worker, within: limit) } }
        }
        let group = self.state.withLock { state in
            defer { state = State() }
            return state.group
        }
        for worker in workers {
            try? await worker.eventLoop.submit { worker.value.stop() }.get()
        }
        try? await group?.shutdownGracefully()
    }

    /// Asks the handler of each worker, on its event loop.
    package func onEachWorker<T: Sendable>(
        _ body: @escaping @Sendable (any ExchangeHandler) -> T
    ) async -> [T] {
        await self.ask { body($0.handler) }
    }

    /// Lets go of connections to all upstreams but these; what is busy is let go when it is free.
    ///
    /// - Parameter groups: those with several targets, whose health is watched from now on.
    package func keepUpstreams(_ endpoints: Set<Endpoint>, _ groups: [TargetGroup] = []) async {
        _ = await self.ask { worker in
            worker.follow(groups, endpoints)
        }
    }

    /// What each worker knows of upstreams with several targets.
    package func upstreamReports() async -> [UpstreamReport] {
        await self.ask { $0.balancers.reports }.flatMap { $0 }
    }

    /// How many upstreams each worker keeps connections to.
    func poolCounts() async -> [Int] { await self.ask { $0.poolCount } }

    /// Which workers have begun to drain.
    func areDraining() async -> [Bool] { await self.ask { $0.isDraining } }

    // MARK: Workers

    private func ask<T: Sendable>(_ body: @escaping @Sendable (Worker) -> T) async -> [T] {
        var results: [T] = []
        for worker in self.state.withLock({ $0.workers }) {
            let result = try? await worker.eventLoop.submit { body(worker.value) }.get()
            if let result { results.append(result) }
        }
        return results
    }

    private func makeWorker(_ index: Int, on loop: any EventLoop) async throws -> NIOLoopBound<Worker> {
        let (settings, admission) = (self.settings, self.admission)
        return try await loop.submit {
            let worker = Worker(
                eventLoop: loop,
                settings: settings,
                handler: settings.makeHandler(index, loop),
                admission: admission
            )
            worker.balancers.checks = index == 0
            worker.start()
            return NIOLoopBound(worker, eventLoop: loop)
        }.get()
    }

    /// Comes after the listeners' end in the loop's queue, so that what they accepted last is there already.
    private static func drain(_ worker: NIOLoopBound<Worker>, within limit: Duration) async {
        let loop = worker.eventLoop
        let done = loop.makePromise(of: Void.self)
        let alarm = loop.scheduleTask(in: TimeAmount(limit)) { done.succeed() }
        loop.execute { worker.value.drain { done.succeed() } }
        try? await done.futureResult.get()
        alarm.cancel()
    }
}
