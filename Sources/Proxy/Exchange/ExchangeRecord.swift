// What became of an exchange, for the log and the metrics.

/// Facts of an exchange that has ended; told once.
package struct ExchangeRecord: Sendable {
    /// The status the client got, or 499 if it left before one.
    package var status = 0
    /// Octets of the request's body that came in.
    package var requestBodyBytes = 0
    /// Octets of the answer's body that were written to the client.
    package var answerBodyBytes = 0
    /// From the request's head to the end of the answer, in nanoseconds.
    package var totalNanoseconds: Int64 = 0
    /// From the forwarded head to the upstream's answer head, in nanoseconds; nil if nothing was forwarded.
    package var upstreamNanoseconds: Int64?
    /// From the request's head to the forwarded head or our own answer, in nanoseconds.
    package var gatewayNanoseconds: Int64 = 0
    /// Where it went.
    package var endpoint: Endpoint?
    /// Why it failed on the way, if it did.
    package var error: ProxyError?
    /// Why the guard refused it, if it did; the request may then be incomplete.
    package var refusal: RequestRefusal?
    /// Whether the answer reached its end; false if either side broke off.
    package var isComplete = false

    /// A record of nothing yet.
    package init() {}
}
