// The compiled router against the plain reading of Kong's rules.
import Pattern
import Proxy
import Testing

@testable import Gateway

/// Kong's traditional router without any index: every entry, in order, one after the other.
private struct PlainRouter {
    private struct Entry {
        let route: Route
        let host: String?
        let port: UInt16?
        let path: String?
        /// The greater is the better, the first difference decides.
        let keys: [Int]
    }

    private let entries: [Entry]

    init(_ routes: [Route]) {
        var entries: [Entry] = []
        for (index, route) in routes.enumerated() {
            for (place, host) in (route.hosts.isEmpty ? [nil] : route.hosts.map(Optional.some)).enumerated() {
                let port = route.hostPorts[place]
                for path in route.paths.isEmpty ? [nil] : route.paths.map(Optional.some) {
                    var keys = Self.keys(route, host, path, index)
                    keys.insert(port == nil ? 0 : 1, at: 7)
                    entries.append(Entry(route: route, host: host, port: port, path: path, keys: keys))
                }
            }
        }
        self.entries = entries.sorted { $1.keys.lexicographicallyPrecedes($0.keys) }
    }

    private static func keys(_ route: Route, _ host: String?, _ path: String?, _ index: Int) -> [Int] {
        let (hosts, fields) = (route.hosts.isEmpty ? 0 : 1, route.fields.isEmpty ? 0 : 1)
        let (paths, methods) = (route.paths.isEmpty ? 0 : 1, route.methods.isEmpty ? 0 : 1)
        let names = route.serverNames.isEmpty ? 0 : 1
        let isExact = host.map { !$0.hasPrefix("*") && !$0.hasSuffix("*") } ?? false
        let isPattern = path?.hasPrefix("~") ?? false
        return [
            hosts + fields + paths + methods + names, hosts, fields, paths, methods, names, isExact ? 1 : 0,
            isPattern ? 1 : 0, route.fields.count, isPattern ? route.regexPriority : 0,
            (path?.utf8.count ?? 0) - (isPattern ? 1 : 0), -index,
        ]
    }

    func find(
        _ head: RequestHead,
        from client: ClientFacts
    ) throws(PatternError) -> (route: String?, bytes: Int)? {
        for entry in self.entries {
            let names = entry.route.serverNames
            guard names.isEmpty || client.scheme == .http || names.contains(client.serverName ?? "") else {
                continue
            }
            let port = head.port ?? (client.scheme == .https ? 443 : 80)
            guard entry.port == nil || entry.port == port else { continue }
            guard Self.fits(entry.host, head.hostText), try Self.meets(entry.route, head) else { continue }
            if let bytes = try Self.taken(entry.path, head.pathText) { return (entry.route.name, bytes) }
        }
        return nil
    }

    private static func fits(_ demand: String?, _ host: String) -> Bool {
        guard let demand else { return true }
        if demand.hasPrefix("*") {
            return host.hasSuffix(demand.dropFirst()) && host.count >= demand.count
        }
        if demand.hasSuffix("*") {
            return host.hasPrefix(demand.dropLast()) && host.count >= demand.count
        }
        return host == demand
    }

    private static func meets(_ route: Route, _ head: RequestHead) throws(PatternError) -> Bool {
        guard route.methods.isEmpty || route.methods.contains(head.methodText) else { return false }
        for field in route.fields {
            guard let name = FieldName(field.name) else { return false }
            var isMet = false
            for value in head.fields.strings(of: name) {
                if let pattern = field.pattern {
                    var budget = PatternBudget()
                    let octets = Array(value.utf8)
                    isMet =
                        try Pattern(pattern, case: .insensitive).matches(octets.span, budget: &budget)
                        || isMet
                } else {
                    isMet = field.values.contains(value.lowercased()) || isMet
                }
            }
            guard isMet else { return false }
        }
        return true
    }

    private static func taken(_ demand: String?, _ path: String) throws(PatternError) -> Int? {
        guard let demand else { return 0 }
        guard demand.hasPrefix("~") else { return path.hasPrefix(demand) ? demand.utf8.count : nil }
        var budget = PatternBudget()
        let octets = Array(path.utf8)
        return try Pattern(String(demand.dropFirst()))
            .firstMatch(in: octets.span, start: .anchored, budget: &budget)?.upperBound
    }
}

/// Random routes and requests from few words, so that they meet often.
private struct Dice {
    private var random: SplitMix

    private static let hosts = [
        "a.example", "b.a.example", "*.a.example", "*.example", "a.*", "b.a.*", "example", "*.b.a.example",
    ]
    private static let paths = [
        "/", "/a", "/a/", "/a/b", "/ab", "/a/b/c", "/b", "~/a/b$", "~/a/[bc]+", "~/(a|b)/b", "~/a|/b",
        "~^/a/\\w+",
        "~/a/b?/c", "~/[ab]+", "~/a/.*c$", "~/b(?=/c)", "~/a\\.b", "~/A", "~/a/(?i)B",
    ]
    private static let names = ["a.example", "b.a.example", "a"]
    private static let methods = ["GET", "POST", "PURGE", "DELETE", "LOCK"]

    init(seed: UInt64) { self.random = SplitMix(state: seed) }

    mutating func some(_ words: [String], _ most: Int) -> [String] {
        Array(Set((0..<Int.random(in: 0...most, using: &self.random)).compactMap { _ in self.one(words) }))
            .sorted()
    }

    mutating func one(_ words: [String]) -> String { words.randomElement(using: &self.random) ?? "" }

    mutating func route(_ number: Int) -> Route {
        var route = Route(id: "r\(number)", name: "r\(number)", service: "s")
        route.hosts = self.some(Self.hosts, 2)
        for index in route.hosts.indices where Int.random(in: 0...2, using: &self.random) == 0 {
            route.hostPorts[index] = [80, 443, 8443].randomElement(using: &self.random)
        }
        route.paths = self.some(Self.paths, 2)
        route.methods = self.some(Self.methods, 2)
        if Int.random(in: 0...3, using: &self.random) == 0 { route.serverNames = self.some(Self.names, 2) }
        route.regexPriority = Int.random(in: 0...2, using: &self.random)
        for name in self.some(["x-a", "x-b"], 2) where Bool.random(using: &self.random) {
            let isPattern = Int.random(in: 0...3, using: &self.random) == 0
            route.fields.append(
                FieldDemand(
                    name: name,
                    values: isPattern ? [] : self.some(["1", "2", "V3"], 2) + ["4"],
                    pattern: isPattern ? self.one(["^[12]$", "v", "3|4"]) : nil
                )
            )
        }
        return route
    }

    mutating func client() -> ClientFacts {
        guard Int.random(in: 0...3, using: &self.random) > 0 else { return nobody }
        return GatewayTests.client(.https, Bool.random(using: &self.random) ? self.one(Self.names) : nil)
    }

    mutating func head() throws -> RequestHead {
        let host = self.one([
            "a.example", "b.a.example", "c.b.a.example", "x.example", "a.com", "b.a.com", "example", "a",
            "a.example:8443", "b.a.example:443", "a.com:8443", "a.example:80", "example:99",
        ])
        let path = self.one([
            "/", "/a", "/a/b", "/a/b/c", "/ab", "/b", "/b/b", "/b/c", "/a/c", "/a.b", "/A/B", "/c",
        ])
        var fields: [(name: String, value: String)] = []
        for name in ["X-A", "x-b", "X-A"] where Bool.random(using: &self.random) {
            fields.append((name, self.one(["1", "2", "v3", "4", "5"])))
        }
        return try GatewayTests.head("\(self.one(Self.methods)) http://\(host)\(path)", fields)
    }
}

/// A generator that gives the same numbers in every run.
private struct SplitMix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = self.state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

struct RouterOrderTests {
    @Test(arguments: 0..<24)
    func `the compiled router finds what trying every entry in order finds`(seed: UInt64) throws {
        var dice = Dice(seed: seed)
        // Few routes, many routes, and places that are crowds.
        let routes = (0..<[3, 12, 60, 400][Int(seed % 4)]).map { dice.route($0) }
        let (plain, plan) = (PlainRouter(routes), try plan(routes))
        var hits = 0
        for _ in 0..<150 {
            let (head, client) = (try dice.head(), dice.client())
            let expected = try plain.find(head, from: client)
            let got = try plan.match(head, from: client)
            #expect(
                got?.planned.route.name == expected?.route,
                "\(head.methodText) \(head.hostText)\(head.pathText)"
            )
            #expect(got?.matchedPathBytes == expected?.bytes)
            hits += expected == nil ? 0 : 1
        }
        #expect(hits > 0)
    }

    /// Routes with one path and host, told apart by method and fields alone.
    @Test(arguments: 0..<8)
    func `a crowd finds what trying every member in order finds`(seed: UInt64) throws {
        var dice = Dice(seed: seed)
        let routes = (0..<80).map { number in
            var route = dice.route(number)
            (route.hosts, route.paths) = ([], ["/a"])
            return route
        }
        let (plain, plan) = (PlainRouter(routes), try plan(routes))
        for _ in 0..<300 {
            let (head, client) = (try dice.head(), dice.client())
            let got = try plan.match(head, from: client)?.planned.route.name
            #expect(got == (try plain.find(head, from: client)?.route))
        }
    }
}
