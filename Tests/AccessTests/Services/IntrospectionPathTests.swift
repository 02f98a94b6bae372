// Services ask whether a token is good (RFC 7662, RFC 9701).
import Fetch
import Gateway
import JOSE
import JSON
import Proxy
import Testing

@testable import Access

struct IntrospectionPathTests {
    private static let line = "POST https://app.example/oauth2/introspect"
    private static let form = ("content-type", "application/x-www-form-urlencoded")
    private static let key = ("apikey", "a-key-of-the-service")

    private func stage(_ config: [String: JSONValue] = [:], group: String? = "services") throws -> AccessStage
    {
        var service = Consumer(id: "1", username: "orders")
        service.keys = [KeyCredential(id: "k1", key: Self.key.1)]
        service.groups = ["services"]
        var other = Consumer(id: "2", username: "else")
        other.keys = [KeyCredential(id: "k2", key: "another-key")]
        return try AccessStage(config, consumers: [service, other], introspectionGroup: group)
    }

    private func ask(
        _ stage: AccessStage,
        _ body: String,
        _ fields: [(String, String)] = [Self.form, Self.key],
        _ line: String = Self.line
    ) async throws -> Outcome {
        try await stage.ask(line, fields, body: body)
    }

    private func members(_ outcome: Outcome) throws -> JSONValue {
        try JSONValue(parsing: try #require(outcome.answer?.body))
    }

    private func token(_ stage: AccessStage, _ changes: [String: JSONValue] = [:]) throws -> String {
        try stage.key.sign(stage.claims(changes))
    }

    // MARK: Who asks

    @Test func `it is off until a group is named`() async throws {
        let outcome = try await ask(try stage(group: nil), "token=x")
        #expect(outcome.refusal?.status == 404 && outcome.reason == "introspection-off")
    }

    @Test(
        arguments: [
            ([], 401, "no-credential"),
            ([("authorization", "Bearer x")], 401, "no-credential"),
            ([("apikey", "made-up")], 401, "unknown-credential"),
            ([("apikey", "")], 401, "unknown-credential"),
            ([("apikey", "another-key")], 403, "group-not-allowed"),
            ([Self.key, Self.key], 400, "repeated-credential"),
            (
                [Self.key, ("authorization", "Basic b3JkZXJzOmEta2V5LW9mLXRoZS1zZXJ2aWNl")], 400,
                "repeated-credential"
            ),
            // else:a-key-of-the-service
            ([("authorization", "Basic ZWxzZTphLWtleS1vZi10aGUtc2VydmljZQ==")], 401, "unknown-credential"),
        ] as [([(String, String)], Int, String)]
    )
    func `nobody asks but a consumer of the group`(
        fields: [(String, String)],
        status: Int,
        word: String
    )
        async throws
    {
        let stage = try stage()
        let outcome = try await ask(stage, "token=\(try token(stage))", [Self.form] + fields)
        #expect(outcome.refusal?.status == status && outcome.reason == word)
        if status == 401 { #expect(outcome.refusal?.cause.challenges.count == 2) }
    }

    @Test(arguments: ["orders:a-key-of-the-service", "orders:a%2Dkey%2Dof%2Dthe%2Dservice"])
    func `a name and a key are taken as Basic, form-encoded or not`(pair: String) async throws {
        let stage = try stage()
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text = ""
        let octets = Array(pair.utf8)
        for start in stride(from: 0, to: octets.count, by: 3) {
            let piece = octets[start..<min(start + 3, octets.count)]
            let bits = piece.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - piece.count))
            for place in 0..<4 {
                text +=
                    place <= piece.count
                    ? String(decoding: [digits[bits >> (18 - 6 * place) & 63]], as: UTF8.self) : "="
            }
        }
        let body = "token=\(try token(stage))"
        let outcome = try await ask(stage, body, [Self.form, ("authorization", "Basic \(text)")])
        #expect(try members(outcome)["active"] == true)
        #expect(outcome.passage.identity?.subject == "orders")
    }

    // MARK: What is asked

    @Test(arguments: [
        ("", Self.form, 400, "missing-parameter"),
        ("token=", Self.form, 400, "missing-parameter"),
        ("token=a&token=b", Self.form, 400, "repeated-parameter"),
        ("token=a&token_type_hint=x&token_type_hint=x", Self.form, 400, "repeated-parameter"),
        ("token=a&x=1&x=2", Self.form, 400, "repeated-parameter"),
        ("token=%zz", Self.form, 400, "malformed-body"),
        ("token=a", ("content-type", "application/json"), 415, "unsupported-media-type"),
        ("token=a", ("x", "y"), 415, "unsupported-media-type"),
    ]) func `a form that is none is refused`(
        body: String,
        type: (String, String),
        status: Int,
        word: String
    ) async throws {
        let outcome = try await ask(try stage(), body, [type, Self.key])
        #expect(outcome.refusal?.status == status && outcome.reason == word)
    }

    @Test func `a form of the greatest size is read, one octet more is not`() async throws {
        let stage = try stage()
        let filling = String(repeating: "x", count: IntrospectionPath.maximumFormBytes - "token=".utf8.count)
        #expect(try members(try await ask(stage, "token=" + filling)) == ["active": false])
        let outcome = try await ask(stage, "token=x" + filling)
        #expect(outcome.refusal?.status == 413 && outcome.reason == "body-too-large")
    }

    // MARK: What is answered

    @Test func `a good token is active, with all it says, and nobody may keep the answer`() async throws {
        let stage = try stage()
        let claims = stage.claims(["x": ["y": [1, nil]], "active": "no"])
        let outcome = try await ask(
            stage,
            "token_type_hint=refresh_token&token=\(try stage.key.sign(claims))"
        )
        #expect(outcome.answer?.status == 200)
        #expect(outcome.answer?.field("cache-control") == "no-store")
        #expect(outcome.answer?.field("content-type") == "application/json")
        var expected = claims.object ?? [:]
        expected["active"] = true
        let found = try members(outcome)
        #expect(Set((found.object ?? [:]).keys) == Set(expected.keys))
        for (name, value) in expected where value.number == nil { #expect(found[name] == value) }
        #expect(found["exp"]?.number == stage.clock.now + 300)
    }

    @Test(
        arguments: [
            (["exp": 1_699_999_999], "expired"),
            (["exp": nil], "missing-claim"),
            (["nbf": 1_700_000_100], "not-yet-valid"),
            (["iat": 1_700_000_100], "issued-in-future"),
            (["iss": "https://else.example"], "wrong-issuer"),
            (["iss": nil], "wrong-issuer"),
            (["aud": "else"], "wrong-audience"),
            (["aud": nil], "missing-claim"),
            (["nonce": "n", "scope": nil], "wrong-type"),
        ] as [([String: JSONValue], String)]
    )
    func `a token that no route would take is not active, and the log alone says why`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try stage()
        let outcome = try await ask(stage, "token=\(try token(stage, changes))")
        #expect(try members(outcome) == ["active": false])
        #expect(outcome.passage.reason == word)
    }

    @Test(arguments: ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "%20"])
    func `what is no token of ours is not active`(token: String) async throws {
        #expect(try members(try await ask(try stage(), "token=\(token)")) == ["active": false])
    }

    @Test func `a token of another key is not active`() async throws {
        let stage = try stage()
        let token = try SigningKey(kid: "one").sign(stage.claims())
        #expect(try members(try await ask(stage, "token=\(token)")) == ["active": false])
    }

    @Test func `a bound token is active with what binds it: the service asks for the proof`() async throws {
        let stage = try stage()
        let token = try token(stage, ["cnf": ["jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"]])
        let found = try members(try await ask(stage, "token=\(token)"))
        #expect(found["active"] == true && found["cnf"]?["jkt"] != nil)
        #expect(
            try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(token)")]).reason
                == "proof-required"
        )
    }

    @Test(arguments: [
        ("audience=app", true), ("resource=app", true), ("audience=app&resource=api", true),
        ("audience=else", false), ("audience=app&resource=else", false), ("audience=", false),
        ("iss=https%3A%2F%2Fid.example", true), ("iss=https%3A%2F%2Felse.example", false),
    ]) func `a service may say who it is, and whose the token has to be`(
        more: String,
        isActive: Bool
    ) async throws {
        let stage = try stage()
        let token = try token(stage, ["aud": ["app", "api"]])
        for _ in 1...2 {
            let found = try members(try await ask(stage, "token=\(token)&\(more)"))
            #expect(found["active"] == .bool(isActive))
        }
    }

    @Test func `audience_required counts here, and what a route asks of claims does not`() async throws {
        let stage = try stage(["audience_required": ["api"], "scopes_required": ["admin"]])
        #expect(try members(try await ask(stage, "token=\(try token(stage))")) == ["active": false])
        let token = try token(stage, ["aud": "api"])
        #expect(try members(try await ask(stage, "token=\(token)"))["active"] == true)
        #expect(
            try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(token)")]).reason
                == "insufficient-scope"
        )
    }

    @Test func `what a route has proven is remembered for services, and never the other way round`()
        async throws
    {
        let stage = try stage()
        let memory = stage.services.proven(stage.worker)
        let first = try token(stage)
        #expect(
            try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(first)")]).passes
        )
        let hits = memory.hits.value
        #expect(try members(try await ask(stage, "token=\(first)"))["active"] == true)
        #expect(memory.hits.value == hits + 1)
        let second = try token(stage, ["jti": "2"])
        #expect(try members(try await ask(stage, "token=\(second)"))["active"] == true)
        #expect(try members(try await ask(stage, "token=\(second)"))["active"] == true)
        #expect(memory.hits.value == hits + 2)
        let misses = memory.misses.value
        #expect(
            try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(second)")]).passes
        )
        #expect(memory.misses.value > misses)
        stage.clock.advance(by: 301)
        #expect(try members(try await ask(stage, "token=\(second)")) == ["active": false])
    }

    // MARK: Opaque tokens

    private static let asking: [String: JSONValue] = ["auth_methods": ["introspection"]]

    @Test func `an opaque token is what its issuer says, and its word is kept`() async throws {
        let stage = try stage(Self.asking)
        stage.issuer.answer(
            "/introspect",
            ["active": true, "sub": "alice", "aud": "app", "exp": 1_700_000_300]
        )
        for _ in 1...3 {
            let found = try members(try await ask(stage, "token=opaque"))
            #expect(found == ["active": true, "sub": "alice", "aud": "app", "exp": 1_700_000_300])
        }
        #expect(stage.issuer.count("/introspect") == 1)
        stage.issuer.answer("/introspect", ["active": false])
        #expect(try members(try await ask(stage, "token=other")) == ["active": false])
        #expect(stage.issuer.form("/introspect")?.single("token") == "other")
    }

    @Test
    func `where only the issuer is asked a JWT is asked about, and no route takes it by its keys after`()
        async throws
    {
        let stage = try stage(Self.asking)
        stage.issuer.answer("/introspect", ["active": false])
        let token = try token(stage)
        #expect(try members(try await ask(stage, "token=\(token)")) == ["active": false])
        #expect(
            try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(token)")]).reason
                == "inactive-token"
        )
    }

    @Test func `an issuer that is down makes 503, not a bad token`() async throws {
        let stage = try stage(Self.asking)
        stage.issuer.goDown()
        let outcome = try await ask(stage, "token=opaque")
        #expect(outcome.refusal?.status == 503 && outcome.reason == "issuer-unreachable")
    }

    @Test func `what userinfo said of a token for a route says nothing to services`() async throws {
        let stage = try stage(["auth_methods": ["userinfo"], "audience_required": []])
        stage.issuer.answer("/userinfo", ["sub": "alice"])
        let bad = try SigningKey(kid: "one").sign(stage.claims())
        #expect(try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(bad)")]).passes)
        #expect(try members(try await ask(stage, "token=\(bad)")) == ["active": false])
    }

    // MARK: Signed answers

    @Test(arguments: [true, false]) func `a signed answer is for the caller (RFC 9701)`(
        isGood: Bool
    ) async throws {
        let stage = try stage()
        let token = isGood ? try token(stage) : "x"
        let accept = ("accept", "application/token-introspection+jwt")
        let outcome = try await ask(stage, "token=\(token)", [Self.form, Self.key, accept])
        #expect(outcome.answer?.field("content-type") == accept.1)
        var expected = TokenExpectations(issuers: ["gatehouse"], audiences: ["orders"])
        expected.type = TokenType("token-introspection+jwt")
        expected.requiresExpiry = false
        let verified = try TokenVerifier.verify(
            try #require(outcome.answer?.body),
            keys: JWKSet(parsing: stage.services.signing.document(at: stage.clock.now), from: .network),
            expecting: expected,
            at: NumericDate(seconds: stage.clock.now)
        )
        #expect(verified.claims["iat"]?.number == stage.clock.now)
        #expect(Set((verified.claims.object ?? [:]).keys) == ["iss", "aud", "iat", "token_introspection"])
        #expect(verified.claims["token_introspection"]?["active"] == .bool(isGood))
        #expect(verified.claims["token_introspection"]?["sub"] == (isGood ? "alice" : nil))
    }

    @Test(arguments: [
        ("*/*", false), ("application/json", false), ("application/token-introspection+jwt;q=0", false),
        ("application/json, Application/Token-Introspection+JWT; q=0.5", true),
    ]) func `it is signed where that is asked for`(accept: String, isSigned: Bool) async throws {
        let outcome = try await ask(try stage(), "token=x", [Self.form, Self.key, ("accept", accept)])
        #expect((outcome.answer?.field("content-type") != "application/json") == isSigned)
    }

    // MARK: Batches

    private static let json = ("content-type", "application/json; charset=utf-8")

    private func batch(_ stage: AccessStage, _ body: JSONValue) async throws -> Outcome {
        try await ask(stage, body.serializedString, [Self.json, Self.key], Self.line + "/batch")
    }

    @Test func `a batch is answered in its order, and one bad entry spoils no other`() async throws {
        let stage = try stage()
        let (one, two) = (try token(stage), try token(stage, ["sub": "bob"]))
        let outcome = try await batch(
            stage,
            .array([
                .string(one), 7, nil, "x", ["token": .string(two), "audience": "app"], [:],
                ["token": .string(two), "resource": ["else"]], ["token": .string(one), "audience": 1],
                .string(two),
            ])
        )
        let found = try #require(try members(outcome).array)
        #expect(found.map { $0["sub"]?.string } == ["alice", nil, nil, nil, "bob", nil, nil, nil, "bob"])
        for entry in found where entry["sub"] == nil { #expect(entry == ["active": false]) }
        #expect(try members(try await batch(stage, [])) == [])
    }

    @Test func `a batch has its bounds`() async throws {
        let stage = try stage()
        let most = JSONValue.array(.init(repeating: "x", count: IntrospectionPath.maximumTokens))
        #expect(try members(try await batch(stage, most)).array?.count == IntrospectionPath.maximumTokens)
        let more = JSONValue.array(.init(repeating: "x", count: IntrospectionPath.maximumTokens + 1))
        let outcome = try await batch(stage, more)
        #expect(outcome.refusal?.status == 413 && outcome.reason == "too-many-tokens")
        #expect(try await batch(stage, ["token": "x"]).reason == "malformed-body")
        let long = JSONValue.array([
            .string(String(repeating: "x", count: IntrospectionPath.maximumBatchBytes))
        ])
        #expect(try await batch(stage, long).reason == "body-too-large")
        #expect(
            try await ask(stage, "token=x", [Self.form, Self.key], Self.line + "/batch").reason
                == "unsupported-media-type"
        )
    }

    @Test func `one token of a batch that cannot be asked about is said to be so`() async throws {
        let stage = try stage(["auth_methods": ["bearer", "introspection"]])
        stage.issuer.script("/introspect") { _ throws(FetchError) in throw .connectionRefused }
        let found = try members(try await batch(stage, ["opaque", .string(try token(stage))]))
        #expect(found.array?.first == ["active": false, "error": "temporarily_unavailable"])
        #expect(found.array?.last?["active"] == true)
    }
}
