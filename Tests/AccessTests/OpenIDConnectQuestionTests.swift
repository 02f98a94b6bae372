// Tokens that their issuer is asked about: taken, refused with their reason, kept for as long as may be.
import Fetch
import JSON
import Proxy
import Testing

@testable import Access
@testable import Gateway

struct OpenIDConnectQuestionTests {
    private static let introspection: [String: JSONValue] = ["auth_methods": ["introspection"]]
    private static let opaque = [("authorization", "Bearer opaque-1")]
    private static let line = "GET https://app.example/"

    /// What the issuer says of a good token, changed by `changes`; null removes a member.
    private func information(_ stage: AccessStage, _ changes: [String: JSONValue] = [:]) -> JSONValue {
        let usual: [String: JSONValue] = [
            "active": true, "iss": .string(stage.issuer.url), "sub": "alice", "aud": "app",
            "client_id": "app", "exp": .number(stage.clock.now + 300), "scope": "read",
        ]
        return .object(usual.merging(changes) { _, new in new }.filter { !$0.value.isNull })
    }

    private func stage(
        _ config: [String: JSONValue] = [:],
        consumers: [Consumer] = [],
        answer: [String: JSONValue] = [:]
    ) throws -> AccessStage {
        let stage = try AccessStage(
            Self.introspection.merging(config) { _, new in new },
            consumers: consumers
        )
        stage.issuer.answer("/introspect", information(stage, answer))
        return stage
    }

    private func metric(_ stage: AccessStage, _ outcome: String, _ method: String = "introspection") -> Double
    {
        let key = MetricKey(
            "gatehouse_token_questions_total",
            ["method": method, "outcome": outcome]
        )
        return stage.worker.metrics.snapshot(stage.plan).value(key) ?? 0
    }

    @Test func `an opaque token passes by its issuer's word, and its claims go upstream`() async throws {
        let stage = try stage([
            "upstream_headers_claims": ["sub"], "upstream_headers_names": ["X-User"],
            "upstream_introspection_header": "X-Introspection", "scopes_required": ["read"],
        ])
        let outcome = try await stage.ask(Self.line, Self.opaque)
        #expect(outcome.passes)
        #expect(outcome.passage.identity?.subject == "alice")
        #expect(outcome.passage.identity?.method == "introspection")
        #expect(outcome.upstream("x-user") == "alice")
        #expect(outcome.upstream("x-introspection")?.hasPrefix("ey") == true)
        #expect(outcome.upstream(.authorization) == "Bearer opaque-1")
        #expect(stage.issuer.form("/introspect")?.single("token") == "opaque-1")
        #expect(stage.issuer.form("/introspect")?.single("token_type_hint") == "access_token")
    }

    @Test(
        arguments: [
            (["active": false], "inactive-token"), (["iss": "https://evil.example"], "wrong-issuer"),
            (["aud": "other"], "wrong-audience"), (["aud": .null, "client_id": "other"], "wrong-audience"),
            (["aud": .null, "client_id": .null], "missing-claim"), (["exp": 1], "expired"),
            (["nbf": 4_000_000_000], "not-yet-valid"), (["token_type": "refresh_token"], "wrong-type"),
            (["cnf": ["jkt": "x"]], "proof-required"), (["cnf": ["x5t#S256": "x"]], "proof-required"),
            (["cnf": "x"], "proof-required"), (["sub": 1], "malformed-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `a token that its issuer speaks ill of is 401 with its reason`(
        _ changes: [String: JSONValue],
        _ reason: String
    ) async throws {
        let stage = try stage(answer: changes)
        let outcome = try await stage.ask(Self.line, Self.opaque)
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.reason == reason)
        #expect(outcome.refusal?.cause.challenges == ["Bearer realm=\"id.example\", error=\"invalid_token\""])
    }

    @Test func `a bound token passes only where the route waives the proof of that kind`() async throws {
        let waived = try stage(["proof_of_possession_dpop": "off"], answer: ["cnf": ["jkt": "x"]])
        #expect(try await waived.ask(Self.line, Self.opaque).passes)
        let other = try stage(["proof_of_possession_dpop": "off"], answer: ["cnf": ["x5t#S256": "x"]])
        #expect(try await other.ask(Self.line, Self.opaque).reason == "proof-required")
    }

    @Test func `the rules of the route are judged on the answer, and it names a consumer`() async throws {
        let consumer = Consumer(id: "c-1", username: "alice")
        let stage = try stage(
            ["scopes_required": ["write"], "consumer_claims": [["sub"]]],
            consumers: [consumer]
        )
        let narrow = try await stage.ask(Self.line, Self.opaque)
        #expect(narrow.reason == "insufficient-scope")
        #expect(narrow.refusal?.status == 403)
        stage.issuer.answer("/introspect", information(stage, ["scope": "read write"]))
        let wide = try await stage.ask(Self.line, [("authorization", "Bearer opaque-2")])
        #expect(wide.passes)
        #expect(wide.passage.identity?.consumer?.username == "alice")
        stage.issuer.answer("/introspect", information(stage, ["scope": "write", "sub": "bob"]))
        let nobody = try await stage.ask(Self.line, [("authorization", "Bearer opaque-3")])
        #expect(nobody.reason == "consumer-not-found")
        let audience = try self.stage(["audience_required": ["api"]])
        #expect(try await audience.ask(Self.line, Self.opaque).reason == "wrong-audience")
        #expect(try await audience.ask(Self.line, Self.opaque).refusal?.status == 403)
    }

    // MARK: What is kept

    @Test func `an answer is kept for a minute, and then a revoked token is refused`() async throws {
        let stage = try stage()
        for _ in 0..<3 { #expect(try await stage.ask(Self.line, Self.opaque).passes) }
        #expect(stage.issuer.count("/introspect") == 1)
        stage.issuer.answer("/introspect", ["active": false])
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: 1)
        #expect(try await stage.ask(Self.line, Self.opaque).reason == "inactive-token")
        #expect(stage.issuer.count("/introspect") == 2)
    }

    @Test func `another worker asks nobody anew, and keeps the answer no longer`() async throws {
        let stage = try stage()
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: 50)
        var other = stage
        other.worker = Worker(index: 1)
        #expect(try await other.ask(Self.line, Self.opaque).passes)
        #expect(metric(other, "kept") == 1)
        #expect(stage.issuer.count("/introspect") == 1)
        stage.issuer.answer("/introspect", ["active": false])
        stage.clock.advance(by: 10)
        #expect(try await other.ask(Self.line, Self.opaque).reason == "inactive-token")
    }

    @Test(
        arguments: [
            (["cache_ttl": 5], 4.0, 1.0), (["cache_ttl": 300], 299, 1), (["cache_ttl_max": 7], 6, 1),
            (["cache_ttl_min": 90], 89, 1), (["cache_ttl": 300, "cache_ttl_max": 8], 7, 1),
        ] as [([String: JSONValue], Double, Double)]
    )
    func `how long is what the configuration says`(
        _ config: [String: JSONValue],
        _ within: Double,
        _ beyond: Double
    ) async throws {
        let stage = try stage(config, answer: ["exp": .null])
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: within)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        #expect(stage.issuer.count("/introspect") == 1)
        stage.clock.advance(by: beyond)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        #expect(stage.issuer.count("/introspect") == 2)
    }

    @Test func `no answer outlives exp, whatever the configuration says`() async throws {
        let stage = try stage(["cache_ttl": 3600, "cache_ttl_min": 3600])
        stage.issuer.answer("/introspect", information(stage, ["exp": .number(stage.clock.now + 20)]))
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: 19)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: 1)
        #expect(try await stage.ask(Self.line, Self.opaque).reason == "expired")
    }

    @Test func `a refusal is kept for ten seconds`() async throws {
        let stage = try stage(answer: ["active": false])
        for _ in 0..<5 { #expect(try await stage.ask(Self.line, Self.opaque).reason == "inactive-token") }
        #expect(stage.issuer.count("/introspect") == 1)
        #expect(metric(stage, "refused") == 1)
        #expect(metric(stage, "kept-refusal") == 4)
        stage.issuer.answer("/introspect", information(stage))
        stage.clock.advance(by: 9)
        #expect(try await stage.ask(Self.line, Self.opaque).reason == "inactive-token")
        stage.clock.advance(by: 1)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
    }

    @Test func `with the cache off every request asks`() async throws {
        let stage = try stage(["cache_introspection": false])
        for _ in 0..<3 { #expect(try await stage.ask(Self.line, Self.opaque).passes) }
        #expect(stage.issuer.count("/introspect") == 3)
        stage.issuer.answer("/introspect", ["active": false])
        #expect(try await stage.ask(Self.line, Self.opaque).reason == "inactive-token")
    }

    // H4
    @Test func `what goes along with a question tells answers apart`() async throws {
        let stage = try stage([
            "introspection_headers_client": ["x-tenant"], "introspection_post_args_client": ["realm"],
            "introspection_post_args_client_headers": ["x-zone"],
            "introspection_headers_names": ["x-from"], "introspection_headers_values": ["us"],
            "introspection_post_args_names": ["resource"], "introspection_post_args_values": ["r"],
        ])
        let path = "GET https://app.example/?realm=r1"
        for tenant in ["a", "b", "a"] {
            let fields = Self.opaque + [("x-tenant", tenant), ("x-zone", "z")]
            #expect(try await stage.ask(path, fields).passes)
        }
        #expect(stage.issuer.count("/introspect") == 2)
        #expect(stage.issuer.field("/introspect", "x-tenant") == "b")
        #expect(stage.issuer.field("/introspect", "x-from") == "us")
        #expect(stage.issuer.form("/introspect")?.single("realm") == "r1")
        #expect(stage.issuer.form("/introspect")?.single("x-zone") == "z")
        #expect(stage.issuer.form("/introspect")?.single("resource") == "r")
        let bare = Self.opaque + [("x-tenant", "a"), ("x-zone", "z")]
        #expect(try await stage.ask(Self.line, bare).passes)
        #expect(stage.issuer.count("/introspect") == 3)
    }

    @Test func `a thousand made-up tokens drive no good one out`() async throws {
        let stage = try stage(answer: ["active": false])
        let issuer = stage.issuer
        let good = information(stage)
        issuer.script("/introspect") { request throws(FetchError) in
            let form = QueryArguments(request.body)
            let isGood = form?.single("token") == "good"
            return FetchResponse(status: 200, body: (isGood ? good : ["active": false]).serialized())
        }
        let token = [("authorization", "Bearer good")]
        #expect(try await stage.ask(Self.line, token).passes)
        for number in 0..<1000 {
            let outcome = try await stage.ask(Self.line, [("authorization", "Bearer bad\(number)")])
            #expect(outcome.reason == "inactive-token")
        }
        #expect(try await stage.ask(Self.line, token).passes)
        #expect(issuer.count("/introspect") == 1001)
    }

    // MARK: When the issuer does not answer

    @Test func `an issuer that is down is 503 and lets nobody in, and what it said before stands`()
        async throws
    {
        let stage = try stage()
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.issuer.goDown()
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        let other = [("authorization", "Bearer opaque-2")]
        for _ in 0..<5 {
            let outcome = try await stage.ask(Self.line, other)
            #expect(outcome.refusal?.status == 503)
            #expect(outcome.reason == "issuer-unreachable")
        }
        // After five in a row it is left alone for a moment.
        let asked = stage.issuer.count("/introspect")
        #expect(try await stage.ask(Self.line, other).refusal?.status == 503)
        #expect(stage.issuer.count("/introspect") == asked)
        #expect(metric(stage, "unavailable") == 6)
        stage.clock.advance(by: 60)
        #expect(try await stage.ask(Self.line, Self.opaque).refusal?.status == 503)
        stage.issuer.goDown(false)
        stage.clock.advance(by: 6)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
    }

    @Test(arguments: [
        (401, "introspection-refused"), (403, "introspection-refused"), (500, "issuer-failed"),
        (200, "issuer-answer-malformed"),
    ])
    func `an answer that is none is 503, for the token was not judged`(
        status: Int,
        reason: String
    ) async throws {
        let stage = try stage()
        stage.issuer.answer("/introspect", ["active": "true"], status: status)
        let outcome = try await stage.ask(Self.line, Self.opaque)
        #expect(outcome.refusal?.status == 503)
        #expect(outcome.reason == reason)
    }

    // MARK: JWTs

    @Test func `where bearer is open too, keys prove a JWT and nobody is asked`() async throws {
        let stage = try stage(["auth_methods": ["bearer", "introspection"]])
        #expect(try await stage.ask(Self.line, try stage.bearer()).passes)
        #expect(stage.issuer.count("/introspect") == 0)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        #expect(stage.issuer.count("/introspect") == 1)
        let bad = try await stage.ask(Self.line, try stage.bearer(["exp": 1]))
        #expect(bad.reason == "expired")
        #expect(stage.issuer.count("/introspect") == 1)
    }

    @Test func `a JWT may have to pass both, and the first that refuses decides`() async throws {
        let stage = try stage([
            "auth_methods": ["bearer", "introspection"], "introspect_jwt_tokens": true,
            "scopes_required": ["write"],
        ])
        stage.issuer.answer("/introspect", information(stage, ["scope": "write"]))
        let fields = try stage.bearer()
        for _ in 0..<3 {
            let outcome = try await stage.ask(Self.line, fields)
            // Introspection's scope decides before the token's own.
            #expect(outcome.passes)
            #expect(outcome.passage.identity?.method == "introspection")
        }
        #expect(stage.issuer.count("/introspect") == 1)
        #expect(try await stage.ask(Self.line, try stage.bearer(["exp": 1])).reason == "expired")
        let stranger = try SigningKey(kid: "one")
        #expect(try await stage.ask(Self.line, try stage.bearer(by: stranger)).reason == "bad-signature")
        #expect(stage.issuer.count("/introspect") == 1)
        stage.issuer.answer("/introspect", ["active": false])
        #expect(try await stage.ask(Self.line, try stage.bearer(["jti": "2"])).reason == "inactive-token")
        stage.issuer.answer("/introspect", information(stage, ["sub": "bob"]))
        #expect(try await stage.ask(Self.line, try stage.bearer(["jti": "3"])).reason == "subject-mismatch")
        stage.issuer.answer("/introspect", information(stage, ["sub": .null, "scope": "write"]))
        let last = try await stage.ask(Self.line, try stage.bearer(["jti": "4"]))
        #expect(last.passes)
        #expect(last.passage.identity?.subject == "alice")
    }

    @Test func `where introspection alone is open, JWTs are asked about like all others`() async throws {
        let stage = try stage()
        #expect(try await stage.ask(Self.line, try stage.bearer()).passes)
        #expect(stage.issuer.count("/introspect") == 1)
    }

    @Test func `introspection is open by default where its endpoint is written`() async throws {
        let stage = try stage(["auth_methods": .null, "introspection_endpoint": "https://id.example/own"])
        stage.issuer.answer("/own", information(stage))
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        #expect(stage.issuer.count("/own") == 1)
        let closed = try AccessStage()
        #expect(try await closed.ask(Self.line, Self.opaque).reason == "malformed")
    }

    // MARK: What is no token

    @Test(arguments: ["a b", "a,b", "=", "a=b", "ä", "a\"b"])
    func `what cannot be a token is refused without asking`(_ token: String) async throws {
        let stage = try stage()
        let outcome = try await stage.ask(Self.line, [("authorization", "Bearer \(token)")])
        #expect(outcome.reason == "malformed")
        #expect(stage.issuer.count("/introspect") == 0)
    }

    @Test func `a token has its greatest length`() async throws {
        let stage = try stage()
        let fits = String(repeating: "a", count: 16 << 10)
        #expect(try await stage.ask(Self.line, [("authorization", "Bearer \(fits)")]).passes)
        #expect(try await stage.ask(Self.line, [("authorization", "Bearer \(fits)a")]).reason == "too-large")
        #expect(stage.issuer.count("/introspect") == 1)
    }

    @Test func `an explanation asks nobody`() async throws {
        let stage = try stage()
        let request = try WrittenRequest(Self.line, fields: Self.opaque.map { (name: $0.0, value: $0.1) })
        let peer = try #require(IPAddress("192.0.2.7"))
        let passage = Passage(
            explaining: request.head,
            client: ClientFacts(peer: peer, isTrustedPeer: false, scheme: .https, port: 443),
            plan: stage.plan,
            worker: stage.worker,
            now: stage.clock.now
        )
        let plugin = try #require(stage.plan.plugins.first?.plugin as? OpenIDConnect)
        do throws(Refusal) {
            _ = try plugin.request(passage)
            Issue.record("passed")
        } catch {
            #expect(error.reason == "needs-issuer")
        }
        #expect(stage.issuer.count("/introspect") == 0)
    }
}
