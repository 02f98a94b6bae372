// One connection to Redis on its event loop: carries out what `LinkState` says.
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// What is heard of a link, from its loop.
package protocol StoreEvents: Sendable {
    /// It is there, or there again.
    func storeUp(_ title: String)
    /// It is gone, and does not come back at once.
    func storeDown(_ title: String, reason: String)
    /// One server of a cluster is there, or there again.
    func storeNodeUp(_ title: String, node: String)
    /// One server of a cluster is gone, and does not come back at once.
    func storeNodeDown(_ title: String, node: String, reason: String)
}

/// What brings commands to a Redis and answers back; lives on its loop, and never ends but by `stop`.
protocol RedisCarrier: AnyObject {
    /// Takes an answer.
    typealias Completion = @Sendable (Result<RedisReply, StoreError>) -> Void

    /// Sends a command; `completion` runs on the loop.
    func call(_ command: RedisCommand, _ completion: @escaping Completion)
    /// Connects, if nobody has wanted anything yet.
    func start()
    /// Ends it.
    func stop()
}

/// The link of one address.
final class RedisLink: RedisCarrier {
    private let loop: any EventLoop
    private let address: RedisAddress
    private let tls: NIOSSLContext?
    /// Hears that it is up (nil), or why it is down.
    private let tell: (LinkTrouble?) -> Void
    private var state: LinkState
    private var completions: [LinkState.CommandID: Completion] = [:]
    private var channels: [LinkState.Attempt: any Channel] = [:]
    private var nextID: LinkState.CommandID = 0
    private var timer: Scheduled<Void>?
    private var timerAt = 0.0
    private var isFlushing = false

    init(
        _ address: RedisAddress,
        tls: NIOSSLContext?,
        limits: LinkLimits,
        loop: any EventLoop,
        tell: @escaping (LinkTrouble?) -> Void
    ) {
        self.address = address
        self.tls = tls
        self.tell = tell
        self.loop = loop
        self.state = LinkState(
            limits: limits,
            greeting: Self.greeting(address),
            sentinels: address.sentinels
        )
    }

    /// Who we are, and which database.
    static func greeting(_ address: RedisAddress) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        if let password = address.password {
            let words = [RedisWord("AUTH")] + (address.user.map { [RedisWord($0)] } ?? [])
            commands.append(RedisCommand(words + [RedisWord(password)]))
        }
        if address.database != 0 { commands.append(RedisCommand(["SELECT", RedisWord(address.database)])) }
        return commands
    }

    // MARK: Commands

    func call(_ command: RedisCommand, _ completion: @escaping Completion) {
        self.nextID += 1
        self.completions[self.nextID] = completion
        self.carryOut(self.state.submit(self.nextID, command, at: Self.now()))
    }

    func start() { self.carryOut(self.state.start(at: Self.now())) }

    func stop() { self.carryOut(self.state.stop()) }

    static func now() -> Double { Double(NIODeadline.now().uptimeNanoseconds) / 1e9 }

    // MARK: Actions

    private func carryOut(_ actions: [LinkState.Action]) {
        for action in actions {
            switch action {
            case .connect(let attempt, let destination): self.connect(attempt, self.place(destination))
            case .send(let attempt, let command): self.send(command, attempt)
            case .close(let attempt):
                self.channels.removeValue(forKey: attempt)?.close(mode: .all, promise: nil)
            case .succeed(let id, let reply): self.complete(id, .success(reply))
            case .fail(let id, let error): self.complete(id, .failure(error))
            case .tellUp: self.tell(nil)
            case .tellDown(let trouble): self.tell(trouble)
            }
        }
        self.setTimer()
    }

    private func complete(_ id: LinkState.CommandID, _ result: Result<RedisReply, StoreError>) {
        self.completions.removeValue(forKey: id)?(result)
    }

    /// Writes at once and flushes once a turn of the loop: commands of many requests leave together.
    private func send(_ command: RedisCommand, _ attempt: LinkState.Attempt) {
        guard let channel = self.channels[attempt] else { return }
        channel.write(ByteBuffer(bytes: command.octets), promise: nil)
        guard !self.isFlushing else { return }
        self.isFlushing = true
        self.loop.assumeIsolated().execute {
            self.isFlushing = false
            for channel in self.channels.values { channel.flush() }
        }
    }

    private func setTimer() {
        guard let due = self.state.nextTick, due.isFinite else { return }
        // A timer that fires early looks again; one that would fire late is made anew.
        if self.timer != nil, self.timerAt <= due { return }
        self.timer?.cancel()
        self.timerAt = due
        let delay = TimeAmount.nanoseconds(Int64(max(0.001, due - Self.now()) * 1e9))
        self.timer = self.loop.assumeIsolated().scheduleTask(in: delay) {
            self.timer = nil
            self.carryOut(self.state.tick(at: Self.now()))
        }
    }

    // MARK: The connection

    private func place(_ destination: LinkState.Destination) -> RedisAddress.Place {
        switch (destination, self.address.sentinels) {
        case (.master(let node), _): .tcp(host: node.host, port: node.port)
        case (.sentinel(let place), .some(let sentinels)):
            .tcp(host: sentinels.nodes[place].host, port: sentinels.nodes[place].port)
        case (.address, _), (.sentinel, .none): self.address.place
        }
    }

    private func connect(_ attempt: LinkState.Attempt, _ place: RedisAddress.Place) {
        let link = NIOLoopBound(self, eventLoop: self.loop)
        let (tls, address) = (self.tls, self.address)
        let host: String? = if case .tcp(let host, _) = place { host } else { nil }
        let bootstrap = ClientBootstrap(group: self.loop)
            .connectTimeout(.nanoseconds(Int64(address.connectSeconds * 1e9)))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls, let host {
                        let name = address.tls?.serverName ?? host
                        let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
                        let handler = try NIOSSLClientHandler(
                            context: tls,
                            serverHostname: isAddress ? nil : name
                        )
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    let handler = try LinkHandler(link.value, attempt, host)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let connection: EventLoopFuture<any Channel> =
            switch place {
            case .tcp(let host, let port):
                bootstrap.channelOption(.socketOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
            case .socket(let path): bootstrap.connect(unixDomainSocketPath: path)
            // They are asked before anything is connected to.
            case .sentinels, .cluster: self.loop.makeFailedFuture(StoreError.notConnected)
            }
        connection.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel):
                guard channel.isActive else { return self.ended(attempt, .closed) }
                self.channels[attempt] = channel
                // Who we are is told to nobody who has not proven who he is.
                if self.tls == nil { self.connected(attempt) }
            case .failure: self.ended(attempt, .unreachable)
            }
        }
    }

    fileprivate func connected(_ attempt: LinkState.Attempt) {
        self.carryOut(self.state.connected(attempt, at: Self.now()))
    }

    /// Whether the server's certificate is one for the name that was asked for.
    fileprivate func proves(_ handler: NIOSSLClientHandler?, _ host: String?) -> Bool {
        guard let terms = self.address.tls, terms.verifies, let host else { return true }
        let name = terms.serverName ?? host
        if (try? SocketAddress(ipAddress: name, port: 0)) != nil { return true }
        guard let certificate = handler?.peerCertificate else { return false }
        let names = certificate._subjectAlternativeNames()
        // Without alternative names it was held to the common name.
        guard !names.isEmpty else { return true }
        return names.contains {
            $0.nameType == .dnsName && CertificateName.means(name, by: Array($0.contents))
        }
    }

    fileprivate func received(_ reply: RedisReply, _ attempt: LinkState.Attempt) {
        self.carryOut(self.state.received(reply, attempt, at: Self.now()))
    }

    fileprivate func ended(_ attempt: LinkState.Attempt, _ trouble: LinkTrouble) {
        self.channels.removeValue(forKey: attempt)?.close(mode: .all, promise: nil)
        self.carryOut(self.state.ended(attempt, trouble, at: Self.now()))
    }
}

/// Reads one connection's octets into replies.
private final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: RedisLink
    private let attempt: LinkState.Attempt
    /// Whom we asked for; nil for a socket.
    private let host: String?
    private let reader: ReplyReader
    private var trouble = LinkTrouble.closed

    init(_ link: RedisLink, _ attempt: LinkState.Attempt, _ host: String?) throws(StoreError) {
        self.link = link
        self.attempt = attempt
        self.host = host
        self.reader = try ReplyReader()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        do throws(StoreError) {
            try self.reader.feed(buffer.readableBytesUInt8Span)
            while let reply = try self.reader.next() { self.link.received(reply, self.attempt) }
        } catch {
            self.trouble = .malformed
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.handshakeCompleted) = event as? TLSUserEvent {
            let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
            if self.link.proves(handler, self.host) {
                self.link.connected(self.attempt)
            } else {
                self.trouble = .refused("tls")
                context.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOSSLError || error is NIOSSLExtraError { self.trouble = .refused("tls") }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.link.ended(self.attempt, self.trouble) }
}
