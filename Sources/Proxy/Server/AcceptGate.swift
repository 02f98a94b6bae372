// The door of a listening socket: shut for a moment when the system has no room for another connection.

import Glibc
import NIOCore

/// Holds accepting back after EMFILE and its kin, so that no loop turns in vain; who waits, waits in the backlog.
final class AcceptGate: ChannelDuplexHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = any Channel

    private static let pause = TimeAmount.milliseconds(100)
    private let worker: Worker
    private var reopening: Scheduled<Void>?
    private var isReadWanted = false

    init(worker: Worker) { self.worker = worker }

    func read(context: ChannelHandlerContext) {
        guard self.reopening == nil else {
            self.isReadWanted = true
            return
        }
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode, Self.isExhaustion(code) else {
            return context.fireErrorCaught(error)
        }
        guard self.reopening == nil else { return }
        self.worker.acceptPaused(code)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        self.reopening = context.eventLoop.scheduleTask(in: Self.pause) {
            let (gate, context) = bound.value
            gate.open(context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.reopening?.cancel()
        self.reopening = nil
    }

    private func open(_ context: ChannelHandlerContext) {
        self.reopening = nil
        guard self.isReadWanted else { return }
        self.isReadWanted = false
        context.read()
    }

    private static func isExhaustion(_ code: CInt) -> Bool {
        switch code {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: true
        default: false
        }
    }
}
