// One end of a raw socket, for tests that speak octets.

import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// A socket whose octets a test sends and awaits itself.
final class Peer: Sendable {
    private struct State {
        var received: [UInt8] = []
        var isClosed = false
        var waiter: (isEnough: @Sendable ([UInt8], Bool) -> Bool, wake: CheckedContinuation<Void, Never>)?
    }

    private let state = Mutex(State())
    let channel: any Channel

    init(_ channel: any Channel) { self.channel = channel }

    /// Connects to a port of this machine.
    static func connect(to port: Int, receiveBuffer: Int? = nil) async throws -> Peer {
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: receiveBuffer == nil)
        if let receiveBuffer {
            bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: receiveBuffer)
        }
        let made = Mutex<Peer?>(nil)
        _ =
            try await bootstrap
            .channelInitializer { channel in
                let peer = Peer(channel)
                made.withLock { $0 = peer }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Inbox(peer))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        let peer = made.withLock { $0 }
        return try #require(peer)
    }

    /// Sends text, its line ends as they are.
    func send(_ text: String) async throws {
        try await self.send(Array(text.utf8))
    }

    func send(_ octets: [UInt8]) async throws {
        try await self.channel.writeAndFlush(ByteBuffer(bytes: octets)).get()
    }

    /// Waits until what has come, or the end, is enough; takes it all.
    func receive(until isEnough: @escaping @Sendable ([UInt8], _ isClosed: Bool) -> Bool) async -> String {
        await withCheckedContinuation { wake in
            let isThere = self.state.withLock { state in
                if isEnough(state.received, state.isClosed) || state.isClosed { return true }
                state.waiter = (isEnough, wake)
                return false
            }
            if isThere { wake.resume() }
        }
        return self.state.withLock { state in
            defer { state.received = [] }
            return String(decoding: state.received, as: UTF8.self)
        }
    }

    /// Waits for text that ends with `end`.
    func receive(through end: String) async -> String {
        let octets = Array(end.utf8)
        return await self.receive { received, _ in received.suffix(octets.count).elementsEqual(octets) }
    }

    /// Waits for a head, with nothing behind it.
    func receiveHead() async -> String { await self.receive(through: "\r\n\r\n") }

    /// Waits for so many octets.
    func receive(count: Int) async -> String { await self.receive { received, _ in received.count >= count } }

    /// Waits until the other side closes.
    func receiveAll() async -> String { await self.receive { _, isClosed in isClosed } }

    /// Closes this side.
    func close() async { try? await self.channel.close() }

    /// Ends the connection with an error for the other side.
    func reset() async {
        let options = self.channel as? any SocketOptionProvider
        try? await options?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        await self.close()
    }

    fileprivate func took(_ octets: [UInt8]?) {
        let wake = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
            if let octets { state.received += octets } else { state.isClosed = true }
            guard let waiter = state.waiter, waiter.isEnough(state.received, state.isClosed) || state.isClosed
            else {
                return nil
            }
            state.waiter = nil
            return waiter.wake
        }
        wake?.resume()
    }
}

/// Puts what a channel reads into a peer.
final class Inbox: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let peer: Peer

    init(_ peer: Peer) { self.peer = peer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.peer.took(Array(self.unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) { self.peer.took(nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
