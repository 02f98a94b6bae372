// Who the client is, and whose word counts.

import Testing

@testable import Proxy

struct ClientFactsTests {
    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("2001:DB8:0:0:1::", "2001:db8:0:0:1::"), ("::", "::"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
    ])
    func `an address reads and prints`(_ row: (String, String)) {
        #expect(IPAddress(row.0)?.description == row.1)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.x", ":", ":::", "1::2::3",
        "1:2:3:4:5:6:7:8:9", "g::",
        "12345::", "1.2.3.4::", "::1%lo",
    ])
    func `what is no address is none`(_ text: String) { #expect(IPAddress(text) == nil) }

    @Test(arguments: [
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "1.2.3.4", true),
        ("0.0.0.0/0", "::1", false), ("::1", "::1", true), ("2001:db8::/33", "2001:db8:7fff::", true),
        ("2001:db8::/33", "2001:db8:8000::", false), ("fe80::/65", "fe80::7fff:0:0:1", true),
        ("fe80::/65", "fe80::8000:0:0:1", false), ("127.0.0.1", "::ffff:127.0.0.1", true),
    ])
    func `a range holds what it holds`(_ row: (String, String, Bool)) throws {
        let range = try #require(AddressRange(row.0))
        #expect(range.contains(try #require(IPAddress(row.1))) == row.2)
    }

    @Test(arguments: ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "x/8"])
    func `what is no range is none`(_ text: String) { #expect(AddressRange(text) == nil) }

    /// The address found with 10.0.0.0/8 trusted and the peer 10.0.0.1.
    static func address(_ fields: String) throws -> String {
        let head = try RequestHead.parse("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n".utf8)
        var facts = ClientFacts(peer: try #require(IPAddress("10.0.0.1")), isTrustedPeer: true)
        facts.hear(head.fields, trusted: [try #require(AddressRange("10.0.0.0/8"))])
        return facts.address.description
    }

    @Test(arguments: [
        ("", "10.0.0.1"), ("X-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
        ("X-Forwarded-For: 6.6.6.6, 1.1.1.1\r\n", "1.1.1.1"),
        ("X-Forwarded-For: 6.6.6.6, 1.1.1.1, 10.0.0.2\r\n", "1.1.1.1"),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\n", "1.1.1.1"),
        ("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"),
        ("X-Forwarded-For: 6.6.6.6, unknown\r\n", "10.0.0.1"),
        ("X-Forwarded-For: 1.1.1.1:99\r\n", "1.1.1.1"),
        ("X-Forwarded-For: [2001:db8::1]:99\r\n", "2001:db8::1"),
    ])
    func `the client is the right-most address that is not trusted (P1)`(_ row: (String, String)) throws {
        #expect(try Self.address(row.0) == row.1)
    }

    @Test func `a trusted peer tells scheme, host and port`() throws {
        let head = try RequestHead.parse(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: HTTPS\r\nX-Forwarded-Host: Shop.example:1\r\nX-Forwarded-Port: 443\r\n\r\n"
                .utf8
        )
        var facts = ClientFacts(peer: try #require(IPAddress("10.0.0.1")), isTrustedPeer: true)
        facts.hear(head.fields, trusted: [])
        #expect(facts.scheme == .https && facts.forwardedHost == "shop.example:1" && facts.port == 443)
    }

    @Test func `a stranger's disagreeing scheme is noticed and not believed (P1)`() throws {
        var facts = ClientFacts(peer: try #require(IPAddress("1.1.1.1")))
        facts.noticeStranger(
            try RequestHead.parse("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n".utf8).fields
        )
        #expect(facts.strangerDisagreed && facts.scheme == .http)
        facts.noticeStranger(
            try RequestHead.parse("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: http\r\n\r\n".utf8).fields
        )
        #expect(!facts.strangerDisagreed)
    }
}
