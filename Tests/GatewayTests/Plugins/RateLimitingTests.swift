// rate-limiting counts by a sliding window and refuses what is over the limit.
import JSON
import Proxy
import Testing

@testable import Gateway

struct RateLimitingTests {
    /// A moment at which a minute begins.
    private static let minute: Double = 1_800_000_000

    private func stage(
        _ settings: JSONValue,
        counters: RateCounters = RateCounters(),
        binding: PluginBinding = PluginBinding(),
        others: [PluginKind] = [],
        consumers: [Consumer] = []
    ) throws -> Stage {
        let kind = RateLimiting.kind(counters)
        let stage = try Stage([(kind, settings)], binding: binding, others: others, consumers: consumers)
        stage.clock.now = Self.minute
        return stage
    }

    @Test func `the limit's last request passes and the next does not`() throws {
        let stage = try self.stage(["minute": 3])
        let left = try (1...3).map { _ -> String? in
            let outcome = try stage.ask()
            #expect(outcome.isForwarded)
            #expect(outcome.answered("x-ratelimit-limit-minute") == "3")
            return outcome.answered("x-ratelimit-remaining-minute")
        }
        #expect(left == ["2", "1", "0"])
        let refused = try stage.ask()
        #expect(refused.answer?.status == 429)
        #expect(try refused.message() == "API rate limit exceeded")
        #expect(refused.trip.passage?.reason == "rate-limited")
        #expect(refused.answered("x-ratelimit-remaining-minute") == "0")
        #expect(refused.answered("ratelimit-limit") == "3")
        #expect(refused.answered("ratelimit-remaining") == "0")
        // 3 · (1 - x/60) + 1 = 3 at x = 20, in the next minute.
        #expect(refused.answer?.field("retry-after") == "80")
        #expect(refused.answered("ratelimit-reset") == "80")
    }

    @Test func `who waits as long as Retry-After says passes, and not a second before`() throws {
        for (limit, burstAt) in [(1, 0.0), (2, 0), (3, 17), (10, 59)] {
            let stage = try self.stage(["minute": .integer(Int64(limit))])
            stage.clock.now = Self.minute + burstAt
            for _ in 1...limit { #expect(try stage.ask().isForwarded) }
            let wait = try #require(Double(try stage.ask().answer?.field("retry-after") ?? ""))
            stage.clock.now = Self.minute + burstAt + wait - 1
            #expect(try !stage.ask().isForwarded, "\(limit) at \(burstAt)")
            stage.clock.now = Self.minute + burstAt + wait
            #expect(try stage.ask().isForwarded, "\(limit) at \(burstAt)")
        }
    }

    @Test func `the last window counts by the share that is still covered`() throws {
        let stage = try self.stage(["minute": 4])
        for _ in 1...4 { #expect(try stage.ask().isForwarded) }
        // A quarter in: three of the four still count.
        stage.clock.now = Self.minute + 75
        #expect(try stage.ask().isForwarded)
        #expect(try !stage.ask().isForwarded)
        // Two windows later nothing does.
        stage.clock.now = Self.minute + 180
        for _ in 1...4 { #expect(try stage.ask().isForwarded) }
        #expect(try !stage.ask().isForwarded)
    }

    @Test func `what one limit refuses counts in no other`() throws {
        let stage = try self.stage(["second": 1, "minute": 3])
        let first = try stage.ask()
        #expect(first.answered("x-ratelimit-remaining-second") == "0")
        #expect(first.answered("ratelimit-limit") == "1")
        for _ in 1...5 { #expect(try !stage.ask().isForwarded) }
        stage.clock.now = Self.minute + 2
        #expect(try stage.ask().answered("x-ratelimit-remaining-minute") == "1")
        stage.clock.now = Self.minute + 4
        #expect(try stage.ask().isForwarded)
        stage.clock.now = Self.minute + 6
        let refused = try stage.ask()
        #expect(refused.answered("x-ratelimit-remaining-minute") == "0")
        #expect(refused.answered("x-ratelimit-remaining-second") == "1")
        #expect(refused.answered("ratelimit-limit") == "3")
    }

    @Test func `status, message and headers are as written`() throws {
        let stage = try self.stage([
            "hour": 1, "error_code": 503, "error_message": "slowly", "hide_client_headers": true,
        ])
        let passed = try stage.ask()
        #expect(passed.answered("x-ratelimit-limit-hour") == nil)
        #expect(passed.answered("ratelimit-limit") == nil)
        let refused = try stage.ask()
        #expect(refused.answer?.status == 503)
        #expect(try refused.message() == "slowly")
        #expect(refused.answer?.field("retry-after") == nil)
        #expect(refused.answered("ratelimit-reset") == nil)
    }

    // MARK: Whose requests

    private static let prove = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
        guard let name = passage.request.string(of: "x-user") else { return .proceed }
        passage.identity = Identity(
            subject: name,
            consumer: passage.plan.consumers.consumer(username: name),
            credentialIdentifier: passage.request.string(of: "x-key"),
            method: "test"
        )
        return .proceed
    }

    private static var people: [Consumer] {
        var ann = Consumer(id: "1", username: "ann")
        ann.consumerGroups = ["gold"]
        var bob = Consumer(id: "2", username: "bob")
        bob.consumerGroups = ["gold"]
        return [ann, bob]
    }

    /// Whether the second of two requests is counted with the first, where one may pass.
    private func areOne(
        _ settings: [String: JSONValue],
        _ one: [(name: String, value: String)],
        _ other: [(name: String, value: String)],
        paths: (String, String) = ("/", "/"),
        peers: (String, String) = ("192.0.2.7", "192.0.2.7")
    ) throws -> Bool {
        let json = JSONValue.object(settings.merging(["minute": 1]) { $1 })
        let stage = try self.stage(json, others: [Self.prove], consumers: Self.people)
        #expect(try stage.ask("GET http://x\(paths.0)", one, peer: peers.0).isForwarded)
        return try !stage.ask("GET http://x\(paths.1)", other, peer: peers.1).isForwarded
    }

    @Test func `a consumer is counted, or the credential, or the address`() throws {
        let ann = [("X-User", "ann")]
        let bob = [("X-User", "bob")]
        func fields(_ pairs: [(String, String)]) -> [(name: String, value: String)] {
            pairs.map { (name: $0.0, value: $0.1) }
        }
        let far = ("192.0.2.7", "192.0.2.8")
        #expect(try self.areOne([:], fields(ann), fields(ann), peers: far))
        #expect(try !self.areOne([:], fields(ann), fields(bob)))
        #expect(try self.areOne([:], fields([("X-User", "eve")]), fields([("X-User", "eve")]), peers: far))
        #expect(try !self.areOne([:], fields([("X-User", "eve")]), fields([("X-User", "eva")])))
        #expect(try self.areOne([:], [], []))
        #expect(try !self.areOne([:], [], [], peers: far))
        let (first, second) = (ann + [("X-Key", "k1")], ann + [("X-Key", "k2")])
        #expect(try !self.areOne(["limit_by": "credential"], fields(first), fields(second)))
        #expect(try self.areOne(["limit_by": "credential"], fields(first), fields(first), peers: far))
        #expect(try self.areOne(["limit_by": "ip"], fields(ann), fields(bob)))
        #expect(try self.areOne(["limit_by": "consumer-group"], fields(ann), fields(bob), peers: far))
        #expect(try self.areOne(["limit_by": "service"], fields(ann), fields(bob), peers: far))
    }

    @Test func `a header or a path is counted where it is there`() throws {
        let header: [String: JSONValue] = ["limit_by": "header", "header_name": "X-Tenant"]
        let far = ("192.0.2.7", "192.0.2.8")
        #expect(try self.areOne(header, [("X-Tenant", "a")], [("X-Tenant", "a")], peers: far))
        #expect(try !self.areOne(header, [("X-Tenant", "a")], [("X-Tenant", "b")]))
        #expect(try !self.areOne(header, [("X-Tenant", "192.0.2.7")], []))
        #expect(
            try !self.areOne(header, [("X-Tenant", "a, b")], [("X-Tenant", "a"), ("X-Tenant", "b")])
        )
        let path: [String: JSONValue] = ["limit_by": "path", "path": "/login"]
        #expect(try self.areOne(path, [], [], paths: ("/login", "/login"), peers: far))
        #expect(try !self.areOne(path, [], [], paths: ("/login", "/other")))
        #expect(try !self.areOne(path, [], [], paths: ("/other", "/other"), peers: far))
    }

    @Test func `one subscriber's network is one client`() throws {
        let peers = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9")
        #expect(try self.areOne(["limit_by": "ip"], [], [], peers: peers))
        let apart = ("2001:db8:1:2::1", "2001:db8:1:3::1")
        #expect(try !self.areOne(["limit_by": "ip"], [], [], peers: apart))
    }

    // MARK: Reloads, explanations

    @Test func `a plan that takes over takes the counts, under another limit too`() throws {
        let counters = RateCounters()
        let first = try self.stage(["minute": 2], counters: counters)
        #expect(try first.ask().isForwarded)
        let second = try self.stage(["minute": 3], counters: counters)
        #expect(try second.ask().answered("x-ratelimit-remaining-minute") == "1")
        #expect(try second.ask().answered("x-ratelimit-remaining-minute") == "0")
        #expect(try !first.ask().isForwarded)
        let anew = try self.stage(["minute": 3, "limit_by": "ip"], counters: counters)
        #expect(try anew.ask().answered("x-ratelimit-remaining-minute") == "2")
    }

    @Test func `an explanation counts nothing`() throws {
        let kind = RateLimiting.kind(RateCounters())
        let plan = try Stage.plan([(kind, ["minute": 1])])
        let written = try WrittenRequest("GET https://x/")
        for _ in 1...3 {
            let explanation = Explainer(plan: plan, now: 60)
                .explain(written.head, client: written.client, claims: nil)
            #expect(explanation.passes)
            let rule = explanation.json["plugins"]?.array?.first?["rules"]?.array?.first
            #expect(rule?["rule"] == "minute: 1")
            #expect(rule?["detail"] == "by consumer; 1 left, and this one is not counted")
        }
    }

    static let wrong: [(JSONValue, String)] = [
        ([:], "rate-limiting needs a limit: one of second, minute, hour, day, month, year"),
        (["policy": "redis", "minute": 1], "policy: 'redis' is known, but not served yet; use local"),
        (["policy": "cluster", "minute": 1], "policy: 'cluster' is known, but not served yet; use local"),
        (
            ["redis": ["host": "r"], "minute": 1],
            "redis: counts in Redis are known, but not served yet; remove it"
        ),
        (["redis_host": "r", "minute": 1], "'redis_host' is known, but not served yet; remove it"),
        (["sync_rate": 1, "minute": 1], "'sync_rate' is known, but not served yet; remove it"),
        (["minute": 0], "minute: expected a number from 1 to 4000000000, found 0"),
        (
            ["second": 5, "hour": 4],
            "hour: 4 in a hour is less than 5 in a second: never reached"
        ),
        (["limit_by": "header", "minute": 1], "header_name: limit_by: header needs the name of a header"),
        (["limit_by": "path", "minute": 1], "path: limit_by: path needs a path such as /login"),
    ]

    @Test(arguments: wrong)
    func `settings that limit nothing or are not served are errors`(_ json: JSONValue, _ message: String) {
        #expect(throws: ConfigurationError(at: .nowhere, message)) { try self.stage(json) }
    }

    @Test func `a dump's defaults change nothing`() throws {
        _ = try self.stage([
            "minute": 1, "redis": ["host": .null, "port": 6379, "ssl": false], "redis_port": 6379,
            "sync_rate": -1, "fault_tolerant": true, "redis_host": .null,
        ])
    }
}
