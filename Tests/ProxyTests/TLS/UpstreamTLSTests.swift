// Which names of a certificate mean an upstream.

import Testing

@testable import Proxy

struct UpstreamTLSTests {
    @Test(arguments: [
        ("a.example", "a.example", true), ("A.Example", "a.eXample", true), ("a.example.", "a.example", true),
        ("a.example", "*.example", true), ("a.b.example", "*.b.example", true),
        ("a.b.example", "*.example", false), ("example", "*.example", false),
        (".example", "*.example", false),
        ("a.example", "*", false), ("a.example", "*a.example", false), ("a.example", "a*.example", false),
        ("a.example", "a.*", false), ("a.example", "a.example.", false), ("a.example", "", false),
        ("a.example", "b.example", false), ("a.example", "a.example\0.evil", false), ("", "", true),
        ("localhost", "*", false),
    ])
    func `a name means the same host, or a wildcard its first label`(
        host: String,
        pattern: String,
        isMeant: Bool
    ) {
        #expect(UpstreamTLS.isMeant(host, by: Array(pattern.utf8)) == isMeant)
    }
}
