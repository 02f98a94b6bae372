// An answer of our own that goes on after its head.

/// Says what follows an answer's head, piece by piece, until it or the client ends; nobody's identity, so nothing breaks it off.
///
/// Only a stream of HTTP/2 has a feed; elsewhere an answer with one ends with its body.
package protocol AnswerFeed: AnyObject, Sendable {
    /// Sends octets of the body, and with trailers the end; from any thread, and to nobody once the stream is over.
    typealias Teller = @Sendable (_ octets: [UInt8], _ trailers: [(String, String)]?) -> Void

    /// The head is on its way; called once, on the exchange's loop.
    func begin(_ tell: @escaping Teller)
    /// Nobody listens any longer, whoever ended it; called once after `begin`, on the same loop.
    func end()
}
