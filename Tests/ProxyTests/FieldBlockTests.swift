// HPACK, held to the standard's examples and to another library (RFC 7541).

import NIOCore
import NIOHPACK
import Testing

@testable import Proxy

@Suite struct FieldBlockTests {
    private static func octets(_ hexadecimal: String) -> [UInt8] {
        let digits = hexadecimal.utf8.compactMap { Octet.hexValue($0) }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func read(
        _ block: [UInt8],
        _ reader: inout FieldBlockReader,
        limit: Int = .max
    ) throws -> [String] {
        var list = FieldList()
        try reader.read(block.span, into: &list, limit: limit)
        return list.texts.map { "\($0.name): \($0.value)" }
    }

    // MARK: RFC 7541, Appendix C

    private static let requests = [
        [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
        [
            ":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com",
            "cache-control: no-cache",
        ],
        [
            ":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com",
            "custom-key: custom-value",
        ],
    ]
    private static let answers = [
        [
            ":status: 302", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        [
            ":status: 307", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com",
        ],
        [
            ":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com", "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ],
    ]

    @Test(arguments: [
        (
            "C.3",
            [
                "828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ]
        ),
        (
            "C.4",
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ]
        ),
    ])
    func `the standard's requests are read, each with what the one before left`(
        section: String,
        blocks: [String]
    ) throws {
        var reader = FieldBlockReader()
        for (block, fields) in zip(blocks, Self.requests) {
            let read = try Self.read(Self.octets(block), &reader)
            #expect(read == fields)
        }
    }

    /// C.6, with a table of 256 octets that the first block asks for, so that entries are evicted.
    @Test func `the standard's answers are read, and what falls out of the table is gone`() throws {
        let blocks = [
            "3fe101" + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
                + "6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335"
                + "dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ]
        var reader = FieldBlockReader()
        for (block, fields) in zip(blocks, Self.answers) {
            let read = try Self.read(Self.octets(block), &reader)
            #expect(read == fields)
        }
    }

    // MARK: What is no block

    @Test(arguments: [
        ("an index of nothing", "80"), ("an index beyond both tables", "be"), ("a far index", "ffffffff7f"),
        ("an index without end", "ffffffffffff"), ("a name of nothing", "7f"), ("no value", "0001 61"),
        ("a text that is cut off", "0003 6161"), ("a length that is cut off", "00ff"),
        ("a length without end", "007fffffffffff"), ("EOS within a text", "0001 61 84ffffffff"),
        ("padding of eight bits", "0001 61 82 1fff"), ("padding of zeros", "0001 61 81 18"),
        ("a table larger than allowed", "3fe21f"), ("a change of the table behind a field", "82 20"),
        ("three changes of the table", "20 21 22 82"),
    ])
    func `a block that breaks a rule is refused (E3)`(name: String, block: String) {
        var reader = FieldBlockReader()
        let read = try? Self.read(Self.octets(block), &reader)
        #expect(read == nil)
    }

    @Test(arguments: [
        ("as much table as allowed", "3fe11f 82"), ("the table changed twice", "20 3fe11f 82"),
        ("padding of seven bits", "0001 61 83 1a8a7f"), ("an empty text", "0001 61 00"),
    ])
    func `a block just inside a rule is read`(name: String, block: String) {
        var reader = FieldBlockReader()
        let read = try? Self.read(Self.octets(block), &reader)
        #expect(read?.count == 1)
    }

    // MARK: Limits

    @Test func `fields beyond the limit are left out and counted`() throws {
        var (reader, list) = (FieldBlockReader(), FieldList())
        let block = Self.octets("0001 61 01 62 0001 63 01 64")
        try reader.read(block.span, into: &list, limit: 68)
        #expect(list.texts.count == 2 && !list.isCut && list.size == 68)
        list.removeAll()
        try reader.read(block.span, into: &list, limit: 67)
        #expect(list.texts.map(\.name) == ["a"] && list.isCut && list.size == 68)
    }

    @Test func `an entry of the size of the table is kept, a larger one empties it`() throws {
        var reader = FieldBlockReader()
        // The table holds 64 octets: a name of one and a value of 31, then of 32.
        let value = [UInt8](repeating: 0x62, count: 32)
        _ = try Self.read(Self.octets("3f21 4001 61 1f") + value.dropLast(), &reader)
        let kept = try? Self.read([0xBE], &reader)
        #expect(kept?.count == 1)
        _ = try Self.read(Self.octets("4001 61 20") + value, &reader)
        let gone = try? Self.read([0xBE], &reader)
        #expect(gone == nil)
    }

    @Test func `a table filled over and over keeps the newest`() throws {
        var reader = FieldBlockReader()
        for number in 0..<1000 {
            let text = "\(number)"
            let block = [0x40, 1, 0x61, UInt8(text.utf8.count)] + Array(text.utf8) + [0xBE, 0xBF]
            if number > 0 {
                let last = try Self.read(block, &reader).last
                #expect(last == "a: \(number - 1)")
            } else {
                _ = try Self.read(Array(block.dropLast()), &reader)
            }
        }
    }

    // MARK: Another library

    @Test func `what another library writes is read as it was meant`() throws {
        var numbers = SystemRandomNumberGenerator()
        var encoder = HPACKEncoder(allocator: ByteBufferAllocator())
        var reader = FieldBlockReader()
        for _ in 0..<500 {
            let fields = Self.some(&numbers)
            var buffer = ByteBuffer()
            var headers = HPACKHeaders()
            for (name, value) in fields {
                headers.add(name: name, value: value, indexing: Bool.random() ? .indexable : .neverIndexed)
            }
            try encoder.encode(headers: headers, to: &buffer)
            let block = Array(buffer.readableBytesView)
            let read = try Self.read(block, &reader)
            #expect(read == fields.map { "\($0): \($1)" })
        }
    }

    @Test func `what we write another library reads as it was meant`() throws {
        var numbers = SystemRandomNumberGenerator()
        var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
        for status in [200, 204, 206, 304, 400, 404, 500, 101, 302, 599] {
            var block: [UInt8] = []
            FieldBlockWriter.append(status: status, to: &block)
            let list = FieldList(Self.some(&numbers))
            for field in list.fields {
                let isSecret = Bool.random()
                FieldBlockWriter.append(
                    list.bytes,
                    name: field.name,
                    value: field.value,
                    isSecret ? .never : .free,
                    to: &block
                )
            }
            var buffer = ByteBuffer(bytes: block)
            let read = try decoder.decodeHeaders(from: &buffer)
            #expect(read.first(name: ":status") == "\(status)")
            #expect(read.dropFirst().map(\.name) == list.texts.map(\.name))
            #expect(read.dropFirst().map(\.value) == list.texts.map(\.value))
        }
    }

    /// Broken blocks: where the other library reads one, so do we, and the same.
    @Test func `blocks of any octets are read alike or refused`() throws {
        var numbers = SystemRandomNumberGenerator()
        var (both, neither) = (0, 0)
        for _ in 0..<20_000 {
            var block = (0..<Int.random(in: 1...12)).map { _ in UInt8.random(in: 0...255, using: &numbers) }
            if Bool.random() { block[0] = 0x82 + UInt8.random(in: 0...4) }
            var reader = FieldBlockReader()
            let ours = try? Self.read(block, &reader)
            var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
            var buffer = ByteBuffer(bytes: block)
            let theirs = try? decoder.decodeHeaders(from: &buffer).map { "\($0.name): \($0.value)" }
            if let ours, let theirs {
                both += 1
                #expect(ours == theirs, "\(block)")
            } else {
                neither += 1
                #expect(theirs == nil && ours == nil, "\(block): \(ours ?? []), \(theirs ?? [])")
            }
        }
        #expect(both > 500 && neither > 500)
    }

    private static func some(_ numbers: inout SystemRandomNumberGenerator) -> [(String, String)] {
        let names = ["cookie", "x-own", "content-type", "set-cookie", "a", "etag", "www-authenticate", "x-b"]
        return (0..<Int.random(in: 1...12, using: &numbers)).map { _ in
            let count = Int.random(in: 0...(Bool.random() ? 20 : 400), using: &numbers)
            let value = (0..<count).map { _ in
                Character(Unicode.Scalar(UInt8.random(in: 0x20...0x7E, using: &numbers)))
            }
            return (names.randomElement(using: &numbers) ?? "a", String(value))
        }
    }
}
