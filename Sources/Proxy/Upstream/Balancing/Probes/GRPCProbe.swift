// A check by gRPC: one call on a connection of HTTP/2 that is made for it.

import NIOCore

/// Calls the health service and tells what its answer says.
final class GRPCProbe: UpstreamSpeaker, ChannelInboundHandler, HTTP2SessionUser, StreamOwner {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Octets that an answer may have.
    private static let longestBody = 4096

    private let block: [UInt8]
    private let worker: Worker
    private let end: EventLoopPromise<HealthEvidence?>
    private lazy var session = HTTP2Session(
        .client,
        worker: self.worker,
        user: self,
        bounds: HTTP2Limits.ofUpstreams
    )
    private lazy var flow = StreamFlow(owner: self)
    private var hasAsked = false
    private var status: String?
    private var callStatus: String?
    private var body: [UInt8] = []

    /// - Parameter block: the call's head.
    init(block: [UInt8], worker: Worker, end: EventLoopPromise<HealthEvidence?>) {
        self.block = block
        self.worker = worker
        self.end = end
    }

    func install(on channel: any Channel) throws { try channel.pipeline.syncOperations.addHandler(self) }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        // Where a handshake came first.
        if context.channel.isActive { self.ask(context) }
    }

    func channelActive(context: ChannelHandlerContext) { self.ask(context) }

    private func ask(_ context: ChannelHandlerContext) {
        guard !self.hasAsked else { return }
        self.hasAsked = true
        self.session.open(context)
        self.session.lastOwnStream = 1
        self.session.add(self.flow, 1)
        self.session.sendHead(self.flow, self.block, isLast: false)
        self.session.send(self.flow, ByteBuffer(bytes: GRPCHealth.question), isLast: true)
        self.session.flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.session.receive(self.unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) { self.over() }

    func handlerRemoved(context: ChannelHandlerContext) { self.over() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.over()
        context.close(promise: nil)
    }

    private func over() {
        self.session.close()
        self.end.succeed(.tcpFailure)
    }

    // MARK: What the session tells

    /// Nobody opens streams towards a client (RFC 9113 §8.4).
    func opened(_ id: UInt32, _ fields: FieldList, isLast: Bool) {}

    func settingsCame() {}

    func saidGoodbye() { self.session.context?.close(promise: nil) }

    func peerLeaves(after last: UInt32) { if last == 0 { self.end.succeed(.tcpFailure) } }

    // MARK: The answer

    func received(_ fields: FieldList, isLast: Bool) {
        for (name, value) in fields.texts {
            if name == ":status" { self.status = value }
            if name == "grpc-status" { self.callStatus = value }
        }
        if isLast { self.judge() }
    }

    func received(_ data: ByteBuffer, isLast: Bool) {
        self.session.taken(data.readableBytes, of: self.flow)
        self.body.append(contentsOf: data.readableBytesView)
        guard self.body.count <= Self.longestBody else { return self.end.succeed(.tcpFailure) }
        if isLast { self.judge() }
    }

    private func judge() {
        let evidence = GRPCHealth.evidence(
            status: self.status,
            callStatus: self.callStatus,
            body: self.body
        )
        self.end.succeed(evidence)
    }

    func sentSome() {}

    func closed(_ reason: HTTP2ErrorCode?) { self.end.succeed(.tcpFailure) }
}
