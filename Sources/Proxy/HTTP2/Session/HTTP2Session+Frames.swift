// The rules of each frame that comes (RFC 9113 §6).

import NIOCore

extension HTTP2Session {
    // MARK: Heads

    /// HEADERS (§6.2); a priority is read over (§5.3.2).
    func readHeaders(_ head: FrameHead, _ payload: ByteBuffer) throws(HTTP2Fault) {
        guard head.stream != 0 else { throw HTTP2Fault(.protocolError) }
        var payload = payload
        try Self.strip(&payload, head)
        if head.has(FrameHead.priority) {
            guard payload.readableBytes >= 5 else { throw HTTP2Fault(.frameSizeError) }
            payload.moveReaderIndex(forwardBy: 5)
        }
        let isLast = head.has(FrameHead.endStream)
        guard head.has(FrameHead.endHeaders) else {
            self.openBlock = OpenBlock(
                stream: head.stream,
                isLast: isLast,
                bytes: Array(payload.readableBytesView)
            )
            return
        }
        try self.readBlock(head.stream, payload.readableBytesUInt8Span, isLast: isLast)
    }

    /// CONTINUATION (§6.10): bounded in number and in all, or it would be a way to fill memory.
    func readContinuation(_ head: FrameHead, _ payload: ByteBuffer) throws(HTTP2Fault) {
        guard var block = self.openBlock, block.stream == head.stream else {
            throw HTTP2Fault(.protocolError)
        }
        block.frames += 1
        block.bytes.append(contentsOf: payload.readableBytesView)
        guard self.guarding.admits(continuations: block.frames),
            block.bytes.count <= self.worker.limits.headBytes + HTTP2Limits.frameBytes
        else { throw HTTP2Fault(.enhanceYourCalm) }
        guard head.has(FrameHead.endHeaders) else {
            self.openBlock = block
            return
        }
        self.openBlock = nil
        try self.readBlock(block.stream, block.bytes.span, isLast: block.isLast)
    }

    private func readBlock(_ id: UInt32, _ block: Span<UInt8>, isLast: Bool) throws(HTTP2Fault) {
        let limit = self.worker.limits.headBytes
        self.fields.removeAll()
        do throws(FieldBlockFault) {
            try self.fieldReader.read(block, into: &self.fields, limit: limit)
        } catch {
            throw HTTP2Fault(.compressionError)
        }
        // A little too much is answered; what unpacks to a multiple was made to.
        guard self.fields.size <= limit * 4 else { throw HTTP2Fault(.enhanceYourCalm) }
        if let flow = self.streams[id] { return try self.readFields(of: flow, isLast: isLast) }
        guard self.role == .server else {
            // An answer that nobody waits for any more.
            guard id & 1 == 1, id <= self.lastOwnStream else { throw HTTP2Fault(.protocolError) }
            return
        }
        try self.open(id, isLast: isLast)
    }

    private func open(_ id: UInt32, isLast: Bool) throws(HTTP2Fault) {
        guard id & 1 == 1 else { throw HTTP2Fault(.protocolError) }
        guard id > self.lastPeerStream else {
            guard self.wasReset(id) else { throw HTTP2Fault(.streamClosed) }
            return
        }
        self.lastPeerStream = id
        guard self.streams.count < HTTP2Limits.concurrentStreams else {
            throw HTTP2Fault(.refusedStream, stream: id)
        }
        self.tellOpened(id, isLast: isLast)
    }

    /// A head of an answer, or trailers.
    private func readFields(of flow: StreamFlow, isLast: Bool) throws(HTTP2Fault) {
        guard !flow.isPeerEnded else { throw HTTP2Fault(.streamClosed, stream: flow.id) }
        // What follows a request's head is its end (§8.1).
        guard isLast || self.role == .client else { throw HTTP2Fault(.protocolError, stream: flow.id) }
        if isLast {
            // An answer's promise is made by its head, which its owner has not read yet.
            guard (flow.promised ?? 0) == 0 else { throw HTTP2Fault(.protocolError, stream: flow.id) }
            flow.isPeerEnded = true
        }
        try flow.owner.received(self.fields, isLast: isLast)
        self.removeIfOver(flow)
    }

    /// Takes padding off (§6.1, §6.2).
    private static func strip(_ payload: inout ByteBuffer, _ head: FrameHead) throws(HTTP2Fault) {
        guard head.has(FrameHead.padded) else { return }
        guard let count: UInt8 = payload.readInteger(), payload.readableBytes >= Int(count) else {
            throw HTTP2Fault(.protocolError)
        }
        payload.moveWriterIndex(to: payload.writerIndex - Int(count))
    }

    // MARK: Data

    /// DATA (§6.1): counted against both windows, padding included (§6.9.1).
    func readData(_ head: FrameHead, _ payload: ByteBuffer) throws(HTTP2Fault) {
        guard head.stream != 0 else { throw HTTP2Fault(.protocolError) }
        self.receiveWindow -= head.length
        guard self.receiveWindow >= 0 else { throw HTTP2Fault(.flowControlError) }
        var data = payload
        try Self.strip(&data, head)
        guard let flow = self.streams[head.stream] else {
            guard !self.isIdle(head.stream) else { throw HTTP2Fault(.protocolError) }
            return self.giveBack(head.length)
        }
        let isLast = head.has(FrameHead.endStream)
        do throws(HTTP2Fault) {
            try self.admit(data.readableBytes, isLast: isLast, head, flow)
        } catch {
            self.giveBack(head.length)
            throw error
        }
        self.giveBack(head.length - data.readableBytes)
        flow.owner.received(data, isLast: isLast)
        self.removeIfOver(flow)
    }

    private func admit(
        _ count: Int,
        isLast: Bool,
        _ head: FrameHead,
        _ flow: StreamFlow
    ) throws(HTTP2Fault) {
        guard !flow.isPeerEnded else { throw HTTP2Fault(.streamClosed, stream: flow.id) }
        flow.receiveWindow -= head.length
        guard flow.receiveWindow >= 0 else { throw HTTP2Fault(.flowControlError, stream: flow.id) }
        guard self.guarding.admitData(isEmpty: count == 0 && !isLast) else {
            throw HTTP2Fault(.enhanceYourCalm)
        }
        flow.credit += head.length - count
        if let promised = flow.promised {
            // What the head says of the length holds (§8.1.1).
            guard isLast ? promised == count : promised >= count else {
                throw HTTP2Fault(.protocolError, stream: flow.id)
            }
            flow.promised = promised - count
        }
        if isLast { flow.isPeerEnded = true }
    }

    /// Whether nobody has opened a stream of that number yet.
    private func isIdle(_ id: UInt32) -> Bool {
        (id & 1 == 1) == (self.role == .server) ? id > self.lastPeerStream : id > self.lastOwnStream
    }

    // MARK: Control

    /// RST_STREAM (§6.4).
    func readReset(_ head: FrameHead, _ payload: Span<UInt8>) throws(HTTP2Fault) {
        guard payload.count == 4 else { throw HTTP2Fault(.frameSizeError) }
        guard head.stream != 0, !self.isIdle(head.stream) else { throw HTTP2Fault(.protocolError) }
        guard self.guarding.admitReset(at: .now()) else { throw HTTP2Fault(.enhanceYourCalm) }
        guard let flow = self.streams[head.stream] else { return }
        self.remove(flow, HTTP2ErrorCode(rawValue: payload.number(at: 0)) ?? .internalError)
    }

    /// PRIORITY (§6.3): deprecated, and read over.
    func readPriority(_ head: FrameHead) throws(HTTP2Fault) {
        guard head.stream != 0 else { throw HTTP2Fault(.protocolError) }
        guard self.guarding.admitIdle() else { throw HTTP2Fault(.enhanceYourCalm) }
        guard head.length == 5 else { throw HTTP2Fault(.frameSizeError) }
    }

    /// PING (§6.7).
    func readPing(_ head: FrameHead, _ payload: ByteBuffer) throws(HTTP2Fault) {
        guard head.stream == 0 else { throw HTTP2Fault(.protocolError) }
        guard head.length == 8 else { throw HTTP2Fault(.frameSizeError) }
        guard !head.has(FrameHead.ack) else { return }
        guard self.guarding.admitControl(at: .now()) else { throw HTTP2Fault(.enhanceYourCalm) }
        self.out.writeFrameHead(8, .ping, FrameHead.ack, 0)
        self.out.writeImmutableBuffer(payload)
    }

    /// GOAWAY (§6.8).
    func readGoAway(_ head: FrameHead, _ payload: Span<UInt8>) throws(HTTP2Fault) {
        guard head.stream == 0 else { throw HTTP2Fault(.protocolError) }
        guard payload.count >= 8 else { throw HTTP2Fault(.frameSizeError) }
        guard self.guarding.admitControl(at: .now()) else { throw HTTP2Fault(.enhanceYourCalm) }
        self.tellLeaving(after: payload.number(at: 0) & 0x7FFF_FFFF)
    }

    /// WINDOW_UPDATE (§6.9).
    func readWindowUpdate(_ head: FrameHead, _ payload: Span<UInt8>) throws(HTTP2Fault) {
        guard payload.count == 4 else { throw HTTP2Fault(.frameSizeError) }
        guard self.guarding.admitIdle() else { throw HTTP2Fault(.enhanceYourCalm) }
        let count = Int(payload.number(at: 0) & 0x7FFF_FFFF)
        guard head.stream != 0 else {
            guard count > 0 else { throw HTTP2Fault(.protocolError) }
            self.sendWindow += count
            guard self.sendWindow <= HTTP2Limits.largestWindow else { throw HTTP2Fault(.flowControlError) }
            return self.sendWaiting()
        }
        guard !self.isIdle(head.stream) else { throw HTTP2Fault(.protocolError) }
        guard let flow = self.streams[head.stream] else { return }
        guard count > 0 else { throw HTTP2Fault(.protocolError, stream: flow.id) }
        flow.sendWindow += count
        guard flow.sendWindow <= HTTP2Limits.largestWindow else {
            throw HTTP2Fault(.flowControlError, stream: flow.id)
        }
        self.sendWaiting()
    }

    /// SETTINGS (§6.5).
    func readSettings(_ head: FrameHead, _ payload: Span<UInt8>) throws(HTTP2Fault) {
        guard head.stream == 0 else { throw HTTP2Fault(.protocolError) }
        guard self.guarding.admitControl(at: .now()) else { throw HTTP2Fault(.enhanceYourCalm) }
        guard !head.has(FrameHead.ack) else {
            guard payload.isEmpty else { throw HTTP2Fault(.frameSizeError) }
            return
        }
        guard payload.count % 6 == 0 else { throw HTTP2Fault(.frameSizeError) }
        var index = 0
        while index < payload.count {
            let name = UInt16(payload[index]) << 8 | UInt16(payload[index + 1])
            try self.take(HTTP2Setting(rawValue: name), payload.number(at: index + 2))
            index += 6
        }
        self.out.writeFrameHead(0, .settings, FrameHead.ack, 0)
        self.sendWaiting()
        self.tellSettings()
    }

    private func take(_ setting: HTTP2Setting?, _ value: UInt32) throws(HTTP2Fault) {
        switch setting {
        case .tableBytes: if value < FieldBlockReader.tableBytes { self.tellsNoTable = true }
        case .enablePush:
            // Only a client says it, and it is 0 or 1 (§6.5.2).
            guard value <= (self.role == .server ? 1 : 0) else { throw HTTP2Fault(.protocolError) }
        case .concurrentStreams: self.peerStreams = max(1, Int(value))
        case .initialWindow:
            guard value <= HTTP2Limits.largestWindow else { throw HTTP2Fault(.flowControlError) }
            // What streams were allowed changes by the difference (§6.9.2).
            let change = Int(value) - self.peerInitialWindow
            self.peerInitialWindow = Int(value)
            for flow in self.streams.values {
                flow.sendWindow += change
                guard flow.sendWindow <= HTTP2Limits.largestWindow else {
                    throw HTTP2Fault(.flowControlError)
                }
            }
        case .frameBytes:
            guard (16_384...16_777_215).contains(value) else { throw HTTP2Fault(.protocolError) }
        case .listBytes, nil: break
        }
    }
}
