// Frames out of a connection of HTTP/2, and the window for what comes in.

import NIOCore
import NIOHTTP2

/// A connection's way out; nothing is written before it is opened or after it is closed.
///
/// A class, because what is written may end streams at once, which write again.
final class FrameOutput {
    private(set) var context: ChannelHandlerContext?
    /// Octets that were taken and not yet told to the peer.
    private var credit = 0

    /// Whether the connection is there.
    var isOpen: Bool { self.context != nil }

    func open(_ context: ChannelHandlerContext) { self.context = context }

    func close() { self.context = nil }

    func write(
        _ id: HTTP2StreamID,
        _ payload: HTTP2Frame.FramePayload,
        promise: EventLoopPromise<Void>? = nil
    ) {
        guard let context = self.context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(NIOAny(HTTP2Frame(streamID: id, payload: payload)), promise: promise)
    }

    func flush() { self.context?.flush() }

    /// Lets the peer send more on all streams together than the protocol begins with (RFC 9113 §6.9.2).
    func widen() {
        self.write(.rootStream, .windowUpdate(windowSizeIncrement: HTTP2Limits.connectionWindow - 65_535))
        self.flush()
    }

    /// Octets of a stream's body have gone on: the peer may send as many again.
    ///
    /// - Parameter more: whether the stream itself goes on.
    func taken(_ count: Int, of id: HTTP2StreamID, more: Bool) {
        guard count > 0 else { return }
        self.credit += count
        if more { self.write(id, .windowUpdate(windowSizeIncrement: count)) }
        if self.credit >= HTTP2Limits.connectionWindow / 4 {
            self.write(.rootStream, .windowUpdate(windowSizeIncrement: self.credit))
            self.credit = 0
        }
        self.flush()
    }
}
