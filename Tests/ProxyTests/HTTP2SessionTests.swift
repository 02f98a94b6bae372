// The rules of each frame, and what breaking one comes to (RFC 9113 §5, §6).

import Testing

@testable import Proxy

@Suite struct HTTP2SessionTests {
    /// What a connection or a stream comes to.
    enum End: Equatable, Sendable {
        /// The connection ends with this code.
        case goAway(HTTP2ErrorCode)
        /// The stream ends with this code, and the connection goes on.
        case reset(HTTP2ErrorCode)
        /// Everything goes on.
        case none
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let end: End
        let frames: [[UInt8]]

        init(_ name: String, _ end: End, _ frames: [UInt8]...) {
            (self.name, self.end, self.frames) = (name, end, frames)
        }

        var testDescription: String { self.name }
    }

    // MARK: Frames

    private static func frame(
        _ kind: FrameKind,
        _ stream: UInt32,
        _ payload: [UInt8] = [],
        _ flags: UInt8 = 0
    )
        -> [UInt8]
    { FramesScript.frame(kind.rawValue, flags, stream, payload) }

    private static func number(_ kind: FrameKind, _ stream: UInt32, _ value: UInt32) -> [UInt8] {
        self.frame(kind, stream, FramesScript.number(value))
    }

    private static func setting(_ setting: UInt16, _ value: UInt32) -> [UInt8] {
        self.frame(.settings, 0, [0, UInt8(setting)] + FramesScript.number(value))
    }

    /// A request for `path`, whose decision waits where that is `/later`.
    private static func block(_ path: String = "/later", _ more: [(String, String)] = []) -> [UInt8] {
        var block: [UInt8] = []
        let list = FieldList(
            [(":method", "POST"), (":scheme", "http"), (":authority", "a.test"), (":path", path)] + more
        )
        for field in list.fields {
            FieldBlockWriter.append(list.bytes, name: field.name, value: field.value, to: &block)
        }
        return block
    }

    private static func open(_ stream: UInt32, _ more: [(String, String)] = [], ends: Bool = false) -> [UInt8]
    {
        self.frame(.headers, stream, self.block(more), ends ? 5 : 4)
    }

    private static func block(_ more: [(String, String)]) -> [UInt8] { self.block("/later", more) }

    private static let zeros = [UInt8](repeating: 0, count: 16_384)

    private static func data(_ stream: UInt32, _ octets: [UInt8], ends: Bool = false) -> [UInt8] {
        self.frame(.data, stream, octets, ends ? 1 : 0)
    }

    /// What comes of frames behind the preface and settings of a client.
    private static func end(_ frames: [[UInt8]]) throws -> End {
        let stage = try FramesStage()
        for frame in frames { try stage.perform(.octets(frame)) }
        var (index, end) = (0, End.none)
        let octets = stage.wire.written
        while index < octets.count {
            let rest = Array(octets[index...])
            guard let head = FrameHead(rest.span) else { break }
            let payload = Array(rest[FrameHead.count...].prefix(head.length))
            if head.kind == .reset {
                end = .reset(HTTP2ErrorCode(rawValue: payload.span.number(at: 0)) ?? .noError)
            }
            if head.kind == .goAway {
                end = .goAway(HTTP2ErrorCode(rawValue: payload.span.number(at: 4)) ?? .noError)
            }
            index += FrameHead.count + head.length
        }
        var isEnded = false
        if case .goAway = end { isEnded = true }
        #expect(stage.wire.isOutputClosed == isEnded && stage.wire.isOpen)
        try stage.leave()
        return end
    }

    // MARK: Rules

    static let cases: [Case] = [
        Case("a head of stream 0", .goAway(.protocolError), open(0)),
        Case("a head of a server's stream", .goAway(.protocolError), open(2)),
        Case("streams may leave numbers out", .none, open(5), open(9)),
        Case("a number below the last", .goAway(.streamClosed), open(5), open(3)),
        Case("padding as long as the rest", .none, frame(.headers, 1, [2] + block() + [0, 0], 0xC)),
        Case("padding that is longer", .goAway(.protocolError), frame(.headers, 1, [200] + block(), 0xC)),
        Case("a priority is read over", .none, frame(.headers, 1, [0, 0, 0, 0, 9] + block(), 0x24)),
        Case("half a priority", .goAway(.frameSizeError), frame(.headers, 1, [0, 0, 0], 0x24)),
        Case(
            "a head in pieces",
            .none,
            frame(.headers, 1, Array(block().prefix(9))),
            frame(.continuation, 1, Array(block().dropFirst(9)), 4)
        ),
        Case(
            "another frame between the pieces",
            .goAway(.protocolError),
            frame(.headers, 1, block()),
            frame(.ping, 0, Array(zeros.prefix(8)))
        ),
        Case(
            "a piece of another stream",
            .goAway(.protocolError),
            frame(.headers, 1, block()),
            frame(.continuation, 3, [], 4)
        ),
        Case("a piece of nothing", .goAway(.protocolError), frame(.continuation, 1, [], 4)),
        Case("a block that is none", .goAway(.compressionError), frame(.headers, 1, [0x80], 4)),
        Case("trailers", .none, open(1), frame(.headers, 1, [0x00, 1, 0x61, 0], 5)),
        Case(
            "trailers with a pseudo-field",
            .reset(.protocolError),
            open(1),
            frame(.headers, 1, [0x82], 5)
        ),
        Case(
            "trailers that are not the end",
            .reset(.protocolError),
            open(1),
            frame(.headers, 1, [0x00, 1, 0x61, 0], 4)
        ),
        Case(
            "trailers behind the end",
            .reset(.streamClosed),
            open(1, ends: true),
            frame(.headers, 1, [0x00, 1, 0x61, 0], 5)
        ),

        Case("data of stream 0", .goAway(.protocolError), data(0, [1])),
        Case("data of a stream that nobody opened", .goAway(.protocolError), open(1), data(3, [1])),
        Case("data behind the end", .reset(.streamClosed), open(1, ends: true), data(1, [1])),
        Case(
            "as much data as promised",
            .none,
            open(1, [("content-length", "2")]),
            data(1, [1]),
            data(1, [2], ends: true)
        ),
        Case(
            "more data than promised",
            .reset(.protocolError),
            open(1, [("content-length", "2")]),
            data(1, [1, 2, 3])
        ),
        Case(
            "less data than promised",
            .reset(.protocolError),
            open(1, [("content-length", "2")]),
            data(1, [1], ends: true)
        ),
        Case(
            "data where none was promised",
            .reset(.protocolError),
            open(1, [("content-length", "0")]),
            data(1, [1], ends: true)
        ),
        Case(
            "trailers before all that was promised",
            .reset(.protocolError),
            open(1, [("content-length", "2")]),
            frame(.headers, 1, [], 5)
        ),
        Case("padding of data that is longer", .goAway(.protocolError), open(1), frame(.data, 1, [9, 1], 8)),
        Case("the largest frame", .none, open(1), data(1, zeros)),
        Case("a frame that is too large", .goAway(.frameSizeError), open(1), data(1, zeros + [0])),
        Case(
            "a window used up",
            .none,
            open(1),
            [[UInt8]](repeating: data(1, zeros), count: 8).flatMap { $0 }
        ),
        Case(
            "more than the window",
            .reset(.flowControlError),
            open(1),
            [[UInt8]](repeating: data(1, zeros), count: 8).flatMap { $0 },
            data(1, [1])
        ),

        Case("a reset", .none, open(1), number(.reset, 1, 8)),
        Case("a reset of nothing", .goAway(.protocolError), number(.reset, 1, 8)),
        Case("a reset of stream 0", .goAway(.protocolError), number(.reset, 0, 8)),
        Case("half a reset", .goAway(.frameSizeError), open(1), frame(.reset, 1, [0, 0])),

        Case("settings nobody knows", .none, setting(0xF0, 7)),
        Case("settings of a stream", .goAway(.protocolError), frame(.settings, 1)),
        Case("half a setting", .goAway(.frameSizeError), frame(.settings, 0, [0, 4, 0])),
        Case("an acknowledgement", .none, frame(.settings, 0, [], 1)),
        Case(
            "an acknowledgement with settings",
            .goAway(.frameSizeError),
            frame(.settings, 0, [0, 4, 0, 0, 0, 0], 1)
        ),
        Case("push is 1", .none, setting(2, 1)),
        Case("push is 2", .goAway(.protocolError), setting(2, 2)),
        Case("the largest first window", .none, setting(4, 0x7FFF_FFFF)),
        Case("a larger one", .goAway(.flowControlError), setting(4, 0x8000_0000)),
        Case(
            "a first window that lets a stream's run over",
            .goAway(.flowControlError),
            open(1),
            number(.windowUpdate, 1, 0x7FFF_0000),
            setting(4, 0x10_0000)
        ),
        Case("the smallest frames", .none, setting(5, 16_384)),
        Case("smaller frames", .goAway(.protocolError), setting(5, 16_383)),
        Case("frames larger than the length tells", .goAway(.protocolError), setting(5, 0x100_0000)),

        Case("a ping", .none, frame(.ping, 0, Array(zeros.prefix(8)))),
        Case("a ping of a stream", .goAway(.protocolError), open(1), frame(.ping, 1, Array(zeros.prefix(8)))),
        Case("a short ping", .goAway(.frameSizeError), frame(.ping, 0, Array(zeros.prefix(7)))),
        Case("a window of the connection", .none, number(.windowUpdate, 0, 0x7FFF_0000)),
        Case("a window that runs over", .goAway(.flowControlError), number(.windowUpdate, 0, 0x7FFF_0001)),
        Case("a window by nothing", .goAway(.protocolError), number(.windowUpdate, 0, 0)),
        Case("a stream's window by nothing", .reset(.protocolError), open(1), number(.windowUpdate, 1, 0)),
        Case(
            "a stream's window that runs over",
            .reset(.flowControlError),
            open(1),
            number(.windowUpdate, 1, 0x7FFF_0001)
        ),
        Case("a window of nothing", .goAway(.protocolError), number(.windowUpdate, 1, 1)),
        Case("half a window", .goAway(.frameSizeError), frame(.windowUpdate, 0, [0, 0])),
        Case("a priority", .none, frame(.priority, 3, [0, 0, 0, 0, 1])),
        Case("a priority of stream 0", .goAway(.protocolError), frame(.priority, 0, [0, 0, 0, 0, 1])),
        Case("a long priority", .goAway(.frameSizeError), frame(.priority, 3, [0, 0, 0, 0, 1, 0])),
        Case("a promise", .goAway(.protocolError), open(1), frame(.pushPromise, 1, [0, 0, 0, 2], 4)),
        Case("a frame nobody knows", .none, FramesScript.frame(0xF0, 0xFF, 7, [1, 2, 3])),
        Case("half a farewell", .goAway(.frameSizeError), frame(.goAway, 0, [0, 0, 0, 0])),
        Case("a farewell of a stream", .goAway(.protocolError), frame(.goAway, 1, Array(zeros.prefix(8)))),
    ]

    @Test(arguments: cases) func `a frame is taken or ends what it belongs to (E3)`(case one: Case) throws {
        #expect(try Self.end(one.frames) == one.end)
    }

    @Test func `what comes behind GOAWAY is dropped, up to a bound (RFC 9113 §5.4.1)`() throws {
        let stage = try FramesStage()
        try stage.perform(.octets(Self.open(1) + Self.frame(.data, 0, [1])))
        let written = stage.wire.written.count
        #expect(stage.wire.isOutputClosed && stage.handler.exchanges == [1])
        let bound = ProxyLimits().drainedBytes * 4
        for _ in 0..<(bound / 16_384 - 1) {
            try stage.perform(.octets(Self.open(3) + Self.data(1, Self.zeros)))
        }
        #expect(stage.handler.exchanges == [1] && stage.wire.written.count == written)
        for _ in 0..<2 { try stage.perform(.octets(Self.data(1, Self.zeros))) }
        #expect(!stage.wire.isOpen)
    }

    @Test func `streams that are one too many are refused and the others are not`() throws {
        let stage = try FramesStage()
        for number in 0..<UInt32(HTTP2Limits.concurrentStreams) {
            try stage.perform(.octets(Self.open(number * 2 + 1)))
        }
        let before = stage.wire.written.count
        #expect(stage.handler.waiting.count <= HTTP2Limits.concurrentStreams)
        try stage.perform(.octets(Self.open(1001)))
        let said = Array(stage.wire.written[before...])
        #expect(said == Self.number(.reset, 1001, HTTP2ErrorCode.refusedStream.rawValue))
        try stage.leave()
    }
}
