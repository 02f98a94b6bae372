// One stream of a client: a request and its answer.

import NIOCore
import NIOHPACK
import NIOHTTP2

/// Carries one exchange; kept by its connection for another stream afterwards.
final class HTTP2Stream: ClientStream {
    private unowned let connection: HTTP2Connection
    private var id = HTTP2StreamID.rootStream
    /// Whether the client has sent all.
    private var hasEnded = false
    /// An answer's fields that wait for the first of its body.
    private var fields: HPACKHeaders?
    private var trailers: HPACKHeaders?
    /// Octets that were written and not yet sent.
    private var unsent = 0

    init(connection: HTTP2Connection) {
        self.connection = connection
        super.init(worker: connection.worker)
        self.facts = connection.facts
        self.origin = connection.origin
    }

    // MARK: Frames in

    /// Takes a request.
    func begin(_ id: HTTP2StreamID, _ fields: HPACKHeaders, isWhole: Bool) {
        self.id = id
        self.phase = .head
        self.held = ByteBuffer()
        (self.hasEnded, self.fields, self.trailers, self.unsent) = (isWhole, nil, nil, 0)
        (self.isReadingPaused, self.isWritable) = (false, self.connection.isWritable)
        self.passage = UpstreamPassage()
        self.exchange.facts = self.facts
        self.connection.parser.reset(&self.exchange.head)
        do throws(RequestRefusal) {
            try self.read(fields, isWhole: isWhole)
        } catch {
            return self.refuse(error)
        }
        let head = self.exchange.head
        // Where nothing says how long the body is, the stream's end does.
        self.beginExchange(head.framing == .chunked ? .untilClose : head.framing, at: .now())
        self.shape = AnswerShape(isHTTP11: true, method: head.method, keepsAlive: true)
        self.phase = .deciding
        self.worker.handler.began(self.exchange)
    }

    private func read(_ fields: HPACKHeaders, isWhole: Bool) throws(RequestRefusal) {
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

    /// Takes data of the body.
    func receive(_ data: ByteBuffer, isLast: Bool) {
        self.hasEnded = isLast
        guard self.phase == .deciding || self.phase == .forwarding, !self.body.isComplete else {
            return self.connection.output.taken(data.readableBytes, of: self.id, more: !isLast)
        }
        if self.held.readableBytes == 0 {
            self.held = data
        } else {
            self.held.writeImmutableBuffer(data)
        }
        self.resume()
    }

    /// The body has ended without data.
    func receiveEnd() {
        self.hasEnded = true
        self.resume()
    }

    override func resume() {
        guard !self.isRunning, self.phase == .forwarding, self.passage.link != nil, !self.body.isComplete,
            self.held.readableBytes > 0 || self.hasEnded
        else { return }
        self.isRunning = true
        defer { self.isRunning = false }
        var buffer = self.held
        self.held = ByteBuffer()
        let before = buffer.readableBytes
        if before > 0 { self.pumpBody(&buffer) }
        self.connection.output.taken(before - buffer.readableBytes, of: self.id, more: !self.hasEnded)
        guard self.phase == .forwarding, !self.body.isComplete else { return }
        self.held = buffer
        if self.hasEnded, buffer.readableBytes == 0, !self.passage.isUpstreamFull { self.endBody() }
    }

    override func resumeReading() {
        guard self.isReadingPaused else { return }
        super.resumeReading()
        if self.phase == .forwarding { self.watchBody(.now()) }
    }

    // MARK: Frames out

    override func stage(_ answer: Answer) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.write(
            answer,
            self.exchange.towardsClient,
            shape: self.shape,
            into: &self.worker.scratch
        )
        let (fields, bodyStart) = HTTP2Head.answer(self.worker.scratch, status: answer.status)
        self.fields = fields
        self.worker.toClient.clear()
        self.worker.toClient.writeBytes(self.worker.scratch[bodyStart...])
    }

    override func sendStaged(isUnread: Bool, at now: NIODeadline) { self.sendLast(at: now) }

    override func sendInterim(_ head: ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        self.worker.writer.writeInterim(head, into: &self.worker.scratch)
        let (fields, _) = HTTP2Head.answer(self.worker.scratch, status: head.status)
        self.connection.output.write(self.id, .headers(.init(headers: fields)))
        self.connection.output.flush()
    }

    override func stage(_ head: borrowing ResponseHead) {
        self.worker.scratch.removeAll(keepingCapacity: true)
        _ = self.worker.writer.write(
            head,
            self.exchange.towardsClient,
            shape: &self.shape,
            into: &self.worker.scratch
        )
        self.fields = HTTP2Head.answer(self.worker.scratch, status: head.status).0
        self.worker.toClient.clear()
    }

    override func stage(_ buffer: ByteBuffer, _ range: Range<Int>) {
        let start = buffer.readerIndex &+ range.lowerBound
        guard range.count > 8192, let data = buffer.getSlice(at: start, length: range.count) else {
            self.worker.toClient.writeBytes(buffer.readableBytesView[start..<(start &+ range.count)])
            return
        }
        self.sendGathered()
        self.send(data)
    }

    override func stage(trailers: HPACKHeaders) { self.trailers = trailers }

    override func flushStaged() {
        self.sendFields()
        self.sendGathered()
        self.connection.output.flush()
    }

    override func sendEnd(hasSurplus: Bool, at now: NIODeadline) { self.sendLast(at: now) }

    private func sendFields() {
        guard let fields = self.fields else { return }
        self.fields = nil
        self.connection.output.write(self.id, .headers(.init(headers: fields)))
    }

    private func sendGathered() {
        guard self.worker.toClient.readableBytes > 0 else { return }
        let data = self.worker.toClient
        self.worker.toClient.clear()
        self.send(data)
    }

    /// Writes data, and learns when it is gone: until then it counts.
    private func send(_ data: ByteBuffer) {
        self.sendFields()
        let (count, mine) = (data.readableBytes, self.id)
        self.unsent += count
        if self.unsent > HTTP2Limits.bufferedBytes { self.isWritable = false }
        let promise = self.worker.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in
            guard self.id == mine else { return }
            self.unsent -= count
            self.writabilityChanged()
        }
        self.connection.output.write(self.id, .data(.init(data: .byteBuffer(data))), promise: promise)
    }

    /// Writes what is left of the answer and the stream's end; a body that still comes is not wanted any more.
    private func sendLast(at now: NIODeadline) {
        self.phase = .lingering
        self.deadline = now + TimeAmount(seconds: self.worker.limits.readerSeconds)
        let data = self.worker.toClient
        self.worker.toClient.clear()
        let mine = self.id
        let promise = self.hasEnded ? nil : self.worker.eventLoop.makePromise(of: Void.self)
        // The whole answer may stand before the whole request: that is no error (RFC 9113 §8.1).
        promise?.futureResult.assumeIsolated().whenSuccess {
            guard self.id == mine, !self.hasEnded else { return }
            self.reset(.noError)
        }
        self.write(data, then: promise)
        self.connection.output.flush()
    }

    /// Writes all that is left; `promise` hears of the frame that ends the stream.
    private func write(_ data: ByteBuffer, then promise: EventLoopPromise<Void>?) {
        let (fields, trailers) = (self.fields, self.trailers)
        (self.fields, self.trailers) = (nil, nil)
        let hasData = data.readableBytes > 0
        if let fields {
            let isAll = !hasData && trailers == nil
            let frame = HTTP2Frame.FramePayload.Headers(headers: fields, endStream: isAll)
            self.connection.output.write(self.id, .headers(frame), promise: isAll ? promise : nil)
            if isAll { return }
        }
        if hasData || trailers == nil {
            let frame = HTTP2Frame.FramePayload.Data(data: .byteBuffer(data), endStream: trailers == nil)
            self.connection.output.write(self.id, .data(frame), promise: trailers == nil ? promise : nil)
        }
        guard let trailers else { return }
        self.connection.output.write(
            self.id,
            .headers(.init(headers: trailers, endStream: true)),
            promise: promise
        )
    }

    /// Whether what is written leaves has changed.
    func writabilityChanged() {
        let wasWritable = self.isWritable
        self.isWritable =
            self.connection.isWritable
            && (wasWritable
                ? self.unsent <= HTTP2Limits.bufferedBytes : self.unsent < HTTP2Limits.bufferedBytes / 2)
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
        self.trailers = Self.unauthenticated
        self.sendLast(at: .now())
    }

    private static let unauthenticated: HPACKHeaders = [
        "grpc-status": "16", "grpc-message": "the token or session has ended",
    ]

    /// Whether the answer under way is one of gRPC.
    private var isGRPC: Bool {
        guard let type = self.exchange.head.fields.string(of: .contentType) else { return false }
        return type.hasPrefix("application/grpc")
    }

    override func abort() { self.reset(.cancel) }

    private func reset(_ code: HTTP2ErrorCode) {
        guard self.phase != .closed else { return }
        self.connection.output.write(self.id, .rstStream(code))
        self.connection.output.flush()
    }

    /// The deadline has passed.
    func timeIsUp() {
        self.deadline = .distantFuture
        switch self.phase {
        case .forwarding: self.forwardTimedOut()
        case .draining, .lingering: self.abort()
        case .head, .deciding, .tunnelling, .closed: return
        }
    }

    /// The stream is closed, by whom ever.
    func gone() {
        guard self.phase != .closed else { return }
        self.connection.output.taken(self.held.readableBytes, of: self.id, more: false)
        self.held = ByteBuffer()
        self.id = .rootStream
        guard self.phase == .lingering else { return self.endExchange() }
        self.phase = .closed
        self.deadline = .distantFuture
    }
}
