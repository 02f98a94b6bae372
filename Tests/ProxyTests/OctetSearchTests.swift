// Searching in blocks finds what searching octet by octet finds.

import Testing

@testable import Proxy

struct OctetSearchTests {
    /// Lengths on both sides of every block.
    static let lengths = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129]

    @Test(arguments: lengths)
    func `an octet is found at each place, and none before the start`(_ length: Int) {
        let plain = [UInt8](repeating: 0x61, count: length)
        #expect(plain.span.place(of: 0x3B, from: 0) == length)
        for place in 0..<length {
            var octets = plain
            octets[place] = 0x3B
            #expect(octets.span.place(of: 0x3B, from: 0) == place)
            #expect(octets.span.place(of: 0x3B, from: place) == place)
            #expect(octets.span.place(of: 0x3B, from: place + 1) == length)
        }
    }

    @Test(arguments: lengths)
    func `a value ends at each octet that no field may hold`(_ length: Int) {
        let plain = [UInt8](repeating: 0x61, count: length)
        #expect(plain.span.endOfFieldValue(from: 0) == length)
        for octet in UInt8.min ... .max {
            for place in 0..<length {
                var octets = plain
                octets[place] = octet
                let end = Octet.isFieldValue(octet) ? length : place
                guard octets.span.endOfFieldValue(from: 0) != end else { continue }
                Issue.record("\(octet) at \(place) of \(length)")
            }
        }
    }

    @Test(arguments: lengths)
    func `octets are visible if each of them is`(_ length: Int) {
        let plain = [UInt8](repeating: 0x61, count: length)
        let isPlainVisible = plain.span.isVisible
        #expect(isPlainVisible)
        for (octet, isVisible) in [
            (0x00, false), (0x09, false), (0x20, false), (0x21, true), (0x7E, true), (0x7F, false),
            (0x80, false),
            (0xFF, false),
        ] as [(UInt8, Bool)] {
            for place in 0..<length {
                var octets = plain
                octets[place] = octet
                let found = octets.span.isVisible
                #expect(found == isVisible)
            }
        }
    }
}
