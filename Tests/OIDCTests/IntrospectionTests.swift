// Asking an issuer about tokens: what is sent, what is taken for an answer, and what is not.
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct IntrospectionTests {
    private func form(_ stage: Stage) -> [String] {
        String(decoding: stage.remote.lastRequest?.body ?? [], as: UTF8.self)
            .split(separator: "&").map { String($0) }.sorted()
    }

    private func field(_ stage: Stage, _ name: String) -> String? {
        stage.remote.lastRequest?.fields.first { $0.0 == name }?.1
    }

    @Test func `the token goes into the form, with who we are and what is configured`() async throws {
        let stage = try Stage()
        stage.remote.answer("/introspect", ["active": true, "sub": "alice"])
        var terms = IntrospectionTerms()
        let answer = try await stage.party.introspect("t+1", terms)
        #expect(answer.isActive)
        #expect(answer.members["sub"] == "alice")
        #expect(self.form(stage) == ["token=t%2B1", "token_type_hint=access_token"])
        #expect(self.field(stage, "Authorization")?.hasPrefix("Basic ") == true)
        #expect(self.field(stage, "Accept") == "application/json")
        #expect(stage.remote.lastRequest?.redirects == 0)
        terms.hint = nil
        terms.tokenParameter = "access"
        terms.parameters = [IssuerSettings.Field(name: "resource", value: "r")]
        terms.fields = [IssuerSettings.Field(name: "X-Tenant", value: "t")]
        _ = try await stage.party.introspect("t", terms)
        #expect(self.form(stage) == ["access=t", "resource=r"])
        #expect(self.field(stage, "X-Tenant") == "t")
        #expect(
            stage.remote.outcomes.filter { $0.hasPrefix("intro") } == [
                "introspection ok", "introspection ok",
            ]
        )
    }

    @Test func `another way of authentication may be named for it`() async throws {
        var stage = try Stage()
        stage.remote.answer("/introspect", ["active": true])
        stage.party.authentication = .basic
        stage.party.introspectionAuthentication = .post
        _ = try await stage.party.introspect("t", IntrospectionTerms())
        #expect(self.field(stage, "Authorization") == nil)
        #expect(self.form(stage).contains("client_secret=s3cret"))
    }

    @Test(arguments: [
        (200, #"{"active":true}"#, "true"), (200, #"{"active":false}"#, "false"),
        (200, #"{"active":"true"}"#, "issuer-answer-malformed"),
        (200, #"{"active":1}"#, "issuer-answer-malformed"), (200, "{}", "issuer-answer-malformed"),
        (200, #"{"active":null}"#, "issuer-answer-malformed"), (200, "[]", "issuer-answer-malformed"),
        (200, "true", "issuer-answer-malformed"), (200, "", "issuer-answer-malformed"),
        (200, #"{"active":true,"active":false}"#, "issuer-answer-malformed"),
        (401, #"{"error":"invalid_client"}"#, "client-refused"), (401, "", "introspection-refused"),
        (400, #"{"active":true}"#, "introspection-refused"), (404, "", "introspection-refused"),
        (201, #"{"active":true}"#, "issuer-failed"), (302, "", "issuer-failed"), (429, "", "issuer-failed"),
        (500, #"{"active":true}"#, "issuer-failed"),
    ])
    func `only a 200 with a truth value says anything, and all else is no word on the token`(
        status: Int,
        text: String,
        outcome: String
    ) async throws {
        let stage = try Stage()
        stage.remote.answer("/introspect", status: status, text: text)
        do throws(OIDCError) {
            let answer = try await stage.party.introspect("t", IntrospectionTerms())
            #expect("\(answer.isActive)" == outcome)
        } catch {
            #expect(error.reason == outcome)
            #expect(error.isUnavailable)
        }
    }

    // MARK: Signed answers (RFC 9701)

    private func signed(
        _ stage: Stage,
        _ changes: [String: JSONValue] = [:],
        by key: SigningKey? = nil,
        type: String? = "token-introspection+jwt"
    ) throws -> String {
        let usual: [String: JSONValue] = [
            "iss": .string(stage.remote.issuer), "aud": "app", "iat": .number(stage.clock.now),
            "token_introspection": ["active": true, "sub": "alice"],
        ]
        let claims = usual.merging(changes) { _, new in new }.filter { !$0.value.isNull }
        return try (key ?? stage.key).sign(.object(claims), header: type.map { ["typ": .string($0)] } ?? [:])
    }

    private func outcome(_ stage: Stage, _ form: IntrospectionTerms.Form = .signed) async -> String {
        var terms = IntrospectionTerms()
        terms.form = form
        terms.audiences = ["api"]
        do throws(OIDCError) {
            let answer = try await stage.party.introspect("t", terms)
            return "\(answer.isActive) \(answer.members["sub"]?.string ?? "")"
        } catch {
            return error.detail
        }
    }

    @Test func `a signed answer counts by the issuer's keys, from it, for us and new`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        stage.remote.answer("/introspect", status: 200, text: try self.signed(stage))
        #expect(await self.outcome(stage) == "true alice")
        #expect(self.field(stage, "Accept") == "application/token-introspection+jwt")
        stage.remote.answer("/introspect", status: 200, text: try self.signed(stage, ["aud": "api"]))
        #expect(await self.outcome(stage) == "true alice")
        let edge = try self.signed(stage, ["iat": .number(stage.clock.now - 600)])
        stage.remote.answer("/introspect", status: 200, text: edge)
        #expect(await self.outcome(stage) == "true alice")
    }

    @Test func `a signed answer that breaks a rule says nothing`() async throws {
        let stage = try Stage()
        let stranger = try SigningKey(kid: "one")
        let bad = [
            try self.signed(stage, by: stranger), try self.signed(stage, ["aud": "others"]),
            try self.signed(stage, ["aud": .null]), try self.signed(stage, ["iss": "https://evil.example"]),
            try self.signed(stage, ["iss": .null]), try self.signed(stage, ["iat": .null]),
            try self.signed(stage, ["iat": .number(stage.clock.now - 601)]),
            try self.signed(stage, ["iat": .number(stage.clock.now + 61)]),
            try self.signed(stage, ["token_introspection": .null]),
            try self.signed(stage, ["token_introspection": "active"]),
            try self.signed(stage, ["token_introspection": ["active": "true"]]),
            try self.signed(stage, ["token_introspection": .null, "active": true]),
            try self.signed(stage, type: "JWT"), try self.signed(stage, type: "at+jwt"),
            try self.signed(stage, type: nil), #"{"active":true}"#, "",
        ]
        for text in bad {
            stage.remote.answer("/introspect", status: 200, text: text)
            let outcome = await self.outcome(stage)
            #expect(!outcome.hasPrefix("true"), "\(outcome)")
        }
    }

    @Test func `an older form has its members as claims, and plain JSON is not taken for it`() async throws {
        let stage = try Stage()
        let claims: [String: JSONValue] = ["token_introspection": .null, "active": true, "sub": "bob"]
        stage.remote.answer("/introspect", status: 200, text: try self.signed(stage, claims, type: "JWT"))
        #expect(await self.outcome(stage, .jwt) == "true bob")
        stage.remote.answer("/introspect", ["active": true])
        #expect(await self.outcome(stage, .jwt).hasPrefix("introspection:"))
        // An access token of the issuer itself says nothing of being active.
        let access = try self.signed(stage, ["token_introspection": .null], type: "JWT")
        stage.remote.answer("/introspect", status: 200, text: access)
        #expect(await self.outcome(stage, .jwt).contains("active is missing"))
    }

    @Test func `a signed answer by a new key makes the keys be fetched once`() async throws {
        let stage = try Stage()
        stage.remote.answer("/introspect", status: 200, text: try self.signed(stage))
        #expect(await self.outcome(stage) == "true alice")
        stage.clock.advance(by: 31)
        try stage.remote.publish([stage.other])
        stage.remote.answer("/introspect", status: 200, text: try self.signed(stage, by: stage.other))
        #expect(await self.outcome(stage) == "true alice")
        #expect(stage.remote.count("/jwks") == 2)
    }

    // MARK: Userinfo

    @Test func `userinfo may be signed, and then by the issuer and for us`() async throws {
        var stage = try Stage()
        await stage.issuer.start()
        stage.party.userInfoTerms.isSigned = true
        stage.party.userInfoTerms.arguments = [IssuerSettings.Field(name: "a", value: "b c")]
        let claims: [String: JSONValue] = ["token_introspection": .null, "sub": "alice"]
        let path = "/userinfo?a=b%20c"
        stage.remote.answer(path, status: 200, text: try self.signed(stage, claims, type: nil))
        #expect(try await stage.party.information(of: "t").members["sub"] == "alice")
        #expect(self.field(stage, "Accept") == "application/jwt")
        let stranger = try SigningKey(kid: "one")
        let party = stage.party
        for bad in [
            try self.signed(stage, claims, by: stranger, type: nil),
            try self.signed(stage, claims.merging(["aud": "x"]) { _, new in new }, type: nil),
            try self.signed(stage, claims.merging(["iss": .null]) { _, new in new }, type: nil),
            #"{"sub":"alice"}"#,
        ] {
            stage.remote.answer(path, status: 200, text: bad)
            await #expect(throws: OIDCError.self) { try await party.information(of: "t") }
        }
    }
}
