// What is read of a ClientHello, whole, in pieces and broken.

import Testing

@testable import Proxy

/// A ClientHello as octets.
struct WrittenHello {
    var extensions: [(kind: Int, body: [UInt8])] = []
    var suites: [UInt8] = [0x13, 0x01, 0xC0, 0x2F]

    static func vector(_ size: Int, _ body: [UInt8]) -> [UInt8] {
        (0..<size).reversed().map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) } + body
    }

    static func name(_ name: String) -> (kind: Int, body: [UInt8]) {
        (0, Self.vector(2, [0] + Self.vector(2, Array(name.utf8))))
    }

    var message: [UInt8] {
        let extensions = self.extensions.flatMap { entry in
            [UInt8(entry.kind >> 8), UInt8(entry.kind & 0xFF)] + Self.vector(2, entry.body)
        }
        let body =
            [3, 3] + [UInt8](repeating: 7, count: 32) + Self.vector(1, [])
            + Self.vector(2, self.suites) + Self.vector(1, [0]) + Self.vector(2, extensions)
        return [1] + Self.vector(3, body)
    }

    /// The message in records of at most so many octets.
    func records(of size: Int = 16_384) -> [UInt8] {
        let message = self.message
        return stride(from: 0, to: message.count, by: size).flatMap { start in
            [22, 3, 1] + Self.vector(2, Array(message[start..<min(message.count, start + size)]))
        }
    }
}

struct ClientHelloTests {
    private func hello(_ extensions: [(kind: Int, body: [UInt8])]) -> WrittenHello {
        WrittenHello(extensions: extensions)
    }

    private func name(in reading: ClientHello.Reading) -> String? {
        guard case .whole(let hello) = reading else { return nil }
        return hello.serverName
    }

    @Test(arguments: [
        ("example.com", "example.com"), ("EXAMPLE.com", "example.com"), ("example.com.", "example.com"),
        (".", "."),
    ])
    func `the name is read in lower case and without a last dot`(written: String, read: String) {
        let octets = self.hello([(10, [0, 2, 0, 29]), WrittenHello.name(written)]).records()
        #expect(self.name(in: ClientHello.read(octets)) == read)
    }

    @Test(arguments: [1, 2, 3, 5, 64, 16_384])
    func `a message spread over several records has the same name`(size: Int) {
        let octets = self.hello([WrittenHello.name("spread.example")]).records(of: size)
        #expect(self.name(in: ClientHello.read(octets)) == "spread.example")
    }

    @Test(arguments: [3, 16_384])
    func `until all is there, more is asked for, never too much`(size: Int) {
        let octets = self.hello([WrittenHello.name("example.com")]).records(of: size)
        for count in 0..<octets.count {
            guard case .incomplete(let needed) = ClientHello.read(Array(octets.prefix(count))) else {
                Issue.record("\(count) of \(octets.count) octets are taken for enough")
                continue
            }
            #expect(needed > count && needed <= octets.count)
        }
    }

    @Test func `no name is none, and a hello without extensions is whole`() {
        #expect(ClientHello.read(self.hello([]).records()) == .whole(ClientHello()))
    }

    @Test func `the same extension twice is malformed`() {
        let twice = self.hello([WrittenHello.name("a.example"), WrittenHello.name("b.example")])
        #expect(ClientHello.read(twice.records()) == .malformed)
    }

    @Test(
        arguments: [
            [], [0, 0], [0, 4, 0, 0, 1, 0x61, 0], [0, 4, 1, 0, 1, 0x61], [0, 3, 0, 0, 0],
            [0, 4, 0, 0, 1, 0x20],
            [0, 8, 0, 0, 1, 0x61, 0, 0, 1, 0x62], [0, 5, 0, 0, 1, 0x61],
        ] as [[UInt8]]
    )
    func `a name that is not exactly one is malformed`(body: [UInt8]) {
        #expect(ClientHello.read(self.hello([(0, body)]).records()) == .malformed)
    }

    @Test func `a name of 255 octets is the longest`() {
        let longest = String(repeating: "a", count: 255)
        #expect(
            self.name(in: ClientHello.read(self.hello([WrittenHello.name(longest)]).records())) == longest
        )
        let longer = self.hello([WrittenHello.name(longest + "a")]).records()
        #expect(ClientHello.read(longer) == .malformed)
    }

    @Test(
        arguments: [
            Array("GET / HTTP/1.1\r\n".utf8), [21, 3, 1, 0, 2, 1, 0], [22, 2, 0, 0, 1, 1], [22, 3, 1, 0, 0],
            [22, 3, 1, 0x40, 1], [22, 3, 1, 0, 4, 2, 0, 0, 0], [22, 3, 1, 0, 4, 1, 0, 0x3F, 0xFD],
            [22, 3, 1, 0, 5, 1, 0, 0, 1, 3],
        ] as [[UInt8]]
    )
    func `what is no ClientHello is malformed`(octets: [UInt8]) {
        #expect(ClientHello.read(octets) == .malformed)
    }

    @Test func `16 KiB are the longest message`() {
        #expect(ClientHello.read([22, 3, 1, 0, 4, 1, 0, 0x3F, 0xFC]) == .incomplete(until: 14))
    }

    @Test func `a key on an elliptic curve is chosen where scheme and suite or version allow`() {
        func takes(_ schemes: [UInt8], _ versions: [UInt8]?, _ suites: [UInt8]) -> Bool? {
            var written = self.hello([(13, WrittenHello.vector(2, schemes))])
            if let versions { written.extensions.append((43, WrittenHello.vector(1, versions))) }
            written.suites = suites
            guard case .whole(let hello) = ClientHello.read(written.records()) else { return nil }
            return hello.takesECDSA
        }
        #expect(takes([4, 3], [3, 4], [0x13, 1]) == true)
        #expect(takes([8, 4], [3, 4], [0x13, 1]) == false)
        #expect(takes([4, 3], nil, [0xC0, 0x2B]) == true)
        #expect(takes([4, 3], nil, [0xC0, 0x2F]) == false)
        #expect(takes([4, 3], [3, 3], [0xC0, 0x2F]) == false)
    }
}
