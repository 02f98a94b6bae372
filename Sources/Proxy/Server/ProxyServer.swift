// A server: workers, each with its listening sockets and its handler.

import Glibc
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
    private let open = Counter()

    /// Makes a server that does not listen yet.
    package init(_ settings: ServerSettings) {
        self.settings = settings
    }

    /// How many clients are connected.
    package var connections: Int { self.open.value }

    /// Starts the workers and listens; gives the addresses with the ports that the system chose.
    ///
    /// - Throws: `ListenError` for the first address that cannot be listened on.
    @discardableResult
    package func start() async throws -> [ListenAddress] {
        let count = self.settings.workers > 0 ? self.settings.workers : System.coreCount
        let group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        self.state.withLock { $0.group = group }
        var workers: [NIOLoopBound<Worker>] = []
        for index in 0..<count {
            workers.append(try await self.makeWorker(index, on: group.next()))
        }
        let made = workers
        self.state.withLock { $0.workers = made }
        var addresses: [ListenAddress] = []
        do {
            for address in self.settings.listen {
                do {
                    addresses.append(try await self.listen(on: address, workers: workers))
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

    /// Stops listening, lets exchanges end for at most `limit`, then closes what is left and ends the workers.
    package func drain(within limit: Duration) async {
        let (group, workers, listeners) = self.state.withLock { state in
            defer { state = State() }
            return (state.group, state.workers, state.listeners)
        }
        for listener in listeners { try? await listener.close() }
        await withTaskGroup(of: Void.self) { tasks in
            for worker in workers { tasks.addTask { await Self.drain(worker, within: limit) } }
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
        var results: [T] = []
        for worker in self.state.withLock({ $0.workers }) {
            let result = try? await worker.eventLoop.submit { body(worker.value.handler) }.get()
            if let result { results.append(result) }
        }
        return results
    }

    // MARK: Workers

    private func makeWorker(_ index: Int, on loop: any EventLoop) async throws -> NIOLoopBound<Worker> {
        let (settings, open) = (self.settings, self.open)
        return try await loop.submit {
            let worker = Worker(
                eventLoop: loop,
                settings: settings,
                handler: settings.makeHandler(index, loop),
                count: { open.add($0) }
            )
            worker.start()
            return NIOLoopBound(worker, eventLoop: loop)
        }.get()
    }

    private static func drain(_ worker: NIOLoopBound<Worker>, within limit: Duration) async {
        let loop = worker.eventLoop
        let done = loop.makePromise(of: Void.self)
        let alarm = loop.scheduleTask(in: TimeAmount(limit)) { done.succeed() }
        loop.execute { worker.value.drain { done.succeed() } }
        try? await done.futureResult.get()
        alarm.cancel()
    }

    // MARK: Listening

    /// Binds one socket for each worker to the same address; the kernel deals out the connections.
    private func listen(
        on address: ListenAddress,
        workers: [NIOLoopBound<Worker>]
    ) async throws -> ListenAddress {
        var bound = address
        if let first = workers.first { bound = try await Self.claim(address, first) }
        for worker in workers {
            let channel = try await Self.bootstrap(worker, bound).bind(host: bound.host, port: bound.port)
                .get()
            self.state.withLock { $0.listeners.append(channel) }
            bound.port = channel.localAddress?.port ?? bound.port
        }
        return bound
    }

    /// Binds once without sharing, and lets go: another program at the same address is found out, where the
    /// workers' shared sockets would silently take half of its connections.
    private static func claim(
        _ address: ListenAddress,
        _ worker: NIOLoopBound<Worker>
    ) async throws -> ListenAddress {
        let channel = try await ServerBootstrap(group: worker.eventLoop)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: address.host, port: address.port).get()
        let port = channel.localAddress?.port ?? address.port
        try await channel.close()
        return ListenAddress(host: address.host, port: port, backlog: address.backlog)
    }

    private static func bootstrap(
        _ worker: NIOLoopBound<Worker>,
        _ address: ListenAddress
    ) -> ServerBootstrap {
        ServerBootstrap(group: worker.eventLoop)
            .serverChannelOption(.backlog, value: Int32(clamping: address.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 2)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ServerConnection(worker: worker.value))
                }
            }
    }
}

/// A number that several loops count up and down.
private final class Counter: Sendable {
    private let number = Atomic<Int>(0)
    var value: Int { self.number.load(ordering: .relaxed) }
    func add(_ difference: Int) { self.number.add(difference, ordering: .relaxed) }
}
