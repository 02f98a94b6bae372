// What a client may ask of us, in octets and seconds.

/// Limits of the client's side; every one has a default (X21).
package struct ProxyLimits: Sendable, Equatable {
    /// Octets of a request's head, or of an upstream's answer head.
    package var headBytes = 32_768
    /// Octets of a request line.
    package var lineBytes = 16_384
    /// Fields of a head.
    package var fields = 100
    /// Forms of a path that are let in though they are usually refused (P3).
    package var allowedInPath: AllowedInPath = []
    /// Octets of a request's body; nil is no limit.
    package var bodyBytes: Int?
    /// Seconds from a request's first octet to the end of its head.
    package var headSeconds = 10.0
    /// Seconds between two pieces of a request's body.
    package var bodySeconds = 60.0
    /// Octets a second that a request's body must keep up, after `bodySeconds` in advance; 0 is no bound.
    package var bodyRate = 240
    /// Seconds that a client may leave our answer unread.
    package var readerSeconds = 60.0
    /// Seconds that an idle connection is kept.
    package var idleSeconds = 60.0
    /// Seconds that one wait of the handler may take.
    package var decisionSeconds = 60.0
    /// Requests on one connection.
    package var requestsPerConnection = 10_000
    /// Connections that one worker holds; more are closed at once.
    package var connectionsPerWorker = 16_384
    /// Connections that all workers together hold; nil is no bound.
    package var connectionsTotal: Int?
    /// Connections from one IPv4 address or IPv6 /64, trusted peers excepted; nil is no bound.
    package var connectionsPerAddress: Int?
    /// Seconds that an idle connection may still bring a request while the server drains.
    package var drainIdleSeconds = 2.0
    /// Octets of a refused request's body that are read to its end rather than cut off (S9).
    package var drainedBytes = 65_536
    /// Interim answers that an upstream may send before the final one.
    package var interimAnswers = 32
    /// Octets that may wait in each direction of an exchange.
    package var bufferedBytes = 131_072
    /// Connections to one endpoint from one worker; as many as clients may be slow at once without others having to wait.
    package var upstreamConnections = 8192
    /// Idle connections to one endpoint kept by one worker.
    package var upstreamIdleConnections = 128
    /// Exchanges that may wait for a connection to one endpoint.
    package var upstreamWaiters = 1024
    /// Seconds that an idle upstream connection is kept; below what upstreams commonly do (Node: 5 s).
    package var upstreamIdleSeconds = 4.0

    /// The defaults.
    package init() {}
}
