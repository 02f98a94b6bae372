// How a body ends.

/// What delimits a body.
///
/// RFC 9112 §6.3.
package enum BodyFraming: Sendable, Equatable {
    /// There is no body.
    case none
    /// Exactly so many octets.
    case length(Int)
    /// Chunks, up to the last one.
    case chunked
    /// Whatever comes until the peer closes; answers only.
    case untilClose
}
