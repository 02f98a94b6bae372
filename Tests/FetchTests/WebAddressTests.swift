// URLs in their parts, as the dialler reads them.
import Testing

@testable import Fetch

struct WebAddressTests {
    @Test func `a URL comes apart`() throws {
        let address = try WebAddress("HTTPS://Example.COM/a/../b?x=1#part")
        #expect(address.text == "https://example.com/b?x=1" || address.text == "https://Example.COM/b?x=1")
        #expect(address.scheme == "https")
        #expect(address.host == "example.com")
        #expect(address.port == 443)
        #expect(address.path == "/b")
        #expect(address.query == "x=1")
        #expect(address.hasFragment)
    }

    @Test(arguments: [
        ("http://localhost/", true), ("http://a.localhost:80/", true), ("http://127.1/", true),
        ("http://[::1]:8080/x", true), ("http://localhost.example/", false), ("http://128.0.0.1/", false),
        ("http://xlocalhost/", false),
    ])
    func `loopback is told by the name alone`(url: String, verdict: Bool) throws {
        #expect(try WebAddress(url).isLoopback == verdict)
    }

    @Test func `a reference is resolved where it stands`() throws {
        let base = try WebAddress("https://id.example/a/b?c#d")
        #expect(try base.resolving("e").text == "https://id.example/a/e")
        #expect(try base.resolving("/f?g").text == "https://id.example/f?g")
        #expect(try base.resolving("//other.example/").host == "other.example")
        #expect(throws: FetchError.invalidURL) { try base.resolving("javascript:alert(1)") }
    }
}
