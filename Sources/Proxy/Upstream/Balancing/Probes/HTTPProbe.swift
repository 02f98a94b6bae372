// A check by HTTP/1.1: one request, of whose answer the first line is read.

import NIOCore

/// Asks, and reads the status; where there is nothing to ask, the connection says it all.
final class HTTPProbe: UpstreamSpeaker, ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let longestLine = 4096

    private let question: [UInt8]?
    private let limits: HealthLimits
    private let end: EventLoopPromise<HealthEvidence?>
    private var line: [UInt8] = []
    private var hasAsked = false

    /// - Parameter question: what is sent; nil where a connection is all that is wanted.
    init(question: [UInt8]?, limits: HealthLimits, end: EventLoopPromise<HealthEvidence?>) {
        self.question = question
        self.limits = limits
        self.end = end
    }

    func install(on channel: any Channel) throws { try channel.pipeline.syncOperations.addHandler(self) }

    func handlerAdded(context: ChannelHandlerContext) {
        // Where a handshake came first.
        if context.channel.isActive { self.ask(context) }
    }

    func channelActive(context: ChannelHandlerContext) { self.ask(context) }

    private func ask(_ context: ChannelHandlerContext) {
        guard let question = self.question, !self.hasAsked else { return }
        self.hasAsked = true
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(bytes: question)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.line.append(contentsOf: self.unwrapInboundIn(data).readableBytesView)
        guard let stop = self.line.firstIndex(of: Octet.lineFeed) else {
            if self.line.count > Self.longestLine { self.end.succeed(.tcpFailure) }
            return
        }
        guard let status = Self.status(self.line[..<stop]) else {
            return self.end.succeed(.tcpFailure)
        }
        if self.limits.unhealthyStatuses.contains(status) { return self.end.succeed(.httpFailure) }
        self.end.succeed(self.limits.healthyStatuses.contains(status) ? .success : nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.end.succeed(.tcpFailure) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end.succeed(.tcpFailure)
        context.close(promise: nil)
    }

    // MARK: Octets

    /// A GET of a path, with fields as lines.
    static func question(_ path: String, _ fields: [String], host: String) -> [UInt8] {
        var text = "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n"
        for field in fields { text += "\(field)\r\n" }
        return Array("\(text)\r\n".utf8)
    }

    /// The status in an answer's first line; nil for what is none.
    static func status(_ line: some Collection<UInt8>) -> Int? {
        let line = Array(line)
        guard line.count >= 12, line.starts(with: Array("HTTP/1.".utf8)), line[8] == Octet.space,
            line.count == 12 || line[12] == Octet.space || line[12] == Octet.carriageReturn
        else { return nil }
        var status = 0
        for octet in line[9..<12] {
            guard (0x30...0x39).contains(octet) else { return nil }
            status = status * 10 + Int(octet - 0x30)
        }
        return status
    }
}
