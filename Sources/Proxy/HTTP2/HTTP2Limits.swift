// What a peer of HTTP/2 may ask of us.

/// Bounds of connections and streams (E3); `FloodGuard` has the rates.
enum HTTP2Limits {
    /// Streams that a client may have open at once.
    static let concurrentStreams = 128
    /// Octets that a stream's peer may send before some were taken.
    static let streamWindow = 131_072
    /// The same for all streams of a connection together.
    static let connectionWindow = 1_048_576
    /// The most that a window may be (RFC 9113 §6.9.1).
    static let largestWindow = 0x7FFF_FFFF
    /// The most octets of a frame's payload, in and out: what the protocol begins with (§4.2).
    static let frameBytes = 16_384
    /// Data up to so many octets is copied together with what goes out with it.
    static let copiedBytes = 8192
    /// Octets of a stream's answer that may wait to be sent.
    static let bufferedBytes = 131_072
    /// Ended streams that a connection keeps for the next ones.
    static let spareStreams = 16

    /// Streams that an upstream is taken to allow until it says.
    static let assumedStreams = 100
    /// Connections to one endpoint from one worker.
    static let upstreamConnections = 32
    /// After a stream of that number a connection takes no more; the protocol ends at 2^31 - 1.
    static let lastStreamID: UInt32 = 0x7FFF_FF00

    /// What an upstream may do: it is trusted more than a client, and speaks in proportion to what it is asked.
    static let ofUpstreams = FloodGuard.Bounds(
        resets: 100_000,
        controls: 100_000,
        idle: 100_000,
        emptyData: 1000
    )
}
