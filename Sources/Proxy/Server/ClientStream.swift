// One request of a client and its answer, whatever protocol carries them.

import NIOCore

/// What an exchange needs of its client's side: the exchange itself, what goes to the upstream, and where both stand.
///
/// How octets come and go is a subclass's: a whole connection of HTTP/1.1, one stream of HTTP/2. Here that part says and
/// hears nothing.
class ClientStream: ExchangeTransport {
    /// Where the exchange stands.
    enum Phase {
        /// Between requests, or within a head.
        case head
        /// The handler is thinking.
        case deciding
        /// The request's body is gathered for the handler.
        case reading
        /// The exchange goes to an upstream, or waits for a connection to one.
        case forwarding
        /// Our answer's head is out, and its feed says the rest.
        case telling
        /// Both sides speak another protocol; octets pass as they are.
        case tunnelling
        /// Our answer is out; the rest of the request's body is read and dropped.
        case draining
        /// The last answer is out; what still comes is dropped until the client closes (RFC 9112 §9.6).
        case lingering
        case closed
    }

    final let worker: Worker
    final let exchange: Exchange
    final var phase = Phase.head
    /// When something must have happened; watched by the worker's one timer.
    final var deadline = NIODeadline.distantFuture
    /// When a stream or tunnel that is under way has to end, because what let it in does.
    final var endsAt = NIODeadline.distantFuture
    /// Whether what let the exchange in was taken back.
    final var isTakenBack = false
    /// The request's body as it comes in.
    final var body = InboundBody()
    /// What stands in its place, while it is handed to the handler.
    final var inPlace = BodyInPlace.none
    /// Octets that came while nobody could take them.
    final var held = ByteBuffer()
    final var isReadingPaused = false
    /// Whether the client takes what is written; as the channel tells it, so that nobody has to ask.
    final var isWritable = true
    /// How fast the body comes.
    final var pace = BodyPace()
    /// Set while octets are being taken, so that nobody begins to take them again.
    final var isRunning = false
    /// What the exchange has on the upstream's side.
    final var passage = UpstreamPassage()
    /// What says the rest of our own answer.
    final var feed: (any AnswerFeed)?
    /// How the answer under way is written.
    final var shape = AnswerShape(isHTTP11: true, method: .get, keepsAlive: true)
    final var answerFraming = BodyFraming.none
    /// What the connection itself tells of the client, before any request does.
    final var facts = ClientFacts()
    /// The same for the heads that go to upstreams.
    final var origin = HeadWriter.Origin.unknown

    init(worker: Worker) {
        self.worker = worker
        self.exchange = Exchange(
            transport: nil,
            eventLoop: worker.eventLoop,
            client: ClientFacts(),
            waitLimit: TimeAmount(seconds: worker.limits.decisionSeconds)
        )
        self.exchange.transport = self
    }

    // MARK: How octets come

    /// Goes on with what was held back.
    func resume() {}

    /// Lets no more come than has come already.
    func pauseReading() { self.isReadingPaused = true }

    func resumeReading() { self.isReadingPaused = false }

    // MARK: How octets go

    /// Makes an answer of our own ready to be sent.
    func stage(_ answer: Answer) {}

    /// Sends the answer of our own that is ready, and ends the exchange on the wire.
    func sendStaged(isUnread: Bool, at now: NIODeadline) {}

    /// Tells a client that waits for it to send its body (RFC 9110 §10.1.1).
    func sendContinue() {}

    /// Sends a 1xx head.
    func sendInterim(_ head: ResponseHead) {}

    /// Makes an upstream's answer head ready; it waits for the first of the body.
    func stage(_ head: borrowing ResponseHead) {}

    /// Makes data of an upstream's answer ready, or sends it.
    func stage(_ buffer: ByteBuffer, _ range: Range<Int>) {}

    /// Keeps lines of trailers for the answer's end, where the client has a place for them.
    func stage(trailers: [UInt8]) {}

    /// Sends what is ready.
    func flushStaged() {}

    /// Sends what is ready, and that it was all.
    ///
    /// - Parameter hasSurplus: whether the upstream said more than its answer.
    func sendEnd(hasSurplus: Bool, at now: NIODeadline) {}

    /// Sends the head of a 101 and nothing of HTTP after it.
    func sendSwitch(_ head: borrowing ResponseHead) {}

    /// Sends octets of a tunnel as they are.
    func sendRaw(_ buffer: ByteBuffer) {}

    /// Closes once all that was sent has gone.
    func sendClose() {}

    /// Breaks an answer off and says why, where the protocol has words for it.
    func breakOff(_ error: ProxyError) { self.breakAnswer() }

    /// Lets the client see that an answer which has begun is not whole (X18).
    func breakAnswer() {}

    /// Closes at once, with whatever is under way.
    func abort() {}

    /// Whether this client may go on after the answer under way, for all that the upstream's side knows.
    func mayStay(after answer: Answer) -> Bool { !answer.closesConnection && !self.worker.isDraining }

    /// Whether an answer of our own may go on after its head.
    var mayTell: Bool { false }

    /// Whether what is left of the request's body is known to be little, and is coming.
    var mayDrainBody: Bool { true }

    // MARK: The exchange

    /// Makes ready for the request whose head is here.
    final func beginExchange(_ framing: BodyFraming, at now: NIODeadline) {
        self.exchange.renew(startedAt: now)
        if self.facts.isTrustedPeer {
            self.exchange.facts = self.facts
            self.exchange.facts.hear(self.exchange.head.fields, trusted: self.worker.trustedPeers)
        } else {
            self.exchange.facts.noticeStranger(self.exchange.head.fields)
        }
        self.body.begin(framing)
        self.pace = BodyPace()
        self.deadline = .distantFuture
        self.endsAt = .distantFuture
        self.isTakenBack = false
    }

    /// Something was taken back: where it is what let this exchange in, the exchange ends, now or once its answer begins.
    final func review() {
        switch self.phase {
        case .deciding, .reading, .forwarding, .tunnelling:
            guard !self.isTakenBack, !self.worker.handler.mayGoOn(self.exchange) else { return }
            self.isTakenBack = true
            self.endsAt = .now()
        case .head, .telling, .draining, .lingering, .closed: return
        }
    }

    /// What let the exchange in has ended: an answer that goes on without end is broken off, as is a tunnel.
    final func identityEnded() {
        self.endsAt = .distantFuture
        switch self.phase {
        case .forwarding where self.passage.hasAnswered:
            self.exchange.progress.error = .identityEnded
            let link = self.passage.link
            self.passage.link = nil
            link?.abort()
            self.breakOff(.identityEnded)
        case .tunnelling:
            self.exchange.progress.error = .identityEnded
            self.endTunnel(.identityEnded)
        case .deciding, .reading, .forwarding:
            // Its request came in time, and an answer that ends by itself may have begun before anybody looks again.
            if self.isTakenBack { self.endsAt = .now() + .milliseconds(250) }
        case .head, .telling, .draining, .lingering, .closed: return
        }
    }

    /// Answers what the guard did not let in (X19).
    final func refuse(_ refusal: RequestRefusal) {
        if self.phase == .head {
            self.exchange.renew(startedAt: .now())
            self.exchange.facts = self.facts
            self.body.begin(.none)
            // Known if the request line was read: an answer to HEAD has no body (X16).
            self.shape.isHTTP11 = true
            self.shape.method = self.exchange.head.method
        }
        self.exchange.progress.refusal = refusal
        self.shape.keepsAlive = false
        self.phase = .deciding
        let answer = self.worker.handler.refused(self.exchange, refusal)
        self.exchange.abandon()
        self.send(answer, after: .refused)
    }

    /// Whoever carried it is gone: ends the exchange, if one is under way.
    final func endExchange() {
        let phase = self.phase
        self.phase = .closed
        self.deadline = .distantFuture
        switch phase {
        case .deciding, .reading: self.finish(error: .clientGone)
        case .forwarding:
            self.dropUpstream()
            self.finish(error: self.exchange.progress.error ?? .clientGone)
        case .telling: self.endTelling()
        case .tunnelling:
            // Either side may end a tunnel.
            self.exchange.progress.isComplete = self.exchange.progress.error == nil
            self.passage.link?.sendClose()
            self.passage.link = nil
            self.finish(error: nil)
        case .head, .draining, .lingering, .closed: break
        }
        self.exchange.abandon()
        self.exchange.attachment = nil
    }
}
