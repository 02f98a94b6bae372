// The door of a listener behind a balancer that says who the client is.

import NIOCore

/// Reads the PROXY protocol's header, once, from trusted peers alone; then it gives its place to what comes next, and is gone.
final class HeaderDoor: ChannelInboundHandler, RemovableChannelHandler, ClientConnection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let worker: Worker
    private let address: ListenAddress
    var place: Int?
    private(set) var deadline = NIODeadline.distantFuture
    /// Nobody was let in yet.
    let endsAt = NIODeadline.distantFuture
    private var context: ChannelHandlerContext?
    private var facts = ClientFacts()
    private var held = ByteBuffer()

    init(worker: Worker, address: ListenAddress) {
        self.worker = worker
        self.address = address
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        guard let facts = ClientFacts(of: context.channel, trusted: self.worker.trustedPeers),
            self.worker.admit(self, facts)
        else { return context.close(promise: nil) }
        self.facts = facts
        // A stranger could say anything; and what he says without a header is not for this port (E8).
        guard facts.isTrustedPeer else { return self.refuse() }
        self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds)
        if self.worker.isDraining { self.drain(.now()) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var octets = self.unwrapInboundIn(data)
        if self.held.readableBytes == 0 { self.held = octets } else { self.held.writeBuffer(&octets) }
        switch ProxyHeader.read(Array(self.held.readableBytesView.prefix(ProxyHeader.limit))) {
        case .incomplete: return
        case .malformed: self.refuse()
        case .whole(let header, let count):
            self.held.moveReaderIndex(forwardBy: count)
            self.handOn(header, context)
        }
    }

    private func handOn(_ header: ProxyHeader, _ context: ChannelHandlerContext) {
        var arrival = Arrival(
            takesHTTP2: self.address.takesHTTP2,
            isForCalls: self.address.isForCalls,
            isLate: true
        )
        if case .client(let address) = header { arrival.peer = address }
        let (channel, pipeline, rest) = (context.channel, context.pipeline, self.held)
        self.held = ByteBuffer()
        do {
            try self.worker.handOver(from: self, self.facts) {
                try self.address.install(arrival, on: context.channel, worker: self.worker)
            }
        } catch {
            return context.close(promise: nil)
        }
        pipeline.syncOperations.removeHandler(context: context, promise: nil)
        // Who turns out to have no room is closed by now, and not heard.
        guard channel.isActive, rest.readableBytes > 0 else { return }
        pipeline.fireChannelRead(rest)
    }

    private func refuse() {
        self.worker.admission.refused(.header)
        self.abort()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { self.leave() }

    func handlerRemoved(context: ChannelHandlerContext) { self.leave() }

    private func leave() {
        self.context = nil
        self.worker.remove(self, self.facts)
    }

    // MARK: What the worker asks of it

    func timeIsUp(_ now: NIODeadline) {
        self.deadline = .distantFuture
        self.refuse()
    }

    func identityEnded() {}

    func rest() {}

    /// A header is there at once or never.
    func drain(_ now: NIODeadline) {
        self.deadline = min(self.deadline, now + TimeAmount(seconds: self.worker.limits.drainIdleSeconds))
    }

    func abort() { self.context?.close(promise: nil) }
}
