// What a session writes: heads, data within the windows, and words about the connection.

import NIOCore

extension HTTP2Session {
    // MARK: Streams

    /// Writes a head; `isLast` if nothing follows it.
    func sendHead(_ flow: StreamFlow, _ block: [UInt8], isLast: Bool) {
        guard self.isOpen, flow.id != 0, !flow.isEnding else { return }
        self.writeBlock(block, flow.id, isLast: isLast)
        guard isLast else { return }
        flow.isEnding = true
        self.ended(flow)
    }

    /// Writes data, or lets it wait; `isLast` if nothing follows it.
    func send(_ flow: StreamFlow, _ data: ByteBuffer, isLast: Bool) {
        guard self.isOpen, flow.id != 0, !flow.isEnding else { return }
        flow.isEnding = isLast
        let count = data.readableBytes
        let fits = count <= min(flow.sendWindow, self.sendWindow, HTTP2Limits.frameBytes) && self.isWritable
        if flow.waiting.isEmpty, fits || count == 0 {
            self.writeData(flow, data, isLast: isLast)
            if isLast { self.ended(flow) }
            return
        }
        if count > 0 { flow.wait(data) }
        self.enterLine(flow)
        self.sendWaiting()
    }

    /// Writes trailers behind the data, which ends the stream.
    func sendTrailers(_ flow: StreamFlow, _ block: [UInt8]) {
        guard self.isOpen, flow.id != 0, !flow.isEnding else { return }
        flow.isEnding = true
        guard flow.waiting.isEmpty else {
            flow.trailers = block
            return
        }
        self.writeBlock(block, flow.id, isLast: true)
        self.ended(flow)
    }

    /// Ends a stream at once.
    func reset(_ flow: StreamFlow, _ code: HTTP2ErrorCode) {
        guard self.isOpen, flow.id != 0 else { return }
        self.noteReset(flow.id)
        self.out.writeFrame(.reset, flow.id, number: code.rawValue)
        self.remove(flow, code)
        self.flush()
    }

    /// Our side has said all; a request that still comes is not wanted any more (RFC 9113 §8.1).
    private func ended(_ flow: StreamFlow) {
        flow.hasEnded = true
        guard flow.isPeerEnded || self.role == .client else { return self.reset(flow, .noError) }
        self.removeIfOver(flow)
    }

    private func enterLine(_ flow: StreamFlow) {
        guard !flow.isInLine else { return }
        flow.isInLine = true
        self.line.append(flow)
    }

    /// Sends what waits, a frame of each stream in turn, as far as windows and the channel allow.
    func sendWaiting() {
        var stuck = 0
        // Whoever lets more go need not know that the last of it is small, and still lies here.
        defer { if self.out.readableBytes > 0 { self.flush() } }
        while self.isWritable, self.sendWindow > 0, stuck < self.line.count {
            let flow = self.line.removeFirst()
            guard flow.isInLine, flow.id != 0 else { continue }
            guard flow.sendWindow > 0 else {
                self.line.append(flow)
                stuck += 1
                continue
            }
            stuck = 0
            flow.isInLine = false
            self.sendOne(flow)
        }
    }

    /// Sends one frame of what waits on a stream.
    private func sendOne(_ flow: StreamFlow) {
        let most = min(flow.sendWindow, self.sendWindow, HTTP2Limits.frameBytes)
        let piece = flow.takeWaiting(most) ?? ByteBuffer()
        let isAll = flow.waiting.isEmpty
        let isLast = isAll && flow.isEnding && flow.trailers == nil
        self.writeData(flow, piece, isLast: isLast)
        if !isAll { self.enterLine(flow) }
        if isAll, let trailers = flow.trailers {
            self.writeBlock(trailers, flow.id, isLast: true)
            self.ended(flow)
        } else if isLast {
            self.ended(flow)
        } else {
            flow.owner.sentSome()
        }
    }

    // MARK: Windows

    /// Octets of a stream's body have gone on: the peer may send as many again.
    func taken(_ count: Int, of flow: StreamFlow) {
        guard count > 0 || flow.credit > 0 else { return }
        flow.credit += count
        if flow.credit >= HTTP2Limits.streamWindow / 4, !flow.isPeerEnded, flow.id != 0, self.isOpen {
            self.out.writeFrame(.windowUpdate, flow.id, number: UInt32(flow.credit))
            flow.receiveWindow += flow.credit
            flow.credit = 0
            self.flush()
        }
        self.giveBack(count)
    }

    /// Octets have gone, wherever: the peer may send as many again on all streams together.
    func giveBack(_ count: Int) {
        self.credit += count
        guard self.credit >= HTTP2Limits.connectionWindow / 4, self.isOpen else { return }
        self.out.writeFrame(.windowUpdate, 0, number: UInt32(self.credit))
        self.receiveWindow += self.credit
        self.credit = 0
        self.flush()
    }

    // MARK: The connection

    /// Says that no streams after `last` are taken.
    func writeGoAway(_ last: UInt32, _ code: HTTP2ErrorCode) {
        guard self.isOpen else { return }
        self.out.writeFrameHead(8, .goAway, 0, 0)
        self.out.writeInteger(last)
        self.out.writeInteger(code.rawValue)
    }

    /// Says what we allow (RFC 9113 §6.5.2).
    func writeSettings() {
        var settings: [(HTTP2Setting, Int)] = [
            (.listBytes, self.worker.limits.headBytes), (.initialWindow, HTTP2Limits.streamWindow),
        ]
        switch self.role {
        case .server: settings.append((.concurrentStreams, HTTP2Limits.concurrentStreams))
        case .client: settings.append((.enablePush, 0))
        }
        self.out.writeFrameHead(settings.count * 6, .settings, 0, 0)
        for (setting, value) in settings {
            self.out.writeInteger(setting.rawValue)
            self.out.writeInteger(UInt32(value))
        }
    }

    // MARK: Octets

    /// Writes a field block, in as many frames as it takes.
    private func writeBlock(_ block: [UInt8], _ id: UInt32, isLast: Bool) {
        let end = isLast ? FrameHead.endStream : 0
        guard self.tellsNoTable || block.count > HTTP2Limits.frameBytes else {
            self.out.writeFrameHead(block.count, .headers, FrameHead.endHeaders | end, id)
            self.out.writeBytes(block)
            return
        }
        var rest = (self.tellsNoTable ? [FieldBlockWriter.noTable] : []) + block
        self.tellsNoTable = false
        var kind = FrameKind.headers
        repeat {
            let piece = rest.prefix(HTTP2Limits.frameBytes)
            rest = Array(rest.dropFirst(piece.count))
            let flags = (rest.isEmpty ? FrameHead.endHeaders : 0) | (kind == .headers ? end : 0)
            self.out.writeFrameHead(piece.count, kind, flags, id)
            self.out.writeBytes(piece)
            kind = .continuation
        } while !rest.isEmpty
    }

    /// Writes a frame of data; much of it goes as it is, little is copied behind what is there.
    private func writeData(_ flow: StreamFlow, _ data: ByteBuffer, isLast: Bool) {
        let count = data.readableBytes
        flow.sendWindow -= count
        self.sendWindow -= count
        self.guarding.noteUse()
        self.out.writeFrameHead(count, .data, isLast ? FrameHead.endStream : 0, flow.id)
        guard count > HTTP2Limits.copiedBytes else {
            self.out.writeImmutableBuffer(data)
            return
        }
        self.writeOut()
        self.context?.write(NIOAny(data), promise: nil)
        self.flush()
    }

    private func writeOut() {
        guard self.out.readableBytes > 0 else { return }
        self.context?.write(NIOAny(self.out), promise: nil)
        self.out.clear()
    }

    // MARK: Flushing

    /// Sends what was written, together with what else is written in this turn of the loop.
    func flush() {
        // Behind GOAWAY nothing follows.
        guard !self.isFlushPlanned, self.isOpen, !self.isFailed else { return }
        self.isFlushPlanned = true
        self.worker.plan(self)
    }

    /// Sends what was written.
    func flushNow() {
        self.isFlushPlanned = false
        self.firstUnsent = 0
        self.writeOut()
        self.context?.flush()
    }
}
