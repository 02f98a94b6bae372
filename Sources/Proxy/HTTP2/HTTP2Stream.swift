// One stream of a client: a request and its answer.

import NIOCore

/// Carries one exchange; kept by its connection for another stream afterwards.
final class HTTP2Stream: ClientStream, StreamOwner {
    private unowned let connection: HTTP2Connection
    private unowned let session: HTTP2Session
    private(set) lazy var flow = StreamFlow(owner: self)
    /// Where its connection keeps it.
    var number = 0
    /// Whether a head that promises no body waits for the stream's end, which may still contradict it.
    private var awaitsEnd = false
    /// How much of `held` was counted as taken before.
    private var repeated = 0
    /// The field block of an answer's head that waits for the first of its body.
    private var block: [UInt8] = []
    /// The field block of its trailers.
    private var trailers: [UInt8] = []

    init(connection: HTTP2Connection, _ session: HTTP2Session) {
        self.connection = connection
        self.session = session
        super.init(worker: connection.worker)
        self.facts = connection.facts
        self.origin = connection.origin
    }

    // MARK: What comes

    /// Takes a request.
    func begin(_ fields: FieldList) {
        self.phase = .head
        self.held = ByteBuffer()
        self.block.removeAll(keepingCapacity: true)
        self.trailers.removeAll(keepingCapacity: true)
        (self.isReadingPaused, self.isWritable) = (false, self.session.isWritable)
        (self.awaitsEnd, self.repeated) = (false, 0)
        self.passage = UpstreamPassage()
        self.exchange.facts = self.facts
        self.connection.parser.reset(&self.exchange.head)
        do throws(RequestRefusal) {
            try self.read(fields)
        } catch {
            return self.refuse(error)
        }
        switch self.exchange.head.framing {
        case .length(let count): self.flow.promised = count
        case .none where !self.flow.isPeerEnded:
            // A length of 0; without any, the body is taken for one of unknown length.
            self.flow.promised = 0
            self.awaitsEnd = true
            self.deadline = .now() + TimeAmount(seconds: self.worker.limits.headSeconds)
            return
        case .none, .chunked, .untilClose: break
        }
        self.start()
    }

    /// The request is known as far as it has to be.
    private func start() {
        let head = self.exchange.head
        // Where nothing says how long the body is, the stream's end does.
        self.beginExchange(head.framing == .chunked ? .untilClose : head.framing, at: .now())
        self.shape = AnswerShape(
            isHTTP11: true,
            method: head.method,
            keepsAlive: true,
            takesTrailers: true
        )
        self.phase = .deciding
        self.worker.handler.began(self.exchange)
    }

    private func read(_ fields: FieldList) throws(RequestRefusal) {
        guard !fields.isCut else { throw .headTooLarge }
        let isWhole = self.flow.isPeerEnded
        try HTTP2Head.write(fields, isWhole: isWhole, into: &self.exchange.head.fields.bytes)
        let count = self.exchange.head.fields.bytes.count
        switch self.connection.parser.advance(&self.exchange.head) {
        case .complete(let end):
            guard end == count else { throw .malformed(.requestLine) }
        case .incomplete: throw .malformed(.requestLine)
        case .refused(let refusal): throw refusal
        }
        if isWhole, self.exchange.head.framing != .none { throw .malformed(.contentLength) }
    }

    /// Trailers (X10), for an upstream that has a place for them.
    func received(_ fields: FieldList, isLast: Bool) throws(HTTP2Fault) {
        guard !fields.isCut else { throw HTTP2Fault(.enhanceYourCalm, stream: self.flow.id) }
        var lines: [UInt8] = []
        guard HTTP2Head.write(trailers: fields, into: &lines) else {
            throw HTTP2Fault(.protocolError, stream: self.flow.id)
        }
        guard !self.awaitsEnd else { return self.endAwaited(isLast) }
        if !self.body.isComplete { self.body.trailers = lines }
        self.resume()
    }

    private func endAwaited(_ isLast: Bool) {
        guard isLast else { return }
        self.awaitsEnd = false
        self.start()
    }

    /// Data of the body.
    func received(_ data: ByteBuffer, isLast: Bool) {
        guard !self.awaitsEnd else { return self.endAwaited(isLast) }
        guard self.phase == .deciding || self.phase == .reading || self.phase == .forwarding,
            !self.body.isComplete
        else {
            return self.session.taken(data.readableBytes, of: self.flow)
        }
        if self.held.readableBytes == 0 {
            self.held = data
        } else {
            self.held.writeImmutableBuffer(data)
        }
        self.resume()
    }

    override func resume() {
        guard self.phase != .reading else { return self.gather() }
        guard !self.isRunning, self.phase == .forwarding, self.passage.link != nil, !self.body.isComplete,
            self.held.readableBytes > 0 || self.flow.isPeerEnded
        else { return }
        self.isRunning = true
        defer { self.isRunning = false }
        var buffer = self.held
        self.held = ByteBuffer()
        let before = buffer.readableBytes
        if before > 0 { self.pumpBody(&buffer) }
        self.took(before - buffer.readableBytes)
        guard self.phase == .forwarding, !self.body.isComplete else { return }
        self.held = buffer
        if self.flow.isPeerEnded, buffer.readableBytes == 0, !self.passage.isUpstreamFull { self.endBody() }
    }

    /// Gives the peer room for as much as has been consumed of what it sent.
    private func took(_ count: Int) {
        let again = min(count, self.repeated)
        self.repeated -= again
        self.session.taken(count - again, of: self.flow)
    }

    /// Takes what there is of a body that the handler reads.
    private func gather() {
        guard !self.isRunning else { return }
        self.isRunning = true
        var buffer = self.held
        self.held = ByteBuffer()
        self.session.taken(buffer.readableBytes, of: self.flow)
        if buffer.readableBytes > 0 { self.gatherBody(&buffer) }
        if self.phase == .reading, self.flow.isPeerEnded { self.endReading(&buffer) }
        self.isRunning = false
        guard self.phase != .reading else { return }
        // What is to come again has been taken off the peer's window already.
        self.held = buffer
        self.repeated = buffer.readableBytes
        self.resume()
    }

    override func resumeReading() {
        guard self.isReadingPaused else { return }
        super.resumeReading()
        if self.phase == .forwarding { self.watchBody(.now()) }
    }

    // MARK: What goes

    override func stage(_ answer: Answer) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            answer,
            self.exchange.towardsClient,
            shape: self.shape,
            into: &self.worker.scratch
        )
        self.block.removeAll(keepingCapacity: true)
        let scratch = self.worker.scratch
        let bodyStart = HTTP2Head.answer(scratch, status: answer.status, into: &self.block)
        self.trailers.removeAll(keepingCapacity: true)
        if !answer.trailers.isEmpty { self.stage(trailers: HTTP2Head.lines(answer.trailers)) }
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(scratch[bodyStart...])
    }

    override func sendStaged(isUnread: Bool, at now: NIODeadline) { self.sendLast(at: now) }

    override var mayTell: Bool { true }

    override func sendContinue() {
        var block: [UInt8] = []
        _ = HTTP2Head.answer(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), status: 100, into: &block)
        self.session.sendHead(self.flow, block, isLast: false)
        self.session.flush()
    }

    override func sendInterim(_ head: ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.writeInterim(head, into: &self.worker.scratch)
        var block: [UInt8] = []
        _ = HTTP2Head.answer(self.worker.scratch, status: head.status, into: &block)
        self.session.sendHead(self.flow, block, isLast: false)
        self.session.flush()
    }

    override func stage(_ head: borrowing ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        _ = self.worker.writer.write(
            head,
            self.exchange.towardsClient,
            shape: &self.shape,
            into: &self.worker.scratch
        )
        self.block.removeAll(keepingCapacity: true)
        _ = HTTP2Head.answer(self.worker.scratch, status: head.status, into: &self.block)
        self.worker.toClient.clear()
    }

    override func stage(_ buffer: ByteBuffer, _ range: Range<Int>) {
        let start = buffer.readerIndex &+ range.lowerBound
        guard range.count > HTTP2Limits.copiedBytes,
            let data = buffer.getSlice(at: start, length: range.count)
        else {
            self.worker.toClient.writeBytes(buffer.readableBytesView[start..<(start &+ range.count)])
            return
        }
        self.sendGathered()
        self.sendBlock(isLast: false)
        self.session.send(self.flow, data, isLast: false)
        self.noteWritability()
    }

    override func stage(trailers: [UInt8]) {
        self.trailers.removeAll(keepingCapacity: true)
        HTTP2Head.trailers(trailers, into: &self.trailers)
    }

    override func flushStaged() {
        self.sendBlock(isLast: false)
        self.sendGathered()
        self.session.flush()
    }

    override func sendEnd(hasSurplus: Bool, at now: NIODeadline) { self.sendLast(at: now) }

    private func sendBlock(isLast: Bool) {
        guard !self.block.isEmpty else { return }
        self.session.sendHead(self.flow, self.block, isLast: isLast)
        self.block.removeAll(keepingCapacity: true)
    }

    private func sendGathered() {
        guard self.worker.toClient.readableBytes > 0 else { return }
        self.sendBlock(isLast: false)
        self.session.send(self.flow, self.worker.toClient, isLast: false)
        self.worker.toClient.clear()
        self.noteWritability()
    }

    /// Writes what is left of the answer and the stream's end.
    private func sendLast(at now: NIODeadline) {
        self.phase = .lingering
        self.deadline = now + TimeAmount(seconds: self.worker.limits.readerSeconds)
        let (hasData, hasTrailers) = (self.worker.toClient.readableBytes > 0, !self.trailers.isEmpty)
        let isAll = !self.block.isEmpty && !hasData && !hasTrailers
        self.sendBlock(isLast: isAll)
        if hasData || !(isAll || hasTrailers) {
            self.session.send(self.flow, self.worker.toClient, isLast: !hasTrailers)
        }
        self.worker.toClient.clear()
        if hasTrailers { self.session.sendTrailers(self.flow, self.trailers) }
        self.session.flush()
    }

    /// Too much waits to be sent, or no longer.
    private func noteWritability() {
        let waiting = self.flow.waitingBytes
        self.isWritable =
            self.session.isWritable
            && (self.isWritable
                ? waiting <= HTTP2Limits.bufferedBytes : waiting < HTTP2Limits.bufferedBytes / 2)
    }

    func sentSome() {
        let wasWritable = self.isWritable
        self.noteWritability()
        if self.phase == .lingering {
            self.deadline = .now() + TimeAmount(seconds: self.worker.limits.readerSeconds)
        }
        guard self.isWritable, !wasWritable, self.phase == .forwarding else { return }
        self.watchBody(.now())
        self.passage.link?.resumeReading()
    }

    // MARK: The end

    override func breakAnswer() { self.reset(.internalError) }

    /// A call of gRPC ends with a status, what else there is with the stream.
    override func breakOff(_ error: ProxyError) {
        guard self.isGRPC, error == .identityEnded else { return self.reset(.cancel) }
        self.finish(error: error)
        self.exchange.abandon()
        self.stage(trailers: Self.unauthenticated)
        self.sendLast(at: .now())
    }

    private static let unauthenticated = HTTP2Head.lines([
        ("grpc-status", "16"), ("grpc-message", "the token or session has ended"),
    ])

    /// Whether the answer under way is one of gRPC.
    private var isGRPC: Bool {
        guard let type = self.exchange.head.fields.string(of: .contentType) else { return false }
        return type.hasPrefix("application/grpc")
    }

    override func abort() { self.reset(.cancel) }

    private func reset(_ code: HTTP2ErrorCode) {
        guard self.phase != .closed else { return }
        self.session.reset(self.flow, code)
    }

    /// The deadline has passed.
    func timeIsUp() {
        self.deadline = .distantFuture
        switch self.phase {
        case .forwarding: self.forwardTimedOut()
        case .draining, .lingering: self.abort()
        case .head, .reading: self.refuse(.timedOut)
        case .deciding, .telling, .tunnelling, .closed: return
        }
    }

    /// The stream is closed, by whom ever.
    func closed(_ reason: HTTP2ErrorCode?) {
        defer { self.connection.closed(self) }
        guard self.phase != .closed else { return }
        self.took(self.held.readableBytes)
        self.held = ByteBuffer()
        guard self.phase == .lingering else { return self.endExchange() }
        self.phase = .closed
        self.deadline = .distantFuture
    }
}
