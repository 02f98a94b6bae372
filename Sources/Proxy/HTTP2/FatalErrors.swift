// Which errors end a connection of HTTP/2.

import NIOHTTP2

/// Tells the errors of a connection from those of a stream: before the first a GOAWAY goes out.
final class FatalErrors: NIOHTTP2FrameDelegate {
    private(set) var hasFailed = false

    func wroteFrame(_ frame: HTTP2Frame) {
        guard case .goAway(_, let code, _) = frame.payload, code != .noError else { return }
        self.hasFailed = true
    }
}
