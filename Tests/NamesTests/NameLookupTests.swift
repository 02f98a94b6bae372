// The system's resolver, asked for what every system knows.
import Testing

@testable import Names

struct NameLookupTests {
    private static let loopback = [UInt8](repeating: 0, count: 10) + [255, 255, 127, 0, 0, 1]

    @Test func `an address stands for itself, mapped into IPv6 if it is IPv4`() throws {
        #expect(try NameLookup.addresses(of: "127.0.0.1") == [Self.loopback])
        #expect(try NameLookup.addresses(of: "::1") == [[UInt8](repeating: 0, count: 15) + [1]])
    }

    @Test func `localhost is this machine, each address once`() throws {
        let found = try NameLookup.addresses(of: "localhost")
        #expect(Set(found).count == found.count)
        #expect(found.contains(Self.loopback) || found.contains([UInt8](repeating: 0, count: 15) + [1]))
    }

    @Test func `a name that cannot be is an error with words`() {
        #expect {
            try NameLookup.addresses(of: "two words.invalid")
        } throws: { error in
            !"\(error)".isEmpty
        }
    }
}
