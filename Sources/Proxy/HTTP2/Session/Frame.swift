// Frames of HTTP/2: their heads and the numbers in them (RFC 9113 §4, §6, §7).

import NIOCore

/// The kinds of frames (RFC 9113 §6); others are let pass unread.
enum FrameKind: UInt8 {
    case data, headers, priority, reset, settings, pushPromise, ping, goAway, windowUpdate, continuation
}

/// The first nine octets of a frame.
struct FrameHead {
    static let count = 9
    static let endStream: UInt8 = 0x1
    static let ack: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20

    let length: Int
    let kind: FrameKind?
    let flags: UInt8
    let stream: UInt32

    /// Reads a head; nil if it has not come whole.
    init?(_ octets: Span<UInt8>) {
        guard octets.count >= Self.count else { return nil }
        self.length = Int(octets[0]) &<< 16 | Int(octets[1]) &<< 8 | Int(octets[2])
        self.kind = FrameKind(rawValue: octets[3])
        self.flags = octets[4]
        self.stream = octets.number(at: 5) & 0x7FFF_FFFF
    }

    @inline(__always)
    func has(_ flag: UInt8) -> Bool { self.flags & flag != 0 }
}

/// Why a stream or a connection ends (RFC 9113 §7); a number that is none of these counts as `internalError`.
enum HTTP2ErrorCode: UInt32 {
    case noError, protocolError, internalError, flowControlError, settingsTimeout, streamClosed,
        frameSizeError
    case refusedStream, cancel, compressionError, connectError, enhanceYourCalm, inadequateSecurity
    case http11Required
}

/// A rule that the peer broke: of a stream, or of the whole connection where that is 0 (RFC 9113 §5.4).
struct HTTP2Fault: Error {
    let code: HTTP2ErrorCode
    let stream: UInt32

    init(_ code: HTTP2ErrorCode, stream: UInt32 = 0) {
        self.code = code
        self.stream = stream
    }
}

/// What a peer may ask for (RFC 9113 §6.5.2).
enum HTTP2Setting: UInt16 {
    case tableBytes = 1
    case enablePush, concurrentStreams, initialWindow, frameBytes, listBytes
}

extension Span<UInt8> {
    /// The 32 bits that begin at `index`.
    @inline(__always)
    func number(at index: Int) -> UInt32 {
        UInt32(self[index]) &<< 24 | UInt32(self[index &+ 1]) &<< 16 | UInt32(self[index &+ 2]) &<< 8
            | UInt32(self[index &+ 3])
    }
}

extension ByteBuffer {
    /// Appends a frame's head; its payload has to follow.
    @inline(__always)
    mutating func writeFrameHead(_ length: Int, _ kind: FrameKind, _ flags: UInt8, _ stream: UInt32) {
        self.writeInteger(
            UInt64(length) &<< 40 | UInt64(kind.rawValue) &<< 32 | UInt64(flags) &<< 24 | UInt64(stream &>> 8)
        )
        self.writeInteger(UInt8(truncatingIfNeeded: stream))
    }

    /// Appends a frame whose payload is one number.
    mutating func writeFrame(_ kind: FrameKind, _ stream: UInt32, number: UInt32) {
        self.writeFrameHead(4, kind, 0, stream)
        self.writeInteger(number)
    }
}
