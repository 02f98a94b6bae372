// Routes are found by Kong's rules, and hostile paths find no other.
import Pattern
import Proxy
import Testing

@testable import Gateway

struct RouterTests {
    /// Each row of `RouteRank`'s table: of two routes that both match, which comes first, whatever the file's order.
    static let pairs: [(better: Route, worse: Route, request: String, why: String)] = [
        (
            route("hosts+methods") { ($0.hosts, $0.methods) = (["a.example"], ["GET"]) },
            route("long path", ["/a/long/path"]), "GET http://a.example/a/long/path",
            "more categories before fewer"
        ),
        (
            route("host") { $0.hosts = ["a.example"] }, route("path", ["/a/long/path"]),
            "GET http://a.example/a/long/path", "hosts before paths"
        ),
        (
            route("header") { $0.fields = [FieldDemand(name: "x-v", values: ["1"])] },
            route("path", ["/a"]), "GET http://a.example/a", "headers before paths"
        ),
        (
            route("path", ["/a"]), route("method") { $0.methods = ["GET"] }, "GET http://a.example/a",
            "paths before methods"
        ),
        (
            route("exact", ["/"]) { $0.hosts = ["a.b.example"] },
            route("wildcard", ["/a/b"]) { $0.hosts = ["*.b.example"] }, "GET http://a.b.example/a/b",
            "exact hosts before wildcards"
        ),
        (
            route("pattern", ["~/a"]), route("prefix", ["/a/b/c"]), "GET http://x/a/b/c",
            "patterns before prefixes"
        ),
        (
            route("two") {
                $0.fields = [
                    FieldDemand(name: "x-v", values: ["1"]), FieldDemand(name: "x-w", values: ["2"]),
                ]
            },
            route("one") { $0.fields = [FieldDemand(name: "x-v", values: ["1"])] }, "GET http://x/",
            "more headers before fewer"
        ),
        (
            route("high", ["~/a"]) { $0.regexPriority = 5 }, route("low", ["~/a/b/c/d"]),
            "GET http://x/a/b/c/d", "higher regex_priority before longer patterns"
        ),
        (
            route("long", ["~/a/b"]), route("short", ["~/a"]), "GET http://x/a/b",
            "longer patterns before shorter"
        ),
        (
            route("long", ["/a/b"]), route("short", ["/a"]) { $0.regexPriority = 9 }, "GET http://x/a/b",
            "longer prefixes before shorter, and regex_priority is not for prefixes"
        ),
    ]

    @Test(arguments: pairs.indices)
    func `of two routes the better is found in either order`(index: Int) throws {
        let pair = Self.pairs[index]
        let fields = [(name: "X-V", value: "1"), (name: "X-W", value: "2")]
        for routes in [[pair.better, pair.worse], [pair.worse, pair.better]] {
            #expect(try found(plan(routes), pair.request, fields) == pair.better.name, "\(pair.why)")
        }
    }

    @Test func `of equal routes the earlier is found`() throws {
        #expect(
            try found(plan([route("first", ["/a"]), route("second", ["/a"])]), "GET http://x/a") == "first"
        )
    }

    @Test func `a better route that does not accept the request gives way`() throws {
        let plan = try plan([
            route("posts", ["/a/b"]) { $0.methods = ["POST"] }, route("all", ["/a"]), route("root", ["/"]),
        ])
        #expect(try found(plan, "POST http://x/a/b") == "posts")
        #expect(try found(plan, "GET http://x/a/b") == "all")
        #expect(try found(plan, "GET http://x/b") == "root")
        #expect(try found(plan, "get http://x/b") == "root")
    }

    /// P7: methods are compared with case.
    @Test func `P7 a method in lower case is another method`() throws {
        let plan = try plan([route("gets", ["/"]) { $0.methods = ["GET"] }])
        #expect(try found(plan, "GET http://x/") == "gets")
        #expect(try found(plan, "get http://x/") == nil)
    }

    @Test(arguments: [
        ("GET http://a.example/", "exact"), ("GET http://A.EXAMPLE:8000/", "exact"),
        ("GET http://a.example./", "exact"), ("GET http://b.a.example/", "sub"),
        ("GET http://c.b.a.example/", "sub"), ("GET http://shop.com/", "top"),
        ("GET http://shop.co.uk/", "top"), ("GET http://shop./", nil), ("GET http://xa.example/", nil),
        ("GET http://a.example.evil/", nil), ("GET http://myshop.com/", nil),
    ])
    func `P4 hosts match exactly or by wildcard at a dot`(request: String, name: String?) throws {
        let plan = try plan([
            route("exact") { $0.hosts = ["a.example"] }, route("sub") { $0.hosts = ["*.a.example"] },
            route("top") { $0.hosts = ["shop.*"] },
        ])
        #expect(try found(plan, request) == name)
    }

    @Test func `the most special wildcard is not preferred, the longer path is`() throws {
        let plan = try plan([
            route("wide", ["/a/b"]) { $0.hosts = ["*.example"] },
            route("narrow", ["/a"]) { $0.hosts = ["*.a.example"] },
        ])
        #expect(try found(plan, "GET http://x.a.example/a/b") == "wide")
        #expect(try found(plan, "GET http://x.a.example/a") == "narrow")
    }

    @Test func `headers match by any of their values, without case`() throws {
        let plan = try plan([
            route("list") { $0.fields = [FieldDemand(name: "X-Version", values: ["v1", "V2"])] },
            route("pattern") { $0.fields = [FieldDemand(name: "x-kind", values: [], pattern: "^b[0-9]+$")] },
        ])
        #expect(try found(plan, "GET http://x/", [("x-version", "v2")]) == "list")
        #expect(try found(plan, "GET http://x/", [("x-version", "v3")]) == nil)
        #expect(try found(plan, "GET http://x/", [("X-Version", "v3"), ("X-Version", "V1")]) == "list")
        #expect(try found(plan, "GET http://x/", [("x-kind", "B12")]) == "pattern")
        #expect(try found(plan, "GET http://x/", [("x-kind", "b12x")]) == nil)
    }

    /// As in Kong, letters beyond ASCII have no other case.
    @Test func `the case of letters beyond ASCII counts in a header`() throws {
        let plan = try plan([route("e") { $0.fields = [FieldDemand(name: "x-e", values: ["É1a"])] }])
        #expect(try found(plan, "GET http://x/", [("x-e", "É1A")]) == "e")
        #expect(try found(plan, "GET http://x/", [("x-e", "é1A")]) == nil)
    }

    @Test func `a pattern begins where the path begins`() throws {
        let plan = try plan([route("user", ["~/users/\\d+$"])])
        #expect(try found(plan, "GET http://x/users/12") == "user")
        #expect(try found(plan, "GET http://x/users/12/x") == nil)
        #expect(try found(plan, "GET http://x/all/users/12") == nil)
    }

    /// P2: what follows `?` is no part of a path.
    @Test func `P2 a query takes no part in routing`() throws {
        let plan = try plan([route("open", ["~/x/public$"]), route("guarded", ["/"])])
        #expect(try found(plan, "GET http://x/x/public") == "open")
        #expect(try found(plan, "GET http://x/x/secret?/x/public") == "guarded")
        #expect(try found(plan, "GET http://x/?a=/x/public") == "guarded")
    }

    @Test func `a route with names is reached by handshakes that asked for one of them`() throws {
        let plan = try plan([
            route("named", ["/"]) { $0.serverNames = ["one.example", "two.example"] },
            route("open", ["/open"]),
        ])
        func reached(_ path: String, _ client: ClientFacts) throws -> String? {
            try found(plan, "GET http://x\(path)", from: client)
        }
        #expect(try reached("/", client(.https, "one.example")) == "named")
        #expect(try reached("/", client(.https, "two.example")) == "named")
        #expect(try reached("/", client(.https, "x.example")) == nil)
        // One more demand goes before a longer path, as in Kong.
        #expect(try reached("/open", client(.https, "one.example")) == "named")
        #expect(try reached("/open", client(.https, "x.example")) == "open")
        // TLS that a proxy has ended tells no name; no TLS at all asks for none, and gets the way to https.
        #expect(try reached("/", client(.https)) == nil)
        #expect(try reached("/", client(.http)) == "named")
    }

    /// RFC 9110 §15.5.20: 421 sends a client to a connection of the host's own, and only there, where it helps.
    @Test func `a request is misdirected if its host's own name would find a route`() throws {
        let plan = try plan([
            route("one", ["/a"]) { ($0.serverNames, $0.hosts) = (["one.example"], ["one.example"]) },
            route("any", ["/b"]) { $0.serverNames = ["one.example"] },
        ])
        func isMisdirected(_ url: String, _ client: ClientFacts) throws -> Bool {
            #expect(try found(plan, "GET \(url)", from: client) == nil)
            return try plan.router.wouldMatch(try head("GET \(url)"), underOwnNameOf: client)
        }
        #expect(try isMisdirected("https://one.example/a", client(.https, "two.example")))
        #expect(try isMisdirected("https://ONE.example./a/x", client(.https)))
        #expect(try isMisdirected("https://one.example/b", client(.https, "two.example")))
        // No connection helps: no path, no host, or no name that a client of this host would send.
        #expect(try !isMisdirected("https://one.example/c", client(.https, "two.example")))
        #expect(try !isMisdirected("https://two.example/a", client(.https, "one.example")))
        #expect(try !isMisdirected("https://two.example/b", client(.https, "two.example")))
        #expect(try !isMisdirected("https://three.example/b", client(.https, "two.example")))
    }

    @Test func `a host may demand a port, the request's own or its scheme's`() throws {
        let plan = try plan([
            route("any", ["/"]) { $0.hosts = ["a.example"] },
            route("port", ["/"]) { ($0.hosts, $0.hostPorts) = (["a.example"], [0: 8443]) },
            route("https", ["/"]) { ($0.hosts, $0.hostPorts) = (["b.example", "c.example"], [0: 443]) },
            route("wild", ["/"]) { ($0.hosts, $0.hostPorts) = (["*.example", "d.*"], [0: 81, 1: 82]) },
        ])
        func reached(_ url: String, _ client: ClientFacts = nobody) throws -> String? {
            try found(plan, "GET \(url)/x", from: client)
        }
        #expect(try reached("http://a.example") == "any")
        #expect(try reached("http://A.example.:8443") == "port")
        #expect(try reached("http://a.example:84") == "any")
        #expect(try reached("http://b.example") == nil)
        #expect(try reached("http://b.example", client(.https)) == "https")
        #expect(try reached("http://b.example:443") == "https")
        #expect(try reached("http://b.example:80", client(.https)) == nil)
        #expect(try reached("http://c.example:99") == "https")
        #expect(try reached("http://x.example:81") == "wild")
        #expect(try reached("http://x.example:82") == nil)
        #expect(try reached("http://d.test:82") == "wild")
        // An exact host comes first, whatever its port.
        #expect(try reached("http://a.example:81") == "any")
    }

    @Test func `names are found among many routes too`() throws {
        let routes = (0..<40).map { number in
            route("r\(number)", ["/"]) { $0.serverNames = ["n\(number).example"] }
        }
        let plan = try plan(routes + [route("rest", ["/"])])
        for number in [0, 7, 39] {
            let name = "n\(number).example"
            #expect(try found(plan, "GET http://x/", from: client(.https, name)) == "r\(number)")
        }
        #expect(try found(plan, "GET http://x/", from: client(.https, "n40.example")) == "rest")
    }

    @Test func `a pattern that runs away stops the request`() throws {
        let plan = try plan([route("bad", ["~/(a+)+$"]), route("open", ["/"])])
        let head = try head("GET http://x/\(String(repeating: "a", count: 60))!")
        #expect(throws: PatternError.exhausted) { try plan.match(head, from: nobody) }
    }

    @Test func `an ill-formed pattern is an error with the route's place`() {
        let bad = route("bad", ["~/a(b"]) { $0.position = Position(file: "f", line: 3, column: 5) }
        #expect(
            throws: ConfigurationError(
                at: Position(file: "f", line: 3, column: 5),
                "route 'bad': the path pattern '/a(b' is ill-formed at 4: missing closing parenthesis"
            )
        ) {
            try plan([bad])
        }
    }

    @Test func `a route of a service that is switched off is not there`() throws {
        var service = Service(id: "s", host: "up")
        service.isEnabled = false
        #expect(try found(plan([route("a", ["/"])], service: service), "GET http://x/") == nil)
    }

    /// The tree against the plain reading of the rule, over every pair of prefix and path from a small alphabet.
    @Test func `the tree finds what comparing every prefix finds`() throws {
        var prefixes: [String] = ["/"]
        for first in ["a", "ab", "b", "/a"] {
            for second in ["", "a", "b", "/", "/a", "bb"] { prefixes.append("/\(first)\(second)") }
        }
        var octets: [UInt8] = []
        var keys: [PathKey] = []
        for (index, prefix) in prefixes.enumerated() {
            keys.append(
                PathKey(
                    root: 0,
                    start: Int32(octets.count),
                    count: Int32(prefix.utf8.count),
                    needsPattern: false,
                    entry: Int32(index)
                )
            )
            octets.append(contentsOf: prefix.utf8)
        }
        let tree = PathTree(keys, octets: octets, roots: 1)
        for path in prefixes.flatMap({ [$0, $0 + "a", $0 + "/b", $0 + "bba"] }) {
            var hit: Set<Int32> = []
            _ = tree.walk(from: 0, along: Array(path.utf8).span) {
                hit.formUnion(tree.entries[Int(tree.nodes[$0].start)..<Int(tree.nodes[$0].end)])
            }
            let expected = Set(prefixes.indices.filter { path.hasPrefix(prefixes[$0]) }.map { Int32($0) })
            #expect(hit == expected, "\(path)")
        }
    }

    @Test func `many routes are each found`() throws {
        let routes = (0..<2000).map { number in
            route("r\(number)", ["/svc\(number)/"]) { $0.hosts = ["h\(number % 7).example"] }
        }
        let plan = try plan(routes)
        for number in stride(from: 0, to: 2000, by: 37) {
            #expect(try found(plan, "GET http://h\(number % 7).example/svc\(number)/x") == "r\(number)")
            #expect(try found(plan, "GET http://h\((number + 1) % 7).example/svc\(number)/x") == nil)
        }
    }
}
