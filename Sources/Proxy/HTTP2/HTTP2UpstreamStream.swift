// One stream to an upstream: a request out, its answer back.

import NIOCore
import NIOHPACK
import NIOHTTP2

/// Carries one exchange.
final class HTTP2UpstreamStream: UpstreamLink {
    private enum Phase { case head, body, closed }

    let id: HTTP2StreamID
    private unowned let connection: HTTP2Upstream
    private var phase = Phase.head
    private var head = ResponseHead()
    private var interims = 0
    /// Octets that were written and not yet sent.
    private var unsent = 0
    private var takesMore = true
    /// Octets that came while the client did not take them: the upstream hears of them later.
    private var withheld = 0

    init(connection: HTTP2Upstream, id: HTTP2StreamID) {
        self.connection = connection
        self.id = id
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
        let fields = HTTP2Head.request(self.worker.scratch)
        self.connection.output.write(self.id, .headers(.init(headers: fields, endStream: isWhole)))
        if flush || isWhole { self.connection.output.flush() }
    }

    override func send(_ buffer: ByteBuffer, _ range: Range<Int>) {
        guard let data = buffer.getSlice(at: buffer.readerIndex + range.lowerBound, length: range.count)
        else { return }
        let count = range.count
        self.unsent += count
        if self.unsent > HTTP2Limits.bufferedBytes { self.takesMore = false }
        let promise = self.worker.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            self.unsent -= count
            self.writabilityChanged()
        }
        self.connection.output.write(self.id, .data(.init(data: .byteBuffer(data))), promise: promise)
    }

    override func sendEnd() {
        self.connection.output.write(self.id, .data(.init(data: .byteBuffer(ByteBuffer()), endStream: true)))
    }

    override func flush() { self.connection.output.flush() }

    override var isWritable: Bool { self.takesMore && self.connection.isWritable }

    override var isAwaiting: Bool { self.phase != .closed }

    /// Whether what is written leaves has changed.
    func writabilityChanged() {
        if self.unsent < HTTP2Limits.bufferedBytes / 2 { self.takesMore = true }
        guard self.isWritable else { return }
        self.client?.upstreamBecameWritable()
    }

    // MARK: The answer

    /// A head, 1xx or final, or trailers.
    func receive(_ fields: HPACKHeaders, isLast: Bool) {
        guard let client = self.client, self.phase != .closed else { return }
        if self.phase == .body {
            client.upstreamTrailers(fields)
            if isLast { self.end(client) }
            return
        }
        guard self.read(fields) else { return self.fail(.malformedAnswer) }
        guard self.head.status >= 200 else {
            self.interims += 1
            guard !isLast, self.interims <= self.worker.limits.interimAnswers, self.head.status != 101 else {
                return self.fail(.malformedAnswer)
            }
            return client.upstreamInterim(self.head)
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

    private func read(_ fields: HPACKHeaders) -> Bool {
        var parser = ResponseParser(limits: self.worker.limits)
        parser.reset(&self.head)
        guard HTTP2Head.write(answer: fields, into: &self.head.fields.bytes) else { return false }
        let count = self.head.fields.bytes.count
        return parser.advance(&self.head, answering: self.method) == .complete(count)
    }

    /// Data of the answer's body.
    func receive(_ data: ByteBuffer, isLast: Bool) {
        let count = data.readableBytes
        guard let client = self.client, self.phase == .body else {
            return self.connection.output.taken(count, of: self.id, more: false)
        }
        self.worker.toClient.clear()
        if count > 0 { client.upstreamData(data, 0..<count) }
        if isLast {
            self.connection.output.taken(count, of: self.id, more: false)
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
        self.connection.output.taken(count, of: self.id, more: true)
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
        self.connection.output.write(self.id, .rstStream(code))
        self.connection.output.flush()
    }

    /// What was to be written on it may not be: nothing has gone out.
    func refused() { self.fail(.malformedAnswer) }

    /// The upstream has said that it never looked at the request.
    func notProcessed() {
        guard let client = self.client else { return }
        self.client = nil
        client.upstreamFailed(.notProcessed)
    }

    /// The stream is closed, by whom ever; `reason` is nil if nobody says that it went wrong.
    func gone(_ reason: HTTP2ErrorCode?) {
        let phase = self.phase
        self.phase = .closed
        self.deadline = .distantFuture
        self.worker.remove(self)
        self.connection.output.taken(self.withheld, of: self.id, more: false)
        self.withheld = 0
        guard let client = self.client else { return }
        self.client = nil
        if phase == .body { return client.upstreamFailed(.closedWithinAnswer) }
        client.upstreamFailed(reason == .refusedStream ? .notProcessed : .closedBeforeAnswer)
    }
}
