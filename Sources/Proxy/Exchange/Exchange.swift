// A request and its answer: the noun that walks the house.

package import NIOCore

/// One request with its answer, bound to its connection's event loop; the object is reused for the connection's next request.
///
/// What is stored is internal and what other modules see is computed: only so can the compiler prove that no two
/// accesses overlap, and leave out the check at each of them that a stored `package` property costs.
package final class Exchange {
    var head: RequestHead
    var facts: ClientFacts
    var towardsUpstream = FieldEdits()
    var towardsClient = FieldEdits()
    var progress = ExchangeRecord()
    private var begunAt: NIODeadline
    private var handlersOwn: AnyObject?
    /// The loop that all of it happens on.
    package let eventLoop: any EventLoop

    /// Who carries out what is decided.
    weak var transport: (any ExchangeTransport)?
    /// Rises with every request on the connection, so that late results find theirs gone.
    private var generation: UInt64 = 0
    private var isDecided = false
    /// The body that the handler wants to see before it decides.
    var reading: BodyReading?
    private var task: Task<Void, Never>?
    private var alarm: Scheduled<Void>?
    private let waitLimit: TimeAmount

    /// Makes an exchange; `request` and `client` are given where there is no wire.
    package init(
        transport: (any ExchangeTransport)?,
        eventLoop: any EventLoop,
        request: RequestHead = RequestHead(),
        client: ClientFacts,
        waitLimit: TimeAmount = .seconds(60)
    ) {
        self.transport = transport
        self.eventLoop = eventLoop
        self.head = request
        self.facts = client
        self.waitLimit = waitLimit
        self.begunAt = .now()
    }

    /// The request's head, as it is now; who reads much of it keeps the copy.
    package var request: RequestHead { self.head }
    /// Who asks.
    package var client: ClientFacts { self.facts }
    /// Whether the peer is in the trusted list.
    package var isFromTrustedPeer: Bool { self.facts.isTrustedPeer }
    /// Whether it came to a listener for calls to the program itself.
    package var isForCalls: Bool { self.facts.isForCalls }
    /// Whether a stranger's word about the scheme was dropped; see `ClientFacts.strangerDisagreed`.
    package var strangerDisagreed: Bool { self.facts.strangerDisagreed }
    /// Whether the client was asked for a certificate; see `ClientFacts.wasAskedForCertificate`.
    package var wasAskedForCertificate: Bool? { self.facts.wasAskedForCertificate }
    /// Fields that the upstream shall see, besides the client's.
    package var upstreamEdits: FieldEdits {
        get { self.towardsUpstream }
        set { self.towardsUpstream = newValue }
    }
    /// Fields of whatever answer goes to the client.
    package var answerEdits: FieldEdits {
        get { self.towardsClient }
        set { self.towardsClient = newValue }
    }

    /// Takes over what the upstream and the client shall see, and gives back the storage that it had for it.
    package func take(upstream: inout FieldEdits, answer: inout FieldEdits) {
        swap(&self.towardsUpstream, &upstream)
        swap(&self.towardsClient, &answer)
    }

    /// The handler's own, kept on the connection for its next request.
    package var attachment: AnyObject? {
        get { self.handlersOwn }
        set { self.handlersOwn = newValue }
    }
    /// When the request's head was complete.
    package var startedAt: NIODeadline { self.begunAt }
    /// What has become of it so far.
    package var record: ExchangeRecord { self.progress }

    /// Sends an answer of our own; the exchange is decided.
    package func answer(_ answer: Answer) {
        guard self.decide() else { return }
        self.transport?.answer(self, answer)
    }

    /// Sends the request to an upstream and its answer back; the exchange is decided.
    package func forward(_ order: ForwardOrder) {
        guard self.decide() else { return }
        self.transport?.forward(self, order)
    }

    /// Gathers the request's whole body, then `then` on the loop.
    ///
    /// Each request's body can be read once. A client that is too slow, or breaks a rule, is refused.
    ///
    /// - Parameters:
    ///   - limit: octets of data beyond which no more is gathered.
    ///   - keepsBody: whether the request may still be forwarded, with its body as it came; otherwise an answer has to follow.
    package func read(upTo limit: Int, keepsBody: Bool = false, then: @escaping (BodyRead) -> Void) {
        guard !self.isDecided, let transport = self.transport else { return }
        self.endWait()
        self.reading = BodyReading(limit: limit, keepsBody: keepsBody, then: then)
        transport.read(self)
    }

    /// Puts another body and its type in the place of the one that was read, which goes nowhere; head and length follow.
    ///
    /// - Returns: false, and nothing has changed, where the head that comes of it is refused; and outside of `read`'s
    ///   `then`, for a body that was not read whole to be kept.
    package func replaceBody(type: [UInt8]?, _ octets: [UInt8]) -> Bool {
        guard !self.isDecided, let transport = self.transport else { return false }
        return transport.replaceBody(self, type: type, octets)
    }

    /// Does `work` off the loop, then `then` on it; dropped if the client has gone or the time is up.
    package func wait<T: Sendable>(
        for work: @escaping @Sendable () async -> T,
        then: @escaping (T) -> Void
    ) {
        guard !self.isDecided else { return }
        self.endWait()
        let mine = self.generation
        let landing = NIOLoopBound((exchange: self, then: then), eventLoop: self.eventLoop)
        let loop = self.eventLoop
        self.task = Task {
            let result = await work()
            loop.execute {
                let (exchange, then) = landing.value
                guard exchange.generation == mine, !exchange.isDecided else { return }
                exchange.endWait()
                then(result)
            }
        }
        self.alarm = loop.assumeIsolated().scheduleTask(in: self.waitLimit) {
            guard self.generation == mine, !self.isDecided else { return }
            self.endWait()
            self.transport?.decisionTimedOut(self)
        }
    }

    /// Takes down when the request went on, and when its answer came.
    func noteAnswer(sentAt: NIODeadline, _ now: NIODeadline) {
        self.progress.upstreamNanoseconds = (now - sentAt).nanoseconds
        self.progress.gatewayNanoseconds = (sentAt - self.begunAt).nanoseconds
    }

    /// Makes ready for the next request on the connection.
    func renew(startedAt: NIODeadline) {
        self.endWait()
        self.generation &+= 1
        self.isDecided = false
        self.reading = nil
        self.towardsUpstream.reset()
        self.towardsClient.reset()
        self.progress = ExchangeRecord()
        self.begunAt = startedAt
    }

    /// Gives all storage back, the handler's too, until the next request needs it.
    func rest() {
        self.head = RequestHead()
        (self.towardsUpstream, self.towardsClient) = (FieldEdits(), FieldEdits())
        self.progress = ExchangeRecord()
        self.handlersOwn = nil
    }

    /// Cuts the exchange off: nothing that is still under way reaches anyone.
    func abandon() {
        self.generation &+= 1
        self.isDecided = true
        self.reading = nil
        self.endWait()
    }

    /// Whether a handler has answered or forwarded.
    package var hasBeenDecided: Bool { self.isDecided }

    private func decide() -> Bool {
        guard !self.isDecided else { return false }
        self.isDecided = true
        self.endWait()
        return true
    }

    private func endWait() {
        self.alarm?.cancel()
        self.alarm = nil
        self.task?.cancel()
        self.task = nil
    }
}
