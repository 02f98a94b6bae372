// Where a browser may be sent, and where never.
import Gateway
import Testing

@testable import Access

struct RedirectTargetTests {
    let own = RedirectTarget.Origin(scheme: "https", host: "app.example", port: nil)
    let hosts = ["app.example", "other.example", "port.example:8443", "*.wild.example"]

    @Test(arguments: [
        "/", "/a", "/a?b=c#d", "/a//b", "/a/../b", "/a/./b?x=//evil.example", "/?rd=https://evil.example",
        "/a%2Fb", "/a:b@c", "/./",
    ])
    func `a path of ours stays as it is`(_ text: String) {
        #expect(RedirectTarget(text, own: own, hosts: hosts)?.location == text)
    }

    @Test(arguments: [
        ("https://app.example/x", "https://app.example/x"), ("https://APP.example", "https://app.example/"),
        ("https://app.example.:443/x", "https://app.example/x"),
        ("https://other.example?q", "https://other.example/?q"),
        ("HTTPS://other.example/x", "https://other.example/x"),
        ("https://port.example:8443/x", "https://port.example:8443/x"),
        ("https://a.wild.example/", "https://a.wild.example/"),
    ])
    func `a listed host is written as a browser would read it`(_ text: String, _ location: String) {
        #expect(RedirectTarget(text, own: own, hosts: hosts)?.location == location)
    }

    // S1, A12
    @Test(arguments: [
        "", " ", "//evil.example", "///evil.example", "////evil.example/", "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/\u{0}/evil.example",
        "https:evil.example", "https:/evil.example", "https:///evil.example", "https://evil.example",
        "http://evil.example", "https://app.example@evil.example/", "https://app.example:443@evil.example/",
        "https://evil.example#app.example", "https://evil.example?app.example",
        "https://app.example.evil.example/",
        "https://evilapp.example/", "https://app.example\\.evil.example/",
        "https://app.example%2eevil.example/",
        "https://app.example:8443/", "https://port.example/", "https://port.example:08443x/",
        "https://wild.example/", "https://evilwild.example/", "https://.wild.example/",
        "https://a..wild.example/",
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd",
        "ftp://app.example/", "app.example", "evil.example", "?x", "#x", "@evil.example", "./x", "../x",
        "/.//evil.example", "/..//evil.example", "/a/..//evil.example", "/%2e//evil.example",
        "/%2e%2e//evil.example", "/.%2e//evil.example", "/%5Cevil.example", "/%5c%5cevil.example",
        "/%09/evil.example",
        "/%0d%0aSet-Cookie:x", "/%00", "/%2F/evil.example", "/%2fevil.example",
        "https://app.example//evil.example",
        "https://app.example/%5cevil", "http://app.example/", "https://[::1]/", "https://127.0.0.1/",
        "https://①②/",
        "https://app.example\u{3002}evil.example/", "https://\u{202E}example/", "https://app.example:0/",
        "https://app.example:99999/", "https://app.example:/", "https://", "https://?", "https://:443/",
    ])
    func `a hostile address leads nowhere`(_ text: String) {
        #expect(RedirectTarget(text, own: own, hosts: hosts) == nil)
    }

    @Test func `what is too long is refused`() {
        let long = "/" + String(repeating: "a", count: 4095)
        #expect(RedirectTarget(long, own: own, hosts: [])?.location == long)
        #expect(RedirectTarget(long + "a", own: own, hosts: []) == nil)
    }

    @Test func `on http a target may be http, and its own port counts`() {
        let plain = RedirectTarget.Origin(scheme: "http", host: "localhost", port: 8000)
        #expect(
            RedirectTarget("http://localhost:8000/x", own: plain, hosts: [])?.location
                == "http://localhost:8000/x"
        )
        #expect(RedirectTarget("http://localhost:8001/x", own: plain, hosts: []) == nil)
        #expect(RedirectTarget("http://localhost/x", own: plain, hosts: []) == nil)
    }
}

struct QueryArgumentsTests {
    @Test func `arguments are decoded, and repeated ones are told apart`() throws {
        let arguments = try #require(QueryArguments(Array("a=1&b=x+y%2F&b=z&c".utf8)))
        #expect(arguments.single("a") == "1")
        #expect(arguments.single("b") == nil)
        #expect(arguments.count(of: "b") == 2)
        #expect(arguments.single("c") == "")
        #expect(arguments.repeats(["a", "b"]))
        #expect(!arguments.repeats(["a", "c"]))
        #expect(arguments.pairs[1].value == "x y/")
    }

    @Test(arguments: ["a=%", "a=%4", "a=%zz", "a=%ff", "%C0%AF=1"])
    func `broken escapes and ill-formed text are no arguments`(_ text: String) {
        #expect(QueryArguments(Array(text.utf8)) == nil)
    }

    @Test func `text is encoded for a query and comes back`() throws {
        let text = "/a?b=c&d=%20é"
        let query = "rd=" + QueryArguments.encoded(text)
        #expect(query == "rd=%2Fa%3Fb%3Dc%26d%3D%2520%C3%A9")
        #expect(try #require(QueryArguments(Array(query.utf8))).single("rd") == text)
    }
}
