// What carries one exchange to an upstream, whatever protocol it speaks.

import NIOCore

/// The upstream's side of an exchange: a whole connection of HTTP/1.1, one stream of HTTP/2.
///
/// How octets come and go is a subclass's; here that part says and hears nothing.
class UpstreamLink: WatchedUpstream {
    final let worker: Worker
    /// Where the worker keeps it.
    final var place: Int?
    /// When something must have happened; watched by the worker's one timer.
    final var deadline = NIODeadline.distantFuture
    /// Whose exchange it carries.
    final var client: ClientStream?
    final var isReadingPaused = false
    /// How its request ends.
    final var method = Method.get
    private final var readLimit = TimeAmount.zero
    private final var writeLimit = TimeAmount.zero

    init(worker: Worker) { self.worker = worker }

    /// Takes on an exchange and writes its head.
    ///
    /// - Parameters:
    ///   - isWhole: whether no body follows.
    ///   - flush: whether nothing more is known to follow now.
    func begin(for client: ClientStream, _ order: ForwardOrder, isWhole: Bool, flush: Bool) {
        self.client = client
        self.method = order.sentMethod(client.shape.method)
        self.readLimit = order.terms.readLimit
        self.writeLimit = order.terms.writeLimit
        self.deadline = .distantFuture
    }

    /// Writes data of the request's body, in `range` of `buffer`.
    func send(_ buffer: ByteBuffer, _ range: Range<Int>) {}

    /// Writes the end of the request's body, and lines of trailers behind it where they have a place.
    func sendEnd(trailers: [UInt8]) {}

    /// Writes octets of a tunnel as they are.
    func sendRaw(_ buffer: ByteBuffer) {}

    /// Closes a tunnel once all that was sent has gone.
    func sendClose() {}

    func flush() {}

    /// Whether the upstream takes what is written.
    var isWritable: Bool { false }

    /// Whether an answer is under way.
    var isAwaiting: Bool { false }

    /// The request is out: the answer has to come.
    final func awaitAnswer(from now: NIODeadline) {
        guard self.isAwaiting, !self.isReadingPaused else { return }
        self.deadline = now + self.readLimit
    }

    /// The upstream does not take what it should take.
    final func watchWrite(from now: NIODeadline) { self.deadline = now + self.writeLimit }

    func pauseReading() {
        self.isReadingPaused = true
        self.deadline = .distantFuture
    }

    func resumeReading() {
        self.isReadingPaused = false
        self.deadline = .now() + self.readLimit
    }

    /// Something of the answer has come; the next has to follow.
    final func watchRead(_ now: NIODeadline) { self.deadline = now + self.readLimit }

    /// Closes without a word to the exchange.
    func abort() {}

    /// The deadline has passed.
    func timeIsUp() {}

    /// Closes, and tells the exchange why.
    final func fail(_ error: ProxyError) {
        let client = self.client
        self.abort()
        client?.upstreamFailed(error)
    }
}
