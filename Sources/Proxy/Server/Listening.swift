// One address, listened on by all workers: bound anew, or taken over with what waits in the queue.

import Glibc
import NIOCore
import NIOPosix

/// Opens the listening sockets of an address; each belongs to one worker.
struct Listening {
    let address: ListenAddress
    let workers: [NIOLoopBound<Worker>]
    /// Whether connections are accepted at once.
    let accepts: Bool
    /// Keeps a socket that listens now.
    let keep: (any Channel) -> Void

    /// Binds one socket for each worker to the same address; the kernel deals out the connections.
    ///
    /// - Parameter sockets: those of another program. Each that is bound to this address goes on here, all of them
    ///   if they are more than the workers: what the kernel has queued on one can be accepted nowhere else.
    /// - Returns: the address with the port that the system chose.
    func start(taking sockets: [ListeningSocket]) async throws -> ListenAddress {
        guard let first = self.workers.first else { return self.address }
        let mine = sockets.isEmpty ? [] : self.those(of: sockets)
        for (index, socket) in mine.enumerated() {
            try await self.take(socket, self.workers[index % self.workers.count])
        }
        // A port that the system chooses is nobody else's; one claimed and let go could become two servers'.
        let isGiven = self.address.port != 0
        var bound = mine.isEmpty && isGiven ? try await self.claim(first) : self.address
        for worker in self.workers.dropFirst(mine.count) {
            let channel = try await self.bootstrap(worker).bind(host: bound.host, port: bound.port).get()
            self.keep(channel)
            bound.port = channel.localAddress?.port ?? bound.port
        }
        return bound
    }

    private func those(of sockets: [ListeningSocket]) -> [ListeningSocket] {
        let name = try? SocketAddress.makeAddressResolvingHost(self.address.host, port: self.address.port)
            .listenName
        return sockets.filter { $0.name == name }
    }

    private func take(_ socket: ListeningSocket, _ worker: NIOLoopBound<Worker>) async throws {
        let channel = try await self.bootstrap(worker).withBoundSocket(socket.descriptor).get()
        self.keep(channel)
        // NIO has given the queue its own length.
        _ = Glibc.listen(socket.descriptor, CInt(clamping: self.address.backlog))
    }

    /// Binds once without sharing, and lets go: another program at the same address is found out, where the
    /// workers' shared sockets would silently take half of its connections.
    ///
    /// Nothing is accepted here: nobody would ever answer it. Who comes in this moment is reset by the end of the socket.
    private func claim(_ worker: NIOLoopBound<Worker>) async throws -> ListenAddress {
        let channel = try await ServerBootstrap(group: worker.eventLoop)
            .serverChannelOption(.autoRead, value: false)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: self.address.host, port: self.address.port).get()
        var claimed = self.address
        claimed.port = channel.localAddress?.port ?? claimed.port
        try await channel.close()
        return claimed
    }

    private func bootstrap(_ worker: NIOLoopBound<Worker>) -> ServerBootstrap {
        let address = self.address
        let bootstrap = ServerBootstrap(group: worker.eventLoop)
            .serverChannelOption(.autoRead, value: self.accepts)
            .serverChannelOption(.backlog, value: Int32(clamping: self.address.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.socketOption(.init(rawValue: SO_REUSEPORT)), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptGate(worker: worker.value))
                }
            }
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 2)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try address.install(on: channel, worker: worker.value)
                }
            }
        // A call that watches may be silent for days: the system finds out that its client is gone.
        return address.isForCalls
            ? bootstrap.childChannelOption(.socketOption(.so_keepalive), value: 1) : bootstrap
    }
}
