// What a session keeps of one stream.

import NIOCore

/// Who uses a stream: hears what comes on it, and of its end.
protocol StreamOwner: AnyObject {
    /// A head, or trailers.
    ///
    /// - Throws: what is wrong with them, which ends the stream.
    func received(_ fields: FieldList, isLast: Bool) throws(HTTP2Fault)
    /// Data; as many octets have to be given back by `HTTP2Session.taken`.
    func received(_ data: ByteBuffer, isLast: Bool)
    /// Less waits to be sent than before.
    func sentSome()
    /// It is over; `reason` is nil if both sides said all they had to say.
    func closed(_ reason: HTTP2ErrorCode?)
}

/// The state of a stream (RFC 9113 §5.1), its windows, and what waits for them.
final class StreamFlow {
    unowned let owner: any StreamOwner
    /// 0 while no stream is under way.
    var id: UInt32 = 0
    /// Whether our side has said all, or has it waiting here.
    var isEnding = false
    /// Whether our side's end is on its way.
    var hasEnded = false
    /// Whether the peer has said all.
    var isPeerEnded = false
    /// Octets that the peer takes now; less than none after its settings shrank.
    var sendWindow = 0
    /// Octets that the peer may send now.
    var receiveWindow = 0
    /// Octets that were taken and not yet told to the peer.
    var credit = 0
    /// Octets of the body that the head promised and that have not come.
    var promised: Int?
    /// Data that waits for a window or for the connection, and how much it is.
    var waiting: [ByteBuffer] = []
    private(set) var waitingBytes = 0
    /// A field block that follows the data.
    var trailers: [UInt8]?
    /// Whether it stands in the session's line.
    var isInLine = false

    init(owner: any StreamOwner) { self.owner = owner }

    /// Begins a stream.
    func begin(_ id: UInt32, sendWindow: Int, receiveWindow: Int) {
        self.id = id
        (self.isEnding, self.hasEnded, self.isPeerEnded) = (false, false, false)
        (self.sendWindow, self.receiveWindow, self.credit) = (sendWindow, receiveWindow, 0)
        (self.promised, self.trailers, self.isInLine) = (nil, nil, false)
        self.dropWaiting()
    }

    func dropWaiting() {
        if !self.waiting.isEmpty { self.waiting = [] }
        self.waitingBytes = 0
    }

    func wait(_ data: ByteBuffer) {
        self.waiting.append(data)
        self.waitingBytes += data.readableBytes
    }

    /// Takes up to `most` octets of the first piece that waits.
    func takeWaiting(_ most: Int) -> ByteBuffer? {
        guard !self.waiting.isEmpty else { return nil }
        let count = min(most, self.waiting[0].readableBytes)
        let piece = self.waiting[0].readSlice(length: count)
        if self.waiting[0].readableBytes == 0 { self.waiting.removeFirst() }
        self.waitingBytes -= count
        return piece
    }
}
