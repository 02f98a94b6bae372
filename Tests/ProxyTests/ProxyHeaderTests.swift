// The PROXY protocol's header: right, in pieces, and wrong.

import Testing

@testable import Proxy

struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
    private static let four: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xD4, 0x31, 0x20, 0xFB]
    private static let six: [UInt8] =
        [0x20, 1, 0xD, 0xB8] + [UInt8](repeating: 0, count: 11) + [9]
        + [UInt8](repeating: 0, count: 20)

    private func binary(_ command: UInt8, _ family: UInt8, _ body: [UInt8]) -> [UInt8] {
        Self.signature + [command, family, UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
    }

    private func client(_ octets: [UInt8]) -> String? {
        guard case .whole(.client(let address), let count) = ProxyHeader.read(octets + [0x47, 0x45]),
            count == octets.count
        else { return nil }
        return address.description
    }

    private func isUnknown(_ octets: [UInt8]) -> Bool {
        ProxyHeader.read(octets) == .whole(.unknown, count: octets.count)
    }

    @Test func `version 1 names the client`() {
        #expect(self.client(Array("PROXY TCP4 192.0.2.7 10.0.0.1 54321 8443\r\n".utf8)) == "192.0.2.7")
        #expect(self.client(Array("PROXY TCP6 2001:db8::9 ::1 1 65535\r\n".utf8)) == "2001:db8::9")
        #expect(self.isUnknown(Array("PROXY UNKNOWN\r\n".utf8)))
        #expect(self.isUnknown(Array("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".utf8)))
    }

    @Test func `version 2 names the client, whatever else hangs on it`() {
        #expect(self.client(self.binary(0x21, 0x11, Self.four)) == "192.0.2.7")
        #expect(self.client(self.binary(0x21, 0x21, Self.six)) == "2001:db8::9")
        #expect(self.client(self.binary(0x21, 0x11, Self.four + [1, 0, 2, 0x68, 0x32])) == "192.0.2.7")
        #expect(self.isUnknown(self.binary(0x20, 0x00, [])))
        #expect(self.isUnknown(self.binary(0x20, 0x11, Self.four)))
        #expect(self.isUnknown(self.binary(0x21, 0x00, [])))
    }

    @Test func `until all is there, more is waited for`() {
        let whole = [
            Array("PROXY TCP4 192.0.2.7 10.0.0.1 54321 8443\r\n".utf8), self.binary(0x21, 0x21, Self.six),
        ]
        for octets in whole {
            for count in 0..<octets.count {
                #expect(ProxyHeader.read(Array(octets.prefix(count))) == .incomplete, "\(count)")
            }
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 54321 8443\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 54321\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 54321 8443 x\r\n",
        "PROXY TCP4 192.0.2.7  10.0.0.1 54321 8443\r\n", "PROXY TCP4 2001:db8::9 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.300 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 65536 2\r\n", "PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n", "PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n", "PROXY \r\n",
        "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
    ])
    func `what is no header of version 1 is malformed`(text: String) {
        #expect(ProxyHeader.read(Array(text.utf8)) == .malformed)
    }

    @Test func `107 octets are the longest line`() {
        func line(_ count: Int) -> [UInt8] {
            Array(("PROXY UNKNOWN " + String(repeating: "x", count: count - 16) + "\r\n").utf8)
        }
        #expect(self.isUnknown(line(107)))
        #expect(ProxyHeader.read(line(108)) == .malformed)
    }

    @Test func `what is no header of version 2 is malformed`() {
        let wrong: [[UInt8]] = [
            self.binary(0x11, 0x11, Self.four), self.binary(0x22, 0x11, Self.four),
            self.binary(0x21, 0x12, Self.four), self.binary(0x21, 0x31, Self.six),
            self.binary(0x21, 0x11, Array(Self.four.dropLast())),
            self.binary(0x21, 0x21, Array(Self.six.dropLast())), [13, 10, 13, 11],
            self.binary(0x21, 0x11, Self.four + [UInt8](repeating: 0, count: 2048 - 16 - 11)),
        ]
        for octets in wrong { #expect(ProxyHeader.read(octets) == .malformed) }
        let longest = Self.four + [UInt8](repeating: 0, count: 2048 - 16 - 12)
        #expect(self.client(self.binary(0x21, 0x11, longest)) == "192.0.2.7")
    }
}
