// One canonical path, and what cannot become one (P3).

import Testing

@testable import Proxy

struct PathRulesTests {
    static func head(_ target: String, allowing allowed: AllowedInPath = []) throws -> RequestHead {
        var limits = ProxyLimits()
        limits.allowedInPath = allowed
        return try RequestHead.parse("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n".utf8, limits: limits)
    }

    @Test(arguments: [
        ("/", "/"), ("/a/b", "/a/b"), ("/a/", "/a/"), ("/%61%2D%2e5%7E", "/a-.5~"), ("/%c3%a9", "/%C3%A9"),
        ("/a%20b", "/a%20b"), ("/a//b", "/a/b"), ("//a", "/a"), ("/a/./b", "/a/b"), ("/a/../b", "/b"),
        ("/a/b/..", "/a/"), ("/a/.", "/a/"), ("/a/b/../../c", "/c"), ("/...", "/..."), ("/.a", "/.a"),
        ("/a..", "/a.."), ("/a{b}|c", "/a%7Bb%7D%7Cc"), ("/%25", "/%25"), ("/%3b", "/%3B"),
        ("/a%2ehtml", "/a.html"),
        ("/%E2%82%AC", "/%E2%82%AC"), ("/a+b:c@d,e", "/a+b:c@d,e"),
    ])
    func `a path becomes canonical (P3)`(_ row: (String, String)) throws {
        #expect(try Self.head(row.0).pathText == row.1)
    }

    @Test(arguments: [
        "/a%2Fb", "/a%2fb", "/a%5Cb", "/a\\b", "/%00", "/%0a", "/%1F", "/%7f", "/%2e%2e/a", "/a/%2e%2E",
        "/a/.%2e/b",
        "/%2e/a", "/..", "/../a", "/a/../..", "/a/../../b", "/a;b", "/;", "/%C0%AF", "/%c0%ae%c0%ae",
        "/%E0%80%AF",
        "/%ED%A0%80", "/%FF", "/%E2%82", "/%E2%82/%AC", "/%", "/%2", "/%zz", "/%2g",
    ])
    func `a path with two readings is refused (P3)`(_ target: String) {
        #expect(throws: RequestRefusal.malformed(.path)) { try Self.head(target) }
    }

    @Test func `what is allowed by name is let in and kept as it is (P3)`() throws {
        #expect(try Self.head("/a;v=1/b", allowing: .semicolon).pathText == "/a;v=1/b")
        #expect(try Self.head("/a%2fb", allowing: .encodedSlash).pathText == "/a%2Fb")
        #expect(throws: RequestRefusal.malformed(.path)) { try Self.head("/a/..;/b", allowing: .semicolon) }
        #expect(throws: RequestRefusal.malformed(.path)) { try Self.head("/a/.;x/b", allowing: .semicolon) }
    }

    @Test func `the query is no part of the path and stays as it is (P2)`() throws {
        let head = try Self.head("/a?x=/../%2e%2F//;&y")
        #expect(head.pathText == "/a")
        #expect(head.queryText == "x=/../%2e%2F//;&y")
        #expect(head.pathAndQuery == Array("/a?x=/../%2e%2F//;&y".utf8))
        #expect(try Self.head("/a").queryText == nil)
        #expect(try Self.head("/a?").queryText == "")
    }

    @Test func `a canonical path is canonical`() throws {
        let targets = ["/%61//b/./c/../%c3%a9", "/{x}", "/a%20b/"]
        for target in targets {
            let once = try Self.head(target).pathText
            #expect(try Self.head(once).pathText == once)
        }
    }
}
