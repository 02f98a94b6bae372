// What a peer of HTTP/2 may ask of us.

import NIOHTTP2

/// Bounds of connections and streams (E3); NIOHTTP2 keeps the rates.
enum HTTP2Limits {
    /// Streams that a client may have open at once.
    static let concurrentStreams = 128
    /// Octets that a stream's peer may send before some were taken.
    static let streamWindow = 131_072
    /// The same for all streams of a connection together.
    static let connectionWindow = 1_048_576
    /// Octets of a stream's answer that may wait to be sent.
    static let bufferedBytes = 131_072
    /// Ended streams that a connection keeps for the next ones.
    static let spareStreams = 16

    /// Streams that an upstream is taken to allow until it says.
    static let assumedStreams = 100
    /// Connections to one endpoint from one worker.
    static let upstreamConnections = 32
    /// After a stream of that number a connection takes no more; the protocol ends at 2^31 - 1.
    static let lastStreamID = 0x7FFF_FF00

    /// A connection to an upstream: it is trusted more than a client, and speaks in proportion to what it is asked.
    static func upstream(_ limits: ProxyLimits) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .enablePush, value: 0),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.streamWindow),
        ]
        configuration.controlFrameRateLimit.maximumCount = 100_000
        return configuration
    }

    /// A stream to an upstream: resets are its way to refuse, however many there are.
    static var upstreamStream: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.streamResetFrameRateLimit.maximumCount = 100_000
        configuration.streamErrorRateLimit.maximumCount = 100_000
        return configuration
    }

    /// A client's connection: more resets, stream errors or control frames than 200 in 30 s end it, as do more than
    /// five CONTINUATION frames in a row or two empty DATA frames.
    static func connection(_ limits: ProxyLimits) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: Self.concurrentStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headBytes),
            HTTP2Setting(parameter: .initialWindowSize, value: Self.streamWindow),
        ]
        return configuration
    }

    /// A stream, with the rates of resets and errors as NIOHTTP2 has them.
    static let stream = NIOHTTP2Handler.StreamConfiguration()
}
