// What a request that has passed still hangs on.

/// What let a request in and may be taken back while its answer goes on: a session that somebody ends.
package protocol Standing: AnyObject, Sendable {
    /// Whether it was taken back.
    func hasEnded(at now: Double) -> Bool
}
