// Bearer tokens: taken, refused with their reason, and remembered.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectBearerTests {
    @Test func `without a credential an API gets 401 and a challenge without an error`() async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask("GET https://app.example/")
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.reason == "no-credential")
        #expect(outcome.refusal?.cause.challenges == ["Bearer realm=\"id.example\""])
        #expect(outcome.refusal?.message == "Unauthorized")
    }

    @Test func `a good token passes, and the upstream gets it`() async throws {
        let stage = try AccessStage([
            "upstream_headers_claims": ["sub"], "upstream_headers_names": ["X-User"],
        ])
        let fields = try stage.bearer()
        let outcome = try await stage.ask("GET https://app.example/", fields)
        #expect(outcome.passes)
        #expect(outcome.passage.identity?.subject == "alice")
        #expect(outcome.passage.identity?.method == "bearer")
        #expect(outcome.upstream("x-user") == "alice")
        #expect(outcome.upstream(.authorization) == fields[0].1)
    }

    @Test(arguments: ["Bearer   ", "bEARER "])
    func `a scheme has any case and any number of spaces behind it`(scheme: String) async throws {
        let stage = try AccessStage()
        let token = try stage.bearer()[0].1.dropFirst("Bearer ".count)
        let fields = [("authorization", scheme + token)]
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
    }

    @Test func `a token is proven once, and then remembered until it ends`() async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer()
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
        let memory = stage.services.proven(stage.worker)
        #expect(memory.hits.value == 0)
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
        #expect(memory.hits.value == 1)
        stage.clock.advance(by: 299.9)
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
        stage.clock.advance(by: 0.2)
        #expect(try await stage.ask("GET https://app.example/", fields).reason == "expired")
        #expect(stage.issuer.count("/jwks") == 1)
    }

    // H4: what a stranger wrote is kept nowhere.
    @Test func `a header is read once for all proven tokens that have it, and none of a forged one is kept`()
        async throws
    {
        let stage = try AccessStage()
        let headers = stage.services.headers(stage.worker)
        let forged = try stage.bearer()[0].1.dropLast(8) + "AAAAAAAA"
        let outcome = try await stage.ask("GET https://app.example/", [("authorization", String(forged))])
        #expect(outcome.reason == "bad-signature")
        #expect(headers.count == 0)
        for subject in ["alice", "bob", "carol"] {
            let fields = try stage.bearer(["sub": .string(subject)])
            #expect(try await stage.ask("GET https://app.example/", fields).passes)
            #expect(headers.count == 1)
        }
        #expect(headers.hits.value == 2)
        // A header that is known is judged as it was: with another's payload it proves nothing.
        let parts = try stage.bearer()[0].1.split(separator: ".")
        let other = try stage.bearer(["sub": "mallory"])[0].1.split(separator: ".")
        let mixed = [parts[0], other[1], parts[2]].joined(separator: ".")
        let refused = try await stage.ask("GET https://app.example/", [("authorization", mixed)])
        #expect(refused.reason == "bad-signature")
    }

    // J10, D6
    @Test func `a key that was taken back proves nothing any more`() async throws {
        let stage = try AccessStage()
        let old = try stage.bearer(["exp": .number(stage.clock.now + 90_000)])
        #expect(try await stage.ask("GET https://app.example/", old).passes)
        let next = try SigningKey(kid: "two")
        try stage.issuer.publish([next])
        stage.clock.advance(by: 31)
        #expect(try await stage.ask("GET https://app.example/", try stage.bearer(by: next)).passes)
        #expect(try await stage.ask("GET https://app.example/", old).reason == "unknown-key")
    }

    // J10
    @Test func `unknown keys are asked for once in thirty seconds`() async throws {
        let stage = try AccessStage()
        #expect(try await stage.ask("GET https://app.example/", try stage.bearer()).passes)
        stage.clock.advance(by: 31)
        for number in 0..<50 {
            let stranger = try SigningKey(kid: "stranger \(number)")
            let outcome = try await stage.ask("GET https://app.example/", try stage.bearer(by: stranger))
            #expect(outcome.reason == "unknown-key")
        }
        #expect(stage.issuer.count("/jwks") == 2)
    }

    @Test(
        arguments: [
            (["aud": "other"], "wrong-audience"), (["aud": .null], "missing-claim"),
            (["iss": "https://evil.example"], "wrong-issuer"),
            (["exp": 1], "expired"), (["exp": .null], "missing-claim"),
            (["nbf": 4_000_000_000], "not-yet-valid"),
            (["iat": 4_000_000_000], "issued-in-future"), (["at_hash": "x"], "wrong-type"),
            (["typ": "ID"], "wrong-type"),
            (["nonce": "n", "scope": .null], "wrong-type"), (["cnf": ["jkt": "x"]], "proof-required"),
        ] as [([String: JSONValue], String)]
    )
    func `a token that breaks a rule is refused with its reason`(
        _ changes: [String: JSONValue],
        _ reason: String
    )
        async throws
    {
        let stage = try AccessStage()
        #expect(try await stage.ask("GET https://app.example/", try stage.bearer()).passes)
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer(changes))
        #expect(outcome.reason == reason)
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.refusal?.cause.challenges == ["Bearer realm=\"id.example\", error=\"invalid_token\""])
    }

    @Test(arguments: ["x", "a.b.c", "a.b", "..", "a.b.c.d"]) func `garbage is no token`(
        _ token: String
    ) async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(token)")])
        #expect(outcome.reason == "malformed")
    }

    @Test func `a bound token passes only where the route waives the proof of that kind`() async throws {
        let dpop: [String: JSONValue] = ["cnf": ["jkt": "x"]]
        let waived = try AccessStage(["proof_of_possession_dpop": "off"])
        #expect(try await waived.ask("GET https://app.example/", try waived.bearer(dpop)).passes)
        let mtls: [String: JSONValue] = ["cnf": ["x5t#S256": "x"]]
        #expect(
            try await waived.ask("GET https://app.example/", try waived.bearer(mtls)).reason
                == "proof-required"
        )
        let unknown: [String: JSONValue] = ["cnf": ["kid": "x"]]
        #expect(
            try await waived.ask("GET https://app.example/", try waived.bearer(unknown)).reason
                == "proof-required"
        )
    }

    @Test func `claims decide, and what is missing is 403 with its own word`() async throws {
        let stage = try AccessStage([
            "scopes_required": ["read write"], "roles_required": ["admin"],
            "roles_claim": ["realm_access", "roles"],
        ])
        let narrow = try await stage.ask("GET https://app.example/", try stage.bearer())
        #expect(narrow.refusal?.status == 403)
        #expect(narrow.reason == "insufficient-scope")
        #expect(narrow.refusal?.message == "Forbidden")
        #expect(
            narrow.refusal?.cause.challenges
                == ["Bearer realm=\"id.example\", error=\"insufficient_scope\", scope=\"read write\""]
        )
        let noRole = try await stage.ask(
            "GET https://app.example/",
            try stage.bearer(["scope": "write read"])
        )
        #expect(noRole.reason == "missing-role")
        let good = try stage.bearer(["scope": "write read", "realm_access": ["roles": ["admin"]]])
        #expect(try await stage.ask("GET https://app.example/", good).passes)
    }

    @Test func `audience_required replaces the client as audience, and is 403`() async throws {
        let stage = try AccessStage(["audience_required": ["api"]])
        #expect(
            try await stage.ask("GET https://app.example/", try stage.bearer(["aud": ["x", "api"]])).passes
        )
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer())
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "wrong-audience")
    }

    // H4
    @Test func `a token that one instance took says nothing to another`() async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer()
        #expect(try await stage.ask("GET https://app.example/", fields).passes)
        let settings = try Settings(
            .object(AccessStage.usual.merging(["groups_required": ["admin"]]) { $1 }),
            schema: OpenIDConnectFields.all
        )
        let strict = try OpenIDConnect(settings, PluginScope(key: "other"), stage.services)
        let passage = Passage(
            explaining: try WrittenRequest(
                "GET https://app.example/",
                fields: [(name: "authorization", value: fields[0].1)]
            ).head,
            client: try WrittenRequest("GET https://app.example/").client,
            plan: stage.plan,
            worker: stage.worker,
            now: stage.clock.now,
            door: .proxy
        )
        do throws(Refusal) {
            _ = try strict.request(passage)
            Issue.record("another instance's proof must not count")
        } catch {
            #expect(error.reason == "missing-group")
        }
    }

    // H3
    @Test func `a claim with a line end never becomes a field`() async throws {
        let stage = try AccessStage([
            "upstream_headers_claims": ["name"], "upstream_headers_names": ["x-name"],
        ])
        let outcome = try await stage.ask(
            "GET https://app.example/",
            try stage.bearer(["name": "a\r\nx-admin: 1"])
        )
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "unsendable-claim")
    }

    // P5
    @Test func `two credentials are one too many`() async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer()
        let outcome = try await stage.ask("GET https://app.example/", fields + fields)
        #expect(outcome.refusal?.status == 400)
        #expect(outcome.reason == "repeated-credential")
    }

    // H6
    @Test func `the credential is kept from the upstream where no token is sent on`() async throws {
        let stage = try AccessStage(["upstream_access_token_header": ""])
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer())
        #expect(outcome.passes)
        #expect(outcome.upstream(.authorization) == nil)
        #expect(!outcome.passage.upstream.isEmpty)
    }

    @Test func `a consumer is found by claim, or missed with 403`() async throws {
        let alice = Consumer(id: "1", username: "alice")
        let stage = try AccessStage(["consumer_claims": [["sub"]]], consumers: [alice])
        #expect(
            try await stage.ask("GET https://app.example/", try stage.bearer()).passage.identity?.consumer
                == alice
        )
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer(["sub": "bob"]))
        #expect(outcome.reason == "consumer-not-found")
        let optional = try AccessStage(
            ["consumer_claims": [["sub"]], "consumer_optional": true],
            consumers: [alice]
        )
        #expect(
            try await optional.ask("GET https://app.example/", try optional.bearer(["sub": "bob"])).passes
        )
    }

    @Test func `the anonymous consumer stands in for nobody`() async throws {
        let guest = Consumer(id: "9", username: "guest")
        let stage = try AccessStage(["anonymous": "guest"], consumers: [guest])
        let outcome = try await stage.ask("GET https://app.example/", [("authorization", "Bearer x.y.z")])
        #expect(outcome.passes)
        #expect(outcome.passage.identity?.isAnonymous == true)
        #expect(outcome.passage.identity?.consumer == guest)
        #expect(outcome.upstream(.authorization) == nil)
    }

    @Test func `while no key of the issuer can be had the answer is 503, and known tokens go on`()
        async throws
    {
        let stage = try AccessStage()
        let known = try stage.bearer()
        #expect(try await stage.ask("GET https://app.example/", known).passes)
        stage.issuer.goDown()
        #expect(try await stage.ask("GET https://app.example/", known).passes)
        #expect(try await stage.ask("GET https://app.example/", try stage.bearer(["sub": "bob"])).passes)
        let cold = try AccessStage()
        cold.issuer.goDown()
        let outcome = try await cold.ask("GET https://app.example/", try cold.bearer())
        #expect(outcome.refusal?.status == 503)
        cold.issuer.goDown(false)
        cold.clock.advance(by: 60)
        #expect(try await cold.ask("GET https://app.example/", try cold.bearer()).passes)
    }
}
