// Replies out of octets: whole, in pieces, and hostile.
import Testing

@testable import Store

struct ReplyReaderTests {
    private func replies(_ octets: [UInt8], piece: Int = .max) throws -> [RedisReply] {
        let reader = try ReplyReader()
        var (replies, start) = ([RedisReply](), 0)
        while start < octets.count {
            let end = min(octets.count, start + min(piece, octets.count))
            try reader.feed(octets[start..<end].span)
            while let reply = try reader.next() { replies.append(reply) }
            start = end
        }
        return replies
    }

    private static let all = Array(
        "+OK\r\n-ERR no\r\n:-7\r\n$5\r\na\r\nb\u{0}\r\n$-1\r\n$0\r\n\r\n*3\r\n:1\r\n*1\r\n+x\r\n$-1\r\n*0\r\n*-1\r\n"
            .utf8
    )
    private static let wanted: [RedisReply] = [
        .status("OK"), .error("ERR no"), .integer(-7), .bulk(Array("a\r\nb\u{0}".utf8)), .null, .bulk([]),
        .array([.integer(1), .array([.status("x")]), .null]), .array([]), .null,
    ]

    @Test(arguments: [1, 2, 3, 7, 1000])
    func `every kind of reply is read, in pieces of any size`(piece: Int) throws {
        #expect(try replies(Self.all, piece: piece) == Self.wanted)
    }

    @Test func `what is cut off is no reply yet`() throws {
        for end in 1..<10 { #expect(try replies(Array("$5\r\nhello\r\n".utf8.prefix(end))) == []) }
    }

    @Test(arguments: [
        "HTTP/1.1 400 Bad Request\r\n", ":x\r\n", "$x\r\n", "*x\r\n", "$-2\r\n", "*-2\r\n",
        String(repeating: "*1\r\n", count: 10), "*4294967296\r\n", ":99999999999999999999\r\n",
    ])
    func `what is no RESP is refused`(text: String) {
        #expect(throws: StoreError.malformedReply) { _ = try replies(Array(text.utf8)) }
    }

    @Test func `a reply that never ends is given up at the bound`() throws {
        let reader = try ReplyReader()
        try reader.feed(Array("$1000000000\r\n".utf8).span)
        let piece = [UInt8](repeating: 0x61, count: 1 << 20)
        #expect(throws: StoreError.malformedReply) {
            for _ in 0...64 {
                try reader.feed(piece.span)
                _ = try reader.next()
            }
        }
    }

    @Test func `a command is an array of bulk strings, whatever its words hold`() {
        let command = RedisCommand(["SET", RedisWord([0, 13, 10]), RedisWord(-5)])
        #expect(command.octets == Array("*3\r\n$3\r\nSET\r\n$3\r\n\u{0}\r\n\r\n$2\r\n-5\r\n".utf8))
    }
}
