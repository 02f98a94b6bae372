// What begins a connection, changed by chance.

import Testing

@testable import Proxy

struct OpeningTests {
    static let hellos: [[UInt8]] = [
        WrittenHello(extensions: [WrittenHello.name("www.example.com")]).records(),
        WrittenHello(extensions: [
            (10, [0, 2, 0, 29]), WrittenHello.name("a.example"), (13, [0, 4, 4, 3, 8, 4]),
            (43, [4, 3, 4, 3, 3]),
        ]).records(of: 40),
        WrittenHello(extensions: []).records(of: 7),
    ]
    static let headers: [[UInt8]] = [
        Array("PROXY TCP4 192.0.2.7 10.0.0.1 54321 8443\r\n".utf8),
        Array("PROXY TCP6 2001:db8::9 ::1 1 65535\r\n".utf8), Array("PROXY UNKNOWN x\r\n".utf8),
        [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x11, 0, 14]
            + [192, 0, 2, 7, 10, 0, 0, 1, 0xD4, 0x31, 0x20, 0xFB, 4, 0],
        [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x21, 0, 36]
            + [UInt8](repeating: 7, count: 36),
    ]

    /// One to four random changes: an octet gone, changed, doubled, or another length.
    static func mutate(_ seed: [UInt8], _ random: inout SecondOpinionTests.Seeded) -> [UInt8] {
        var octets = seed
        for _ in 0..<Int.random(in: 1...4, using: &random) where !octets.isEmpty {
            let place = Int.random(in: octets.indices, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: octets.remove(at: place)
            case 1: octets[place] = UInt8.random(in: 0...255, using: &random)
            case 2: octets[place] = octets[place] &+ 1
            case 3: octets[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 4: octets.insert(octets[place], at: place)
            default: octets.removeLast(Int.random(in: 0...min(4, octets.count), using: &random))
            }
        }
        return octets
    }

    /// How many mutations of a seed read as whole, as malformed, and as neither.
    static func play(
        _ seed: [UInt8],
        number: UInt64,
        _ kind: ([UInt8]) throws -> Int
    ) rethrows -> [Int] {
        var random = SecondOpinionTests.Seeded(state: number)
        var kinds = [0, 0, 0]
        for _ in 0..<3000 { kinds[try kind(Self.mutate(seed, &random))] += 1 }
        return kinds
    }

    @Test(arguments: 0..<3) func `a mutated hello is read alike however it comes`(index: Int) throws {
        let kinds = try Self.play(Self.hellos[index], number: UInt64(index) + 400) { octets in
            try HelloCheck.run(octets)
            return switch ClientHello.read(octets) {
            case .whole: 0
            case .malformed: 1
            case .incomplete: 2
            }
        }
        #expect(kinds.allSatisfy { $0 > 100 }, "\(kinds)")
    }

    @Test(arguments: 0..<5) func `a mutated header is read alike however it comes (E8)`(index: Int) throws {
        let kinds = try Self.play(Self.headers[index], number: UInt64(index) + 500) { octets in
            try HeaderCheck.run(octets)
            return switch ProxyHeader.read(octets) {
            case .whole: 0
            case .malformed: 1
            case .incomplete: 2
            }
        }
        #expect(kinds[1] > 100 && kinds[0] + kinds[2] > 20, "\(kinds)")
    }
}
