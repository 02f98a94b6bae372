// Answers out of an HTTP/1.1 connection.

import Glibc
import NIOCore

extension ServerConnection {
    /// Writes the staged answer's end, then goes on to the next request, drains this one, or closes.
    func afterLastWrite(
        isUnread: Bool,
        at now: NIODeadline,
        _ write: (ChannelHandlerContext, EventLoopPromise<Void>?) -> Void
    ) {
        guard let context = self.context else { return }
        guard self.shape.keepsAlive else {
            let promise = context.eventLoop.makePromise(of: Void.self)
            self.phase = .lingering
            self.deadline = now + TimeAmount(seconds: self.worker.limits.readerSeconds)
            promise.futureResult.assumeIsolated().whenComplete { _ in
                guard let context = self.context else { return }
                self.deadline = .now() + .seconds(2)
                context.close(mode: isUnread ? .output : .all, promise: nil)
            }
            return write(context, promise)
        }
        write(context, nil)
        guard self.body.isComplete else {
            self.phase = .draining
            self.deadline = now + TimeAmount(seconds: self.worker.limits.bodySeconds)
            return
        }
        self.becomeIdle(now)
    }

    /// Writes what ends a chunked answer, with its trailers.
    func stageLastChunk() {
        guard !self.trailers.isEmpty else {
            self.worker.toClient.writeString("0\r\n\r\n")
            return
        }
        self.worker.toClient.writeString("0\r\n")
        self.worker.toClient.writeBytes(self.trailers)
        self.worker.toClient.writeString("\r\n")
        self.trailers = []
    }

    func writeGathered() {
        guard self.worker.toClient.readableBytes > 0 else { return }
        self.context?.write(self.wrapOutboundOut(self.worker.toClient), promise: nil)
        self.worker.toClient.clear()
    }

    /// Drops what is left of a body; true once it is all gone.
    func drainBody(_ buffer: inout ByteBuffer) -> Bool {
        var index = 0
        while true {
            let piece = self.body.next(buffer.readableBytesUInt8Span, from: &index)
            switch piece {
            case .data: continue
            case .more: return false
            case .malformed:
                self.abort()
                return false
            case .end:
                buffer.moveReaderIndex(forwardBy: index)
                self.becomeIdle()
                return true
            }
        }
    }

    /// Closes so that the client sees it as broken, not as ended.
    func reset() {
        guard let context = self.context else { return }
        if let options = context.channel as? any SocketOptionProvider {
            _ = options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        context.channel.closeBeneathTLS()
    }
}
