// One connection of HTTP/2, from either side: frames in, frames out, and the state between (RFC 9113).

import NIOCore

/// Who uses a session: what concerns the connection and not one stream.
protocol HTTP2SessionUser: AnyObject {
    /// The peer opens a stream, which is to be added.
    func opened(_ id: UInt32, _ fields: FieldList, isLast: Bool)
    /// The peer's settings have come.
    func settingsCame()
    /// The peer takes no streams after this one.
    func peerLeaves(after last: UInt32)
    /// GOAWAY is out, and nothing that comes is read any more: the connection is to be closed.
    func saidGoodbye()
}

/// Keeps a connection's streams, windows and tables; knows no request and no upstream.
///
/// What comes is read by the rules of RFC 9113; a rule that is broken ends the stream or the connection as §5.4 says.
final class HTTP2Session {
    enum Role { case server, client }

    let role: Role
    private unowned let user: any HTTP2SessionUser
    let worker: Worker
    private(set) var context: ChannelHandlerContext?
    /// Whether the channel takes more.
    var isWritable = true
    /// Streams under way.
    private(set) var streams: [UInt32: StreamFlow] = [:]
    var guarding: FloodGuard

    // In
    /// Octets that came and are no whole frame yet.
    private var pending = ByteBuffer()
    private var prefaceLeft: Int
    private var hasSettings = false
    var fieldReader = FieldBlockReader()
    var fields = FieldList()
    /// A head that has not come whole.
    var openBlock: OpenBlock?
    var receiveWindow = HTTP2Limits.connectionWindow
    /// Octets that were taken and not yet told to the peer.
    var credit = 0
    /// The last stream that the peer opened.
    var lastPeerStream: UInt32 = 0
    /// The last stream that we opened.
    var lastOwnStream: UInt32 = 0
    /// Streams that we reset last: the peer may not know yet.
    private var lately = [UInt32](repeating: 0, count: 256)
    private var latelyNext = 0

    // Out
    /// Frames that were written and not yet flushed.
    var out = ByteBuffer()
    var sendWindow = 65_535
    var peerInitialWindow = 65_535
    /// Streams that the peer takes at once.
    var peerStreams = HTTP2Limits.assumedStreams
    /// Whether the peer has to hear that its table is not used.
    var tellsNoTable = false
    /// The first of our streams of which nothing has left yet; 0 if there is none.
    var firstUnsent: UInt32 = 0
    /// Streams with something to send that had to wait, in turn.
    var line: [StreamFlow] = []
    var isFlushPlanned = false
    private(set) var isFailed = false

    /// A head whose CONTINUATION frames are still to come.
    struct OpenBlock {
        let stream: UInt32
        let isLast: Bool
        var bytes: [UInt8]
        var frames = 0
    }

    init(_ role: Role, worker: Worker, user: any HTTP2SessionUser, bounds: FloodGuard.Bounds) {
        self.role = role
        self.worker = worker
        self.user = user
        self.guarding = FloodGuard(bounds)
        self.prefaceLeft = role == .server ? Self.preface.count : 0
    }

    /// What a client says first (RFC 9113 §3.4).
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    // MARK: Coming and going

    /// Whether the connection is there.
    var isOpen: Bool { self.context != nil }

    /// Says the first words: the preface of a client, and the settings.
    func open(_ context: ChannelHandlerContext) {
        self.context = context
        if self.role == .client { self.out.writeBytes(Self.preface) }
        self.writeSettings()
        self.out.writeFrame(.windowUpdate, 0, number: UInt32(HTTP2Limits.connectionWindow - 65_535))
        self.flush()
    }

    /// The connection is gone, and all its streams.
    func close() {
        self.context = nil
        (self.out, self.pending, self.openBlock) = (ByteBuffer(), ByteBuffer(), nil)
        self.endStreams()
    }

    /// All streams are over, at whatever point they are.
    func endStreams() {
        let streams = self.streams
        self.streams = [:]
        self.line = []
        // What never left may be sent elsewhere, whatever it is.
        let unsent = self.firstUnsent
        for flow in streams.values {
            let isUnsent = self.role == .client && unsent != 0 && flow.id >= unsent
            self.leave(flow, isUnsent ? .refusedStream : .internalError)
        }
    }

    /// Lets go of memory that only a request needs.
    func rest() {
        if self.out.readableBytes == 0 { self.out = ByteBuffer() }
        self.fields = FieldList()
    }

    /// Takes on a stream.
    ///
    /// - Parameter isPeerEnded: whether the peer has said all already.
    func add(_ flow: StreamFlow, _ id: UInt32, isPeerEnded: Bool = false) {
        flow.begin(id, sendWindow: self.peerInitialWindow, receiveWindow: HTTP2Limits.streamWindow)
        flow.isPeerEnded = isPeerEnded
        self.streams[id] = flow
        if self.firstUnsent == 0 { self.firstUnsent = id }
        self.guarding.noteUse()
    }

    /// A stream is over for this session.
    func remove(_ flow: StreamFlow, _ reason: HTTP2ErrorCode?) {
        guard self.streams.removeValue(forKey: flow.id) != nil else { return }
        self.leave(flow, reason)
    }

    private func leave(_ flow: StreamFlow, _ reason: HTTP2ErrorCode?) {
        flow.dropWaiting()
        flow.id = 0
        flow.owner.closed(reason)
    }

    /// Both sides may have said all.
    func removeIfOver(_ flow: StreamFlow) {
        if flow.hasEnded, flow.isPeerEnded { self.remove(flow, nil) }
    }

    /// Remembers a stream that we reset.
    func noteReset(_ id: UInt32) {
        self.lately[self.latelyNext] = id
        self.latelyNext = (self.latelyNext + 1) & (self.lately.count - 1)
    }

    func wasReset(_ id: UInt32) -> Bool { self.lately.contains(id) }

    /// Ends the connection and says why, and which streams were looked at (RFC 9113 §5.4.1, §6.8).
    func fail(_ code: HTTP2ErrorCode) {
        guard self.isOpen, !self.isFailed else { return }
        self.isFailed = true
        self.writeGoAway(self.lastPeerStream, code)
        self.flushNow()
        self.user.saidGoodbye()
    }

    // MARK: Frames in

    /// Takes what came.
    func receive(_ data: ByteBuffer) {
        guard !self.isFailed else { return }
        var buffer = self.pending
        self.pending = ByteBuffer()
        if buffer.readableBytes == 0 { buffer = data } else { buffer.writeImmutableBuffer(data) }
        do throws(HTTP2Fault) {
            try self.readFrames(&buffer)
            if buffer.readableBytes > 0, self.isOpen { self.pending = buffer }
        } catch {
            self.fail(error.code)
        }
        self.flush()
    }

    private func readFrames(_ buffer: inout ByteBuffer) throws(HTTP2Fault) {
        guard try self.readPreface(&buffer) else { return }
        while self.isOpen, !self.isFailed, let head = FrameHead(buffer.readableBytesUInt8Span) {
            guard head.length <= HTTP2Limits.frameBytes else { throw HTTP2Fault(.frameSizeError) }
            guard buffer.readableBytes >= FrameHead.count + head.length else { return }
            buffer.moveReaderIndex(forwardBy: FrameHead.count)
            guard let payload = buffer.readSlice(length: head.length) else { return }
            do throws(HTTP2Fault) {
                try self.read(head, payload)
            } catch {
                guard error.stream != 0 else { throw error }
                try self.refuse(error)
            }
        }
    }

    private func readPreface(_ buffer: inout ByteBuffer) throws(HTTP2Fault) -> Bool {
        while self.prefaceLeft > 0, let octet: UInt8 = buffer.readInteger() {
            guard octet == Self.preface[Self.preface.count - self.prefaceLeft] else {
                throw HTTP2Fault(.protocolError)
            }
            self.prefaceLeft -= 1
        }
        return self.prefaceLeft == 0
    }

    /// A stream broke a rule: it ends, and the others go on, unless that happens too often (MadeYouReset).
    private func refuse(_ fault: HTTP2Fault) throws(HTTP2Fault) {
        guard self.guarding.admitReset(at: .now()) else { throw HTTP2Fault(.enhanceYourCalm) }
        self.noteReset(fault.stream)
        self.out.writeFrame(.reset, fault.stream, number: fault.code.rawValue)
        if let flow = self.streams[fault.stream] { self.remove(flow, fault.code) }
    }

    private func read(_ head: FrameHead, _ payload: ByteBuffer) throws(HTTP2Fault) {
        if !self.hasSettings {
            guard head.kind == .settings, !head.has(FrameHead.ack) else { throw HTTP2Fault(.protocolError) }
            self.hasSettings = true
        }
        // Nothing may come between the frames of one head (RFC 9113 §6.10).
        guard (self.openBlock == nil) == (head.kind != .continuation) else {
            throw HTTP2Fault(.protocolError)
        }
        switch head.kind {
        case .data: try self.readData(head, payload)
        case .headers: try self.readHeaders(head, payload)
        case .continuation: try self.readContinuation(head, payload)
        case .reset: try self.readReset(head, payload.readableBytesUInt8Span)
        case .settings: try self.readSettings(head, payload.readableBytesUInt8Span)
        case .ping: try self.readPing(head, payload)
        case .goAway: try self.readGoAway(head, payload.readableBytesUInt8Span)
        case .windowUpdate: try self.readWindowUpdate(head, payload.readableBytesUInt8Span)
        case .priority: try self.readPriority(head)
        // Never asked for by a client of ours, and no client's to send (§8.4).
        case .pushPromise: throw HTTP2Fault(.protocolError)
        case nil: guard self.guarding.admitIdle() else { throw HTTP2Fault(.enhanceYourCalm) }
        }
    }

    // MARK: What the frames tell the user

    func tellOpened(_ id: UInt32, isLast: Bool) { self.user.opened(id, self.fields, isLast: isLast) }

    func tellSettings() { self.user.settingsCame() }

    func tellLeaving(after last: UInt32) { self.user.peerLeaves(after: last) }
}
