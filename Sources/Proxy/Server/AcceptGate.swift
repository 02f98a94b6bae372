// The door of a listening socket: shut for a moment when the system has no room for another connection.

import Glibc
import NIOCore

/// Holds accepting back after EMFILE and its kin, so that no loop turns in vain; who waits, waits in the queue.
///
/// Reading has to be switched off: where the first accept fails NIO still counts its read as pending, so a `read`
/// held back would leave the socket in epoll, which tells of it for ever.
final class AcceptGate: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(100)
    private let worker: Worker
    private var reopening: Scheduled<Void>?

    init(worker: Worker) { self.worker = worker }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode, Self.isExhaustion(code) else {
            return context.fireErrorCaught(error)
        }
        guard self.reopening == nil else { return }
        self.worker.acceptPaused(code)
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.reopening = context.eventLoop.scheduleTask(in: Self.pause) {
            let (gate, context) = bound.value
            gate.reopening = nil
            try? context.channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.reopening?.cancel()
        self.reopening = nil
    }

    private static func isExhaustion(_ code: CInt) -> Bool {
        switch code {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: true
        default: false
        }
    }
}
