// What comes after a switch of protocols: octets both ways, until one side ends.

import NIOCore

extension ClientStream {
    /// The upstream speaks another protocol from here on, as the client asked (X15).
    final func upstreamSwitched(_ head: inout ResponseHead, at now: NIODeadline) {
        self.exchange.noteAnswer(sentAt: self.passage.sentAt, now)
        if self.passage.turn != nil { self.noteTurn(status: head.status, at: now) }
        self.worker.handler.answered(self.exchange, head: &head)
        self.exchange.progress.status = head.status
        self.passage.hasAnswered = true
        self.phase = .tunnelling
        self.sendSwitch(head)
        self.watchTunnel(now)
        self.resume()
    }

    /// Octets from the upstream.
    final func tunnelled(_ buffer: ByteBuffer) {
        self.exchange.progress.answerBodyBytes &+= buffer.readableBytes
        self.sendRaw(buffer)
        self.watchTunnel(.now())
        if !self.isWritable { self.passage.link?.pauseReading() }
    }

    /// Octets from the client.
    final func pumpTunnel(_ buffer: inout ByteBuffer) {
        guard let link = self.passage.link, buffer.readableBytes > 0 else { return }
        guard !self.passage.isUpstreamFull else { return self.pauseReading() }
        self.passage.tunnelledBytes &+= buffer.readableBytes
        link.sendRaw(buffer)
        buffer = ByteBuffer()
        self.watchTunnel(.now())
        guard self.phase == .tunnelling, !link.isWritable else { return }
        self.passage.isUpstreamFull = true
        self.pauseReading()
    }

    /// A tunnel that nobody uses is closed after the time that an answer may take.
    private func watchTunnel(_ now: NIODeadline) {
        guard let order = self.passage.order else { return }
        self.deadline = now + order.terms.readLimit
    }

    /// The tunnel has to end: both sides are closed, a WebSocket with a word.
    final func endTunnel(_ error: ProxyError) {
        self.passage.link?.sendClose()
        if self.isWebSocket { self.sendRaw(ByteBuffer(bytes: Self.policyViolation)) }
        self.tunnelEnded()
    }

    /// A close frame of a server with 1008 (RFC 6455 §5.5.1, §7.4.1).
    private static let policyViolation: [UInt8] = [0x88, 0x02, 0x03, 0xF0]

    private var isWebSocket: Bool {
        guard let offer = self.passage.offer else { return false }
        return self.exchange.head.fields.bytes.matches(offer, lowercased: Self.webSocket)
    }

    private static let webSocket = Array("websocket".utf8)

    /// The upstream has closed: the client gets what is on its way, then the same.
    final func tunnelEnded() {
        guard self.phase == .tunnelling else { return }
        self.passage.link = nil
        self.exchange.progress.isComplete = self.exchange.progress.error == nil
        self.phase = .lingering
        self.deadline = .now() + TimeAmount(seconds: self.worker.limits.readerSeconds)
        self.finish(error: nil)
        self.exchange.abandon()
        self.sendClose()
    }
}
