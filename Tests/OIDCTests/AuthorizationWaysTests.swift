// Requests that are signed or pushed, and answers that are signed.
import Cryptography
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct AuthorizationWaysTests {
    private static let request = AuthorizationRequest(
        state: "s",
        nonce: "n",
        verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        redirectURI: "https://app.example/cb"
    )

    private func stage(_ members: [String: JSONValue] = [:]) throws -> Stage {
        let stage = try Stage()
        var document = stage.remote.metadata.object ?? [:]
        document["pushed_authorization_request_endpoint"] = .string(stage.remote.issuer + "/par")
        document.merge(members) { _, new in new }
        stage.remote.answer("/.well-known/openid-configuration", .object(document))
        return stage
    }

    private func query(_ url: String) -> [String: String] {
        var found: [String: String] = [:]
        for pair in url.split(separator: "?").last?.split(separator: "&") ?? [] {
            let sides = pair.split(separator: "=", omittingEmptySubsequences: false)
            found[String(sides[0])] = String(sides[1])
        }
        return found
    }

    private func destination(_ stage: Stage, _ request: AuthorizationRequest = request) async throws -> String
    {
        try await stage.party.destination(
            of: request,
            extra: [("prompt", "login")],
            at: try await stage.issuer.ready()
        )
    }

    // MARK: Pushed (RFC 9126)

    @Test func `F1 a pushed request is told by us, and the browser carries its name alone`() async throws {
        var stage = try stage()
        stage.party.pushesRequests = true
        stage.remote.answer("/par", ["request_uri": "urn:request:1", "expires_in": 60], status: 201)
        let url = try await destination(stage)
        #expect(url == "https://id.example/authorize?client_id=app&request_uri=urn%3Arequest%3A1")
        let asked = try #require(stage.remote.lastRequest)
        #expect(asked.method == "POST" && asked.url == "https://id.example/par")
        #expect(asked.fields.contains { $0.0 == "Authorization" && $0.1.hasPrefix("Basic ") })
        let body = query("?" + String(decoding: asked.body, as: UTF8.self))
        #expect(body["client_id"] == "app" && body["state"] == "s" && body["prompt"] == "login")
        #expect(body["code_challenge_method"] == "S256" && body["client_secret"] == nil)
    }

    @Test func `a client is named once, however it authenticates`() async throws {
        var stage = try stage()
        stage.party.pushesRequests = true
        stage.party.pushAuthentication = .post
        stage.remote.answer("/par", ["request_uri": "urn:request:1"], status: 201)
        _ = try await destination(stage)
        let body = String(decoding: try #require(stage.remote.lastRequest).body, as: UTF8.self)
        #expect(body.split(separator: "&").count { $0.hasPrefix("client_id=") } == 1)
        #expect(body.contains("client_secret=s3cret"))
    }

    @Test(
        arguments: [(nil, true, 1), (nil, false, 0), (false, true, 0), (true, false, 1)]
            as [(Bool?, Bool, Int)]
    )
    func `the metadata demands, unless the configuration says otherwise`(
        setting: Bool?,
        demands: Bool,
        pushes: Int
    ) async throws {
        var stage = try stage(["require_pushed_authorization_requests": .bool(demands)])
        stage.party.pushesRequests = setting
        stage.remote.answer("/par", ["request_uri": "urn:request:1"], status: 201)
        let url = try await destination(stage)
        #expect(stage.remote.count("/par") == pushes)
        #expect(url.contains("request_uri=") == (pushes == 1))
    }

    @Test(
        arguments: [
            (400, "{\"error\":\"invalid_request\"}", "request-refused"),
            (401, "{\"error\":\"invalid_client\"}", "client-refused"),
            (500, "", "issuer-failed"), (429, "", "issuer-failed"), (302, "", "issuer-failed"),
            (201, "{}", "issuer-answer-malformed"),
            (201, "{\"request_uri\":\"\"}", "issuer-answer-malformed"),
            (201, "{\"request_uri\":\"a b\"}", "issuer-answer-malformed"),
            (201, "{\"request_uri\":1}", "issuer-answer-malformed"), (201, "x", "issuer-answer-malformed"),
        ]
    )
    func `an answer that names no request sends nobody anywhere`(
        status: Int,
        text: String,
        word: String
    ) async throws {
        var stage = try stage()
        stage.party.pushesRequests = true
        stage.remote.answer("/par", status: status, text: text)
        do {
            _ = try await destination(stage)
            Issue.record("it was taken")
        } catch let error as OIDCError {
            #expect(error.reason == word)
            #expect(error.isUnavailable)
        }
    }

    @Test func `an issuer without the endpoint cannot be pushed to`() async throws {
        var stage = try Stage()
        stage.party.pushesRequests = true
        await #expect(throws: OIDCError.missingEndpoint("pushed_authorization_request_endpoint")) {
            _ = try await destination(stage)
        }
    }

    // MARK: Signed (RFC 9101)

    /// The claims of a request object, once its signature is proven.
    private func claims(_ object: String, _ key: SigningKey, at now: NumericDate) throws -> VerifiedToken {
        var wanted = TokenExpectations(issuers: ["app"], audiences: ["https://id.example"])
        wanted.type = TokenType("oauth-authz-req+jwt")
        return try TokenVerifier.verify(
            Array(object.utf8),
            keys: JWKSet(parsing: JSONValue.object(["keys": [try key.json]]).serialized(), from: .network),
            expecting: wanted,
            at: now
        )
    }

    @Test func `a signed request says everything once, to this issuer, and is nobody's token`() async throws {
        var stage = try stage()
        stage.party.signsRequests = true
        stage.party.requestSigner = ClientAssertion(key: stage.other.key, .es256)
        stage.party.audiences = ["one", "two"]
        var request = Self.request
        request.maximumAge = 60
        let query = query(try await destination(stage, request))
        #expect(Set(query.keys) == ["response_type", "client_id", "scope", "request"])
        let token = try claims(try #require(query["request"]), stage.other, at: stage.now)
        let said = token.claims
        #expect(token.header["typ"]?.string == "oauth-authz-req+jwt")
        #expect(said["client_id"] == "app" && said["iss"] == "app" && said["sub"] == nil)
        #expect(said["state"] == "s" && said["nonce"] == "n" && said["prompt"] == "login")
        #expect(said["redirect_uri"] == "https://app.example/cb" && said["response_type"] == "code")
        #expect(said["max_age"] == 60)
        #expect(said["audience"] == ["one", "two"])
        #expect(said["jti"]?.string?.utf8.count == 22)
        let end = try #require(said["exp"]?.number)
        #expect(end - stage.clock.now <= RelyingParty.requestSeconds)
    }

    @Test func `a signed request may be pushed`() async throws {
        var stage = try stage(["require_signed_request_object": true])
        stage.party.pushesRequests = true
        stage.party.requestSigner = ClientAssertion(key: stage.other.key, .es256)
        stage.remote.answer("/par", ["request_uri": "urn:request:1"], status: 201)
        _ = try await destination(stage)
        let body = query("?" + String(decoding: try #require(stage.remote.lastRequest).body, as: UTF8.self))
        #expect(body["state"] == nil && body["nonce"] == nil)
        #expect(try claims(try #require(body["request"]), stage.other, at: stage.now).claims["state"] == "s")
    }

    @Test func `an issuer that wants signed requests gets no other`() async throws {
        let stage = try stage(["require_signed_request_object": true])
        do {
            _ = try await destination(stage)
            Issue.record("an unsigned request went out")
        } catch let error as OIDCError {
            #expect(error.reason == "invalid-issuer-settings")
        }
    }

    // MARK: Signed answers (JARM)

    private func answer(
        _ stage: Stage,
        _ changes: [String: JSONValue] = [:],
        by key: SigningKey? = nil
    ) throws -> String {
        let usual: [String: JSONValue] = [
            "iss": "https://id.example", "aud": "app", "exp": .number(stage.clock.now + 600), "state": "s",
            "code": "c",
        ]
        let claims = usual.merging(changes) { _, new in new }.filter { !$0.value.isNull }
        return try (key ?? stage.key).sign(.object(claims))
    }

    private var signed: [String: JSONValue] { ["authorization_signing_alg_values_supported": ["ES256"]] }

    @Test func `a signed answer that proves is its parameters`() async throws {
        let stage = try stage(signed)
        let found = try await stage.party.parameters(ofResponse: try answer(stage))
        #expect(found.first { $0.0 == "code" }?.1 == "c")
        #expect(found.first { $0.0 == "iss" }?.1 == "https://id.example")
        let error = try await stage.party.parameters(
            ofResponse: answer(stage, ["code": .null, "error": "access_denied"])
        )
        #expect(error.first { $0.0 == "error" }?.1 == "access_denied")
    }

    @Test(
        arguments: [
            (["iss": "https://evil.example"], "wrong-issuer"), (["iss": .null], "missing-claim"),
            (["aud": "other"], "wrong-audience"), (["aud": .null], "missing-claim"), (["exp": 1], "expired"),
            (["exp": .null], "missing-claim"), (["state": .null], "malformed-response"),
            (["state": 1], "malformed-response"),
            (["code": .null], "malformed-response"), (["error": "x"], "malformed-response"),
        ] as [([String: JSONValue], String)]
    )
    func `a signed answer that breaks a rule is none`(
        _ changes: [String: JSONValue],
        _ word: String
    ) async throws {
        let stage = try stage(signed)
        do {
            _ = try await stage.party.parameters(ofResponse: try answer(stage, changes))
            Issue.record("it was taken")
        } catch let error as OIDCError {
            #expect(error.reason == word)
            #expect(!error.isUnavailable)
        }
    }

    @Test func `an answer that is not signed by the issuer is none, nor one of another kind`() async throws {
        let stage = try stage(signed)
        let foreign = try SigningKey(kid: "one")
        let cases: [(String, String)] = [
            (try answer(stage, by: foreign), "bad-signature"),
            (try answer(stage, by: try SigningKey(kid: "nobody")), "unknown-key"),
            (
                try stage.key.sign(.object(["iss": "https://id.example"]), header: ["typ": "logout+jwt"]),
                "wrong-type"
            ),
            (
                try stage.key.sign(
                    stage.accessClaims(["state": "s", "code": "c", "aud": "app"]),
                    header: ["typ": "at+jwt"]
                ), "malformed-response"
            ),
            ("a.b", "malformed-response"), ("a.b.c.d.e", "malformed-response"), ("", "malformed-response"),
            ("eyJhbGciOiJub25lIn0.e30.", "unsupported-algorithm"),
        ]
        for (text, word) in cases {
            do {
                _ = try await stage.party.parameters(ofResponse: text)
                Issue.record("it was taken: \(word)")
            } catch {
                #expect(error.reason == word, "\(text.prefix(20))")
            }
        }
    }

    @Test func `an algorithm that the issuer does not announce for answers is not taken`() async throws {
        // Nothing announced: RS256 alone (JARM §3).
        let stage = try stage()
        do {
            _ = try await stage.party.parameters(ofResponse: try answer(stage))
            Issue.record("it was taken")
        } catch let error as OIDCError {
            #expect(error.reason == "algorithm-not-allowed")
        }
    }

    @Test func `a new key of the issuer is fetched once for an answer`() async throws {
        let stage = try stage(signed)
        _ = try await stage.party.parameters(ofResponse: try answer(stage))
        try stage.remote.publish([stage.key, stage.other])
        stage.clock.advance(by: 31)
        let found = try await stage.party.parameters(ofResponse: try answer(stage, by: stage.other))
        #expect(found.contains { $0 == ("code", "c") })
        #expect(stage.remote.count("/jwks") == 2)
    }
}
