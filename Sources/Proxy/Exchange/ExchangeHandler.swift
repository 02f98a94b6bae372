// Who decides what becomes of an exchange: the one door upward.

/// Decides on exchanges; one per event loop, called only there.
package protocol ExchangeHandler: AnyObject {
    /// A request's head is here, guarded and canonical; ends, now or after `wait`, in exactly one `answer` or `forward`.
    func began(_ exchange: Exchange)
    /// The upstream's answer head, before it goes to the client; also edit `exchange.answerEdits`.
    func answered(_ exchange: Exchange, head: inout ResponseHead)
    /// Nothing came of a forward or of a wait: what the client is told.
    func failed(_ exchange: Exchange, _ error: ProxyError) -> Answer
    /// The guard refused the request; `exchange.request` may be empty or half read.
    func refused(_ exchange: Exchange, _ refusal: RequestRefusal) -> Answer
    /// The exchange is over; called once for each that began or was refused.
    func ended(_ exchange: Exchange, _ record: ExchangeRecord)
    /// The worker's loop is about to end; nothing follows.
    func stopped()
    /// Rises whenever something is taken back that may have let exchanges in: each is then asked about.
    var standings: UInt64 { get }
    /// Whether what let an exchange in still holds; one under way is broken off where it does not.
    func mayGoOn(_ exchange: Exchange) -> Bool
}

extension ExchangeHandler {
    package func answered(_ exchange: Exchange, head: inout ResponseHead) {}
    package func ended(_ exchange: Exchange, _ record: ExchangeRecord) {}
    package func stopped() {}
    package var standings: UInt64 { 0 }
    package func mayGoOn(_ exchange: Exchange) -> Bool { true }
}

/// Carries out what a handler decided; a connection, or a stand-in where there is none.
package protocol ExchangeTransport: AnyObject {
    /// Sends an answer of our own.
    func answer(_ exchange: Exchange, _ answer: Answer)
    /// Sends the request on.
    func forward(_ exchange: Exchange, _ order: ForwardOrder)
    /// Gathers the request's body for the handler, who decides afterwards.
    func read(_ exchange: Exchange)
    /// Puts another body in the place of the one that was read; see `Exchange.replaceBody`.
    func replaceBody(_ exchange: Exchange, type: [UInt8]?, _ octets: [UInt8]) -> Bool
    /// The handler's work took too long.
    func decisionTimedOut(_ exchange: Exchange)
}
