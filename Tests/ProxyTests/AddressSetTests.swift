// Ranges of addresses, merged.
import Testing

@testable import Proxy

struct AddressSetTests {
    private func set(_ texts: [String]) throws -> AddressSet {
        AddressSet(try texts.map { try #require(AddressRange($0)) })
    }

    @Test func `a set holds exactly what one of its ranges holds`() throws {
        let texts = [
            "10.0.0.0/8", "10.1.0.0/16", "10.255.0.0/16", "11.0.0.0/32", "192.0.2.5", "192.0.2.9/31",
            "0.0.0.0/32",
            "255.255.255.255", "2001:db8::/32", "2001:db8:5::/48", "::1", "fe80::/10",
        ]
        let ranges = try texts.map { try #require(AddressRange($0)) }
        let set = AddressSet(ranges)
        for text in [
            "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "11.0.0.1", "192.0.2.4", "192.0.2.5",
            "192.0.2.6", "192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.10", "0.0.0.0", "0.0.0.1",
            "255.255.255.255", "255.255.255.254", "2001:db7:ffff::", "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::", "::", "::1", "::2", "febf::", "fec0::",
        ] {
            let address = try #require(IPAddress(text))
            #expect(set.contains(address) == ranges.contains { $0.contains(address) }, "\(text)")
        }
    }

    @Test func `everything and nothing`() throws {
        let everything = try self.set(["0.0.0.0/0"])
        #expect(everything.contains(try #require(IPAddress("255.255.255.255"))))
        #expect(!everything.contains(try #require(IPAddress("::1"))))
        #expect(try self.set(["::/0"]).contains(try #require(IPAddress("ffff::"))))
        #expect(AddressSet([]).isEmpty)
        #expect(!AddressSet([]).contains(try #require(IPAddress("::1"))))
    }

    @Test func `one subscriber has 64 bits of IPv6 and one address of IPv4`() throws {
        let one = try #require(IPAddress("2001:db8:1:2:3:4:5:6"))
        #expect(one.ofOneSubscriber.description == "2001:db8:1:2::")
        let other = try #require(IPAddress("192.0.2.7"))
        #expect(other.ofOneSubscriber == other)
    }
}
