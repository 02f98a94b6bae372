// The door of a TLS listener: a client is let in, says which name it wants, and is handed on once the handshake is done.

import NIOCore
import NIOSSL
import NIOTLS

/// Why a connection came to nothing before its first request.
package enum EarlyRefusal: String, Sendable, CaseIterable {
    /// No certificate answers to the name that was asked for.
    case unknownName = "unknown-name"
    /// What came is not TLS.
    case notTLS = "not-tls"
    /// Client and gateway did not agree, or the client broke off.
    case failed
    /// The handshake was not done in time.
    case timedOut = "timed-out"
    /// The PROXY protocol's header was wrong, late, or a stranger's.
    case header = "proxy-header"
}

/// Stands for a connection until its protocol is known; then it gives its place to what speaks that, and is gone.
final class TLSDoor: ChannelInboundHandler, RemovableChannelHandler, ClientConnection {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// The client has to say what it wants.
        case hello
        /// The handshake is under way, in front of this handler.
        case handshake
        /// The client has our last word; what still comes is dropped.
        case parting
        case gone
    }

    /// Octets that a ClientHello may take with the heads of the records that it is spread over.
    private static let heldBytes = ClientHello.limit + 4096

    private let worker: Worker
    private var arrival: Arrival
    var place: Int?
    private(set) var deadline = NIODeadline.distantFuture
    /// Nobody was let in yet.
    let endsAt = NIODeadline.distantFuture
    private var phase = Phase.hello
    private var context: ChannelHandlerContext?
    private var facts = ClientFacts()
    private var held = ByteBuffer()
    /// How many octets there must be before it is worth looking at them.
    private var awaited = 5
    /// The handshake, where it asks the client for a certificate.
    private var asking: AskingHandshake?

    init(worker: Worker, _ arrival: Arrival) {
        self.worker = worker
        self.arrival = arrival
    }

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if self.arrival.isLate { self.channelActive(context: context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        guard let facts = ClientFacts(of: context.channel, trusted: self.worker.trustedPeers, self.arrival),
            self.worker.admit(self, facts)
        else { return context.close(promise: nil) }
        self.facts = facts
        self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds)
        if self.worker.isDraining { self.drain(.now()) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .hello = self.phase else { return }
        var octets = self.unwrapInboundIn(data)
        if self.held.readableBytes == 0 { self.held = octets } else { self.held.writeBuffer(&octets) }
        let isTLS = self.held.getInteger(at: self.held.readerIndex, as: UInt8.self) == 22
        guard self.held.readableBytes >= self.awaited || !isTLS else { return }
        switch ClientHello.read(Array(self.held.readableBytesView)) {
        case .incomplete(let count):
            self.awaited = count
            if count > Self.heldBytes { self.refuse(.notTLS) }
        case .malformed: self.refuse(.notTLS)
        case .whole(let hello): self.begin(hello, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted(let name) = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        guard case .handshake = self.phase else { return }
        self.phase = .gone
        do {
            var arrival = self.arrival
            (arrival.isTLS, arrival.isLate) = (true, true)
            arrival.wasAsked = self.asking != nil
            arrival.certificate = try self.asking?.certificate()
            self.asking = nil
            try self.worker.handOver(from: self, self.facts) {
                try ClientProtocol(agreed: name).install(arrival, on: context.channel, worker: self.worker)
            }
        } catch {
            return context.close(promise: nil)
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch self.phase {
        case .handshake:
            // NIOSSL has sent its alert, and closes.
            self.phase = .gone
            self.worker.admission.refused(.failed)
        case .hello, .parting: context.close(promise: nil)
        case .gone: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .hello = self.phase, self.held.readableBytes > 0 { self.worker.admission.refused(.failed) }
        self.leave()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.leave() }

    private func leave() {
        self.phase = .gone
        self.context = nil
        self.worker.remove(self, self.facts)
    }

    // MARK: The handshake

    private func begin(_ hello: ClientHello, _ context: ChannelHandlerContext) {
        let table = self.worker.certificates()
        guard let certificate = table.certificate(for: hello.serverName) else {
            return self.refuse(.unknownName)
        }
        let takesHTTP2 = self.arrival.takesHTTP2
        let tls: NIOSSLServerHandler
        if table.asksClient(of: hello.serverName) {
            let context = certificate.askingContext(for: hello, takesHTTP2: takesHTTP2)
            guard let asking = try? context.begin() else { return self.refuse(.failed) }
            self.asking = asking
            tls = asking.handler
        } else {
            tls = NIOSSLServerHandler(context: certificate.context(for: hello, takesHTTP2: takesHTTP2))
        }
        self.phase = .handshake
        self.arrival.serverName = hello.serverName
        let octets = self.held
        self.held = ByteBuffer()
        do {
            try context.pipeline.syncOperations.addHandler(tls, position: .before(self))
        } catch {
            return context.close(promise: nil)
        }
        context.pipeline.fireChannelRead(octets)
    }

    /// Tells the client why, if it can be told, and closes.
    private func refuse(_ reason: EarlyRefusal) {
        guard let context = self.context else { return }
        let farewell = self.farewell(reason)
        self.worker.admission.refused(reason)
        self.phase = .parting
        self.held = ByteBuffer()
        guard let farewell else { return context.close(promise: nil) }
        self.deadline = .now() + .seconds(2)
        context.writeAndFlush(self.wrapOutboundOut(farewell), promise: nil)
        context.close(mode: .output, promise: nil)
    }

    private func farewell(_ reason: EarlyRefusal) -> ByteBuffer? {
        switch reason {
        // A fatal alert: unrecognized_name (RFC 6066 §3).
        case .unknownName: return ByteBuffer(bytes: [21, 3, 3, 0, 2, 2, 112])
        case .notTLS:
            let first = self.held.getInteger(at: self.held.readerIndex, as: UInt8.self) ?? 0
            // A method's letter: somebody speaks HTTP to the wrong port.
            guard (0x41...0x5A).contains(first) else { return nil }
            let text = "This port speaks HTTPS.\n"
            return ByteBuffer(
                string: """
                    HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\n\
                    Connection: close\r\n\r\n\(text)
                    """
            )
        case .failed, .timedOut, .header: return nil
        }
    }

    // MARK: What the worker asks of it

    func timeIsUp(_ now: NIODeadline) {
        switch self.phase {
        case .hello, .handshake: self.worker.admission.refused(.timedOut)
        case .parting, .gone: break
        }
        self.phase = .parting
        self.abort()
    }

    func identityEnded() {}

    func rest() {}

    /// A handshake under way may end; who has said nothing gets the moment that an idle client gets.
    func drain(_ now: NIODeadline) {
        guard case .hello = self.phase, self.held.readableBytes == 0 else { return }
        self.deadline = min(self.deadline, now + TimeAmount(seconds: self.worker.limits.drainIdleSeconds))
    }

    func abort() {
        self.deadline = .distantFuture
        self.context?.channel.closeBeneathTLS()
    }
}

extension Channel {
    /// Closes without saying `close_notify`: the other side must not take what it has for whole.
    func closeBeneathTLS() {
        let tls = try? self.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        if let tls { tls.close(promise: nil) } else { self.close(promise: nil) }
    }
}
