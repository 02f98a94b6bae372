// Upstreams in a plan: where a service's requests go, and what they are hashed by.
import JSON
import Proxy
import Testing

@testable import Gateway

struct UpstreamPlanTests {
    private static let service = Service(id: "s", name: "s", host: "zones", port: 80)

    private func upstream(_ change: (inout Upstream) -> Void = { _ in }) -> Upstream {
        var upstream = Upstream(
            id: "u",
            name: "zones",
            targets: [UpstreamPlace(host: "a", port: 1), UpstreamPlace(host: "b", port: 2, weight: 7)]
        )
        change(&upstream)
        return upstream
    }

    private func plan(
        _ upstreams: [Upstream],
        _ services: [Service] = [Self.service],
        after previous: Plan? = nil
    ) throws -> Plan {
        var configuration = Configuration()
        configuration.services = services
        configuration.upstreams = upstreams
        configuration.routes = [route("r", ["/"])]
        return try Plan(configuration, kinds: [], after: previous)
    }

    /// The order of a request under a plan.
    private func order(
        _ plan: Plan,
        _ request: String = "GET http://localhost/x",
        _ fields: [(name: String, value: String)] = [],
        peer: String = "192.0.2.7"
    ) throws -> ForwardOrder {
        let trip = try Trip(pipeline(plan), try head(request, fields), peer: peer)
        return try #require(trip.begin().orders.first)
    }

    private func hashed(_ source: HashSource, else fallback: HashSource? = nil) throws -> Plan {
        try self.plan([
            self.upstream {
                $0.rules.algorithm = .consistentHashing
                $0.hashOn = source
                $0.hashFallback = fallback
            }
        ])
    }

    @Test func `a service whose host is an upstream's name goes to its targets`() throws {
        let plan = try self.plan([self.upstream()])
        let group = try #require(try self.order(plan).terms.group)
        #expect(group.targets.map(\.endpoint.description) == ["a:1", "b:2"])
        #expect(group.targets.map(\.weight) == [100, 7])
        #expect(Set(plan.upstreams.map(\.description)) == ["a:1", "b:2"])
        let plain = try self.plan([])
        #expect(try self.order(plain).terms.group == nil)
        #expect(plain.upstreams.map(\.description) == ["zones"])
    }

    @Test func `what has not changed is shared with the plan before`() throws {
        let first = try self.plan([self.upstream()])
        let same = try self.plan([self.upstream()], after: first)
        #expect(same.targetGroups[0] === first.targetGroups[0])
        let other = try self.plan([self.upstream { $0.rules.threshold = 5 }], after: first)
        #expect(other.targetGroups[0] !== first.targetGroups[0])
        #expect(other.targetGroups[0].targets[0].endpoint === first.targetGroups[0].targets[0].endpoint)
    }

    @Test func `an upstream that services of HTTP and of gRPC share is two`() throws {
        var other = Self.service
        (other.id, other.name, other.speaksHTTP2) = ("g", "g", true)
        let plan = try self.plan([self.upstream()], [Self.service, other])
        #expect(Set(plan.targetGroups.map(\.name)) == ["zones", "zones (grpc)"])
        #expect(plan.upstreams.count == 4)
        #expect(try self.plan([self.upstream()], [other]).targetGroups.map(\.name) == ["zones (grpc)"])
    }

    @Test func `an upstream without weight is worth a warning`() throws {
        #expect(try self.plan([self.upstream()]).warnings.isEmpty)
        let warnings = try self.plan([self.upstream { $0.targets = [] }]).warnings
        #expect(
            warnings.map(\.message) == ["upstream 'zones' has no target with a weight: its requests get 503"]
        )
        let weightless = self.upstream { $0.targets = [UpstreamPlace(host: "a", port: 1, weight: 0)] }
        #expect(try self.plan([weightless]).warnings.count == 1)
    }

    @Test func `host_header is sent, but not in place of the client's where that is kept`() throws {
        let upstream = self.upstream { $0.rules.hostHeader = "api.example" }
        let plan = try self.plan([upstream])
        #expect(try self.order(plan).words.host.map { String(decoding: $0, as: UTF8.self) } == "api.example")
        var configuration = Configuration()
        configuration.services = [Self.service]
        configuration.upstreams = [upstream]
        configuration.routes = [route("r", ["/"]) { $0.preservesHost = true }]
        let keeping = try Plan(configuration, kinds: [])
        let order = try self.order(keeping, "GET http://client.example/x")
        #expect(order.words.host.map { String(decoding: $0, as: UTF8.self) } == "client.example")
    }

    // MARK: Hashing

    @Test func `only an upstream that hashes gets a number`() throws {
        let plan = try self.plan([self.upstream { $0.hashOn = .ip }])
        #expect(try self.order(plan).hash == nil)
        #expect(try self.order(try self.hashed(.ip)).hash != nil)
    }

    @Test func `the number is that of what is named, and of nothing else`() throws {
        let name: FieldName = "x-user"
        let plans = [
            try self.hashed(.ip), try self.hashed(.path), try self.hashed(.header(name)),
            try self.hashed(.queryArgument("u")), try self.hashed(.cookie("c", path: "/")),
        ]
        func numbers(
            _ request: String,
            _ user: String,
            _ cookie: String,
            _ peer: String
        ) throws -> [UInt64?] {
            try plans.map {
                try self.order($0, request, [("X-User", user), ("Cookie", "a=b; c=\(cookie)")], peer: peer)
                    .hash
            }
        }
        let base = try numbers("GET http://localhost/x?u=1&z=1", "ann", "1", "192.0.2.1")
        #expect(base.allSatisfy { $0 != nil } && Set(base).count == 4)
        #expect(base[3] == base[4])
        let changed = [
            try numbers("GET http://localhost/x?u=1&z=1", "ann", "1", "192.0.2.2"),
            try numbers("GET http://localhost/y?u=1&z=2", "ann", "1", "192.0.2.1"),
            try numbers("GET http://localhost/x?u=1&z=1", "ben", "1", "192.0.2.1"),
            try numbers("GET http://localhost/x?u=2&z=1", "ann", "1", "192.0.2.1"),
            try numbers("GET http://localhost/x?u=1&z=1", "ann", "2", "192.0.2.1"),
        ]
        for (place, numbers) in changed.enumerated() {
            #expect(numbers.indices.filter { numbers[$0] != base[$0] } == [place])
        }
    }

    @Test func `a group of the path's pattern is hashed, of the pattern that matched`() throws {
        var configuration = Configuration()
        configuration.services = [Self.service]
        configuration.upstreams = [
            self.upstream {
                $0.rules.algorithm = .consistentHashing
                $0.hashOn = .capture("user")
                $0.hashFallback = .ip
            }
        ]
        configuration.routes = [
            route(
                "r",
                ["~/a/(?<user>[a-z]+)", "~/b/(?<other>[a-z]+)/(?<user>[a-z]+)", "~/c(?<user>x)?", "/plain"]
            )
        ]
        let plan = try Plan(configuration, kinds: [])
        func number(_ path: String) throws -> UInt64? {
            try self.order(plan, "GET http://localhost\(path)").hash
        }
        #expect(try number("/a/ann") == StableHash("ann".utf8).number)
        #expect(try number("/a/ann/more?user=ben") == StableHash("ann".utf8).number)
        #expect(try number("/b/ann/ben") == StableHash("ben".utf8).number)
        let address = StableHash("192.0.2.7".utf8).number
        #expect(try number("/c") == address)
        #expect(try number("/plain") == address)
    }

    @Test func `a client is sent where its cookie says`() throws {
        let plan = try self.plan([
            self.upstream {
                $0.rules.algorithm = .stickySessions
                $0.rules.stickyCookie = StickyCookie(name: "zone", path: "/")
            }
        ])
        #expect(try self.order(plan).hash == nil)
        let order = try self.order(plan, "GET http://localhost/x", [("Cookie", "a=1; zone=1z")])
        #expect(order.hash == 71)
        #expect(try self.order(plan, "GET http://localhost/x", [("Cookie", "zone=1Z")]).hash == nil)
    }

    @Test func `the fallback counts where there is nothing, and else nothing`() throws {
        let name: FieldName = "x-user"
        #expect(try self.order(try self.hashed(.header(name))).hash == nil)
        #expect(try self.order(try self.hashed(.queryArgument("u"))).hash == nil)
        #expect(try self.order(try self.hashed(.consumer)).hash == nil)
        let byAddress = try self.order(try self.hashed(.ip)).hash
        #expect(try self.order(try self.hashed(.header(name), else: .ip)).hash == byAddress)
        let given = try self.order(
            try self.hashed(.header(name), else: .ip),
            "GET http://localhost/x",
            [("X-User", "ann")]
        )
        #expect(given.hash != byAddress)
    }

    @Test func `a cookie is set for a client that has none, and is what it is hashed by`() throws {
        let plan = try self.hashed(.cookie("zone", path: "/app"))
        let trip = try Trip(pipeline(plan), try head("GET http://localhost/x"))
        let first = try #require(trip.begin().orders.first)
        let cookie = try #require(trip.exchange.answerEdits.value(of: .setCookie))
        #expect(cookie.hasPrefix("zone=") && cookie.hasSuffix("; Path=/app; HttpOnly; SameSite=Lax"))
        let value = String(cookie.prefix { $0 != ";" })
        #expect(try self.order(plan, "GET http://localhost/x", [("Cookie", value)]).hash == first.hash)
        let known = try Trip(pipeline(plan), try head("GET http://localhost/x", [("Cookie", value)]))
        known.begin()
        #expect(known.exchange.answerEdits.value(of: .setCookie) == nil)
    }

    // MARK: What is said of it

    @Test func `no target is 503 with Kong's words`() throws {
        let trip = try Trip(pipeline(try self.plan([self.upstream()])), try head("GET http://localhost/x"))
        trip.begin()
        let answer = trip.pipeline.failed(trip.exchange, .noTarget)
        #expect(answer.status == 503)
        let body = String(decoding: answer.body, as: UTF8.self)
        #expect(body.contains("failure to get a peer from the ring-balancer"))
        #expect(trip.passage?.reason == "upstream-no-target")
    }
}
