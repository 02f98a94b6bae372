// One stream to an upstream: a request out, its answer back.

import NIOCore

/// Carries one exchange.
final class HTTP2UpstreamStream: UpstreamLink, StreamOwner {
    private enum Phase { case head, body, closed }

    private let connection: HTTP2Upstream
    private let session: HTTP2Session
    private(set) lazy var flow = StreamFlow(owner: self)
    /// Its number on the connection.
    var number: UInt32 = 0
    private var phase = Phase.head
    private var head = ResponseHead()
    private var interims = 0
    private var takesMore = true
    /// Octets that came while the client did not take them: the upstream hears of them later.
    private var withheld = 0

    init(connection: HTTP2Upstream, _ session: HTTP2Session) {
        self.connection = connection
        self.session = session
        super.init(worker: connection.worker)
    }

    // MARK: The request

    override func begin(for client: ClientStream, _ order: ForwardOrder, isWhole: Bool, flush: Bool) {
        super.begin(for: client, order, isWhole: isWhole, flush: flush)
        let exchange = client.exchange
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            exchange.head,
            order,
            exchange.towardsUpstream,
            from: exchange.facts,
            client.origin,
            into: &self.worker.scratch
        )
        self.worker.block.removeAll(keepingCapacity: true)
        let isSecure = self.connection.pool.endpoint.tls != nil
        HTTP2Head.request(self.worker.scratch, isSecure: isSecure, into: &self.worker.block)
        self.session.sendHead(self.flow, self.worker.block, isLast: isWhole)
        if flush || isWhole { self.session.flush() }
    }

    override func send(_ buffer: ByteBuffer, _ range: Range<Int>) {
        guard let data = buffer.getSlice(at: buffer.readerIndex + range.lowerBound, length: range.count)
        else { return }
        self.session.send(self.flow, data, isLast: false)
        if self.flow.waitingBytes > HTTP2Limits.bufferedBytes { self.takesMore = false }
    }

    override func sendEnd(trailers: [UInt8]) {
        guard !trailers.isEmpty else { return self.session.send(self.flow, ByteBuffer(), isLast: true) }
        self.worker.block.removeAll(keepingCapacity: true)
        HTTP2Head.trailers(trailers, into: &self.worker.block)
        self.session.sendTrailers(self.flow, self.worker.block)
    }

    override func flush() { self.session.flush() }

    override var isWritable: Bool { self.takesMore && self.session.isWritable }

    override var isAwaiting: Bool { self.phase != .closed }

    func sentSome() {
        if self.flow.waitingBytes < HTTP2Limits.bufferedBytes / 2 { self.takesMore = true }
        guard self.isWritable else { return }
        self.client?.upstreamBecameWritable()
    }

    // MARK: The answer

    /// A head, 1xx or final, or trailers.
    func received(_ fields: FieldList, isLast: Bool) {
        self.worker.toClient.clear()
        guard let client = self.client, self.phase != .closed else { return }
        guard self.phase == .head else { return self.readTrailers(fields, isLast: isLast, client) }
        guard self.read(fields) else { return self.fail(.malformedAnswer) }
        guard self.head.status >= 200 else {
            self.interims += 1
            guard !isLast, self.interims <= self.worker.limits.interimAnswers, self.head.status != 101 else {
                return self.fail(.malformedAnswer)
            }
            return client.upstreamInterim(self.head)
        }
        if case .length(let count) = self.head.framing {
            // What it promises has to come (RFC 9113 §8.1.1).
            guard !isLast || count == 0 else { return self.fail(.malformedAnswer) }
            self.flow.promised = count
        }
        self.phase = .body
        client.upstreamHead(&self.head)
        guard self.client === client else { return }
        guard isLast else {
            self.watchRead(.now())
            return client.upstreamPause()
        }
        self.end(client)
    }

    /// What follows the body is its end (RFC 9113 §8.1).
    private func readTrailers(_ fields: FieldList, isLast: Bool, _ client: ClientStream) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        guard isLast, !fields.isCut, HTTP2Head.write(trailers: fields, into: &self.worker.scratch) else {
            return self.fail(.malformedAnswer)
        }
        client.upstreamTrailers(self.worker.scratch, after: self.head)
        self.end(client)
    }

    private func read(_ fields: FieldList) -> Bool {
        guard !fields.isCut else { return false }
        var parser = ResponseParser(limits: self.worker.limits)
        parser.reset(&self.head)
        guard HTTP2Head.write(answer: fields, into: &self.head.fields.bytes) else { return false }
        let count = self.head.fields.bytes.count
        return parser.advance(&self.head, answering: self.method) == .complete(count)
    }

    /// Data of the answer's body.
    func received(_ data: ByteBuffer, isLast: Bool) {
        let count = data.readableBytes
        guard let client = self.client, self.phase == .body else {
            return self.session.taken(count, of: self.flow)
        }
        self.worker.toClient.clear()
        if count > 0 { client.upstreamData(data, 0..<count) }
        if isLast {
            self.session.taken(count, of: self.flow)
            return self.end(client)
        }
        self.withheld += count
        self.watchRead(.now())
        client.upstreamPause()
        if !self.isReadingPaused { self.grant() }
    }

    private func grant() {
        let count = self.withheld
        self.withheld = 0
        self.session.taken(count, of: self.flow)
    }

    override func resumeReading() {
        guard self.isReadingPaused, self.phase != .closed else { return }
        super.resumeReading()
        self.grant()
    }

    /// The answer is whole.
    private func end(_ client: ClientStream) {
        let hasSentAll = client.passage.hasSentRequest
        self.client = nil
        self.deadline = .distantFuture
        // Nothing of the request is wanted any more (RFC 9113 §8.1).
        if !hasSentAll { self.reset(.noError) }
        client.upstreamEnd(hasSurplus: false, at: .now())
    }

    // MARK: The end

    override func timeIsUp() {
        self.deadline = .distantFuture
        let isWriting = self.client?.passage.isUpstreamFull ?? false
        self.fail(isWriting ? .writeTimedOut : .answerTimedOut)
    }

    override func abort() {
        self.client = nil
        self.deadline = .distantFuture
        self.reset(.cancel)
    }

    private func reset(_ code: HTTP2ErrorCode) {
        guard self.phase != .closed else { return }
        self.session.reset(self.flow, code)
    }

    /// The upstream has said that it never looked at the request.
    func notProcessed() {
        guard let client = self.client else { return }
        self.client = nil
        client.upstreamFailed(.notProcessed)
    }

    /// The stream is closed, by whom ever; `reason` is nil if nobody says that it went wrong.
    func closed(_ reason: HTTP2ErrorCode?) {
        defer { self.connection.closed(self) }
        let phase = self.phase
        self.phase = .closed
        self.deadline = .distantFuture
        self.worker.remove(self)
        self.session.taken(self.withheld, of: self.flow)
        self.withheld = 0
        guard let client = self.client else { return }
        self.client = nil
        if phase == .body { return client.upstreamFailed(.closedWithinAnswer) }
        client.upstreamFailed(reason == .refusedStream ? .notProcessed : .closedBeforeAnswer)
    }
}
