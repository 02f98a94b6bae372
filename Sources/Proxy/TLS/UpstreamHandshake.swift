// The handshake with an upstream, until what speaks to it can take over.

import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Stands at the end of a new channel's pipeline until the handshake is done; then it puts the speaker there.
final class UpstreamHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let speaker: any UpstreamSpeaker
    private let wantsHTTP2: Bool
    /// Whether the upstream has proven its name.
    private var isProven: () -> Bool = { false }
    private let done: EventLoopPromise<Void>
    private var isOver = false

    private init(_ speaker: any UpstreamSpeaker, wantsHTTP2: Bool, on loop: any EventLoop) {
        self.speaker = speaker
        self.wantsHTTP2 = wantsHTTP2
        self.done = loop.makePromise()
    }

    /// Opens a TCP connection by `connect`, which prepares channels as told, and shakes hands on it; both within `limit`.
    ///
    /// Of a name with several addresses several channels may be tried: each has a handshake of its own.
    static func dial(
        _ endpoint: Endpoint,
        _ tls: UpstreamTLS,
        _ speaker: any UpstreamSpeaker,
        within limit: TimeAmount,
        on loop: any EventLoop,
        connect: (@escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> EventLoopFuture<any Channel>
    ) -> EventLoopFuture<any Channel> {
        let end = NIODeadline.now() + limit
        let bound = NIOLoopBound(speaker, eventLoop: loop)
        let connected = connect { channel in
            channel.eventLoop.makeCompletedFuture {
                let handshake = UpstreamHandshake(
                    bound.value,
                    wantsHTTP2: tls.wish.speaksHTTP2,
                    on: channel.eventLoop
                )
                let handler: NIOSSLClientHandler
                do { handler = try tls.handler(for: endpoint.host) } catch {
                    handshake.end(ProxyError.tlsFailed)
                    throw error
                }
                handshake.isProven = { tls.proves(endpoint.host, handler) }
                try channel.pipeline.syncOperations.addHandlers([handler, handshake])
            }
        }
        return connected.flatMap { channel in
            let found = try? channel.pipeline.syncOperations.handler(type: UpstreamHandshake.self)
            guard let handshake = found else { return loop.makeFailedFuture(ProxyError.tlsFailed) }
            return handshake.finish(on: channel, by: end)
        }
    }

    /// The channel once the handshake is done; it closes if nothing comes of it.
    private func finish(on channel: any Channel, by end: NIODeadline) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        let alarm = channel.eventLoop.scheduleTask(deadline: end) {
            bound.value.end(ProxyError.connectTimedOut)
        }
        let finished = self.done.futureResult
        finished.whenComplete { _ in alarm.cancel() }
        finished.whenFailure { _ in channel.close(promise: nil) }
        return finished.map { channel }
    }

    private func end(_ error: any Error) {
        guard !self.isOver else { return }
        self.isOver = true
        self.done.fail(error)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? TLSUserEvent, case .handshakeCompleted(let name) = event, !self.isOver
        else { return context.fireUserInboundEventTriggered(event) }
        guard !self.wantsHTTP2 || name == ClientProtocol.http2.rawValue else {
            return self.end(ProxyError.tlsFailed)
        }
        guard self.isProven() else { return self.end(ProxyError.tlsWrongName) }
        self.isOver = true
        do {
            try self.speaker.install(on: context.channel)
        } catch {
            return self.done.fail(error)
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        self.done.succeed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end(Self.proxyError(error))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { self.end(ProxyError.tlsFailed) }

    func handlerRemoved(context: ChannelHandlerContext) { self.end(ProxyError.connectFailed) }

    /// What a failed handshake is called.
    private static func proxyError(_ error: any Error) -> ProxyError {
        switch error {
        case NIOSSLError.unableToValidateCertificate, NIOSSLError.noCertificateToValidate:
            return .tlsUntrusted
        case let extra as NIOSSLExtraError where extra == .failedToValidateHostname: return .tlsWrongName
        case NIOSSLError.handshakeFailed(.sslError(let stack)):
            let isUntrusted = stack.contains { $0.description.contains("CERTIFICATE_VERIFY_FAILED") }
            return isUntrusted ? .tlsUntrusted : .tlsFailed
        default: return .tlsFailed
        }
    }
}
