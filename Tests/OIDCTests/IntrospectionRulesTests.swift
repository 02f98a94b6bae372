// The rules on an answer about a token, each just inside and just outside.
import JSON
import Testing

@testable import OIDC

struct IntrospectionRulesTests {
    private static let now = 1_700_000_000.0

    private func word(
        _ changes: [String: JSONValue],
        audiences: [String]? = ["app"],
        leeway: Double = 0
    ) -> String? {
        let usual: [String: JSONValue] = [
            "active": true, "iss": "https://id.example", "sub": "alice", "aud": "app", "client_id": "other",
            "exp": .number(Self.now + 300), "iat": .number(Self.now), "scope": "read", "token_type": "Bearer",
        ]
        let members = usual.merging(changes) { _, new in new }.filter { !$0.value.isNull }
        do throws(InformationFailure) {
            try IntrospectionRules.check(
                IntrospectionRules.Case(
                    .object(members),
                    issuer: "https://id.example",
                    audiences: audiences,
                    leeway: leeway,
                    at: Self.now
                )
            )
            return nil
        } catch {
            #expect(!error.rule.isEmpty)
            return error.reason
        }
    }

    @Test(
        arguments: [
            ["active": true], ["iss": .null], ["sub": .null], ["exp": .null], ["iat": .null],
            ["exp": .number(now + 1)], ["exp": .number(now + 0.5)], ["nbf": .number(now)],
            ["iat": .number(now + 60)], ["aud": ["x", "app"]], ["aud": .null, "client_id": "app"],
            ["token_type": "bearer"], ["token_type": .null], ["token_type": "access_token"],
            ["token_type": "N_A"], ["token_use": "access_token"], ["scope": ["read", "write"]],
            ["token_type": "DPoP", "cnf": ["jkt": "x"]],
        ] as [[String: JSONValue]]
    )
    func `an answer within the rules is taken`(_ changes: [String: JSONValue]) {
        #expect(self.word(changes) == nil)
    }

    @Test(
        arguments: [
            (["active": false], "inactive-token"), (["active": "true"], "inactive-token"),
            (["active": 1], "inactive-token"), (["active": .null], "inactive-token"),
            (["token_type": "refresh_token"], "wrong-type"), (["token_type": "id_token"], "wrong-type"),
            (["token_use": "refresh_token"], "wrong-type"), (["token_type": 1], "malformed-claim"),
            (["token_type": "mac"], "wrong-type"), (["token_type": "DPoP"], "proof-required"),
            (["token_type": "DPoP", "cnf": "x"], "proof-required"),
            (["exp": .number(now)], "expired"), (["exp": .number(now - 0.5)], "expired"),
            (["exp": "1800000000"], "malformed-claim"), (["nbf": .number(now + 1)], "not-yet-valid"),
            (["nbf": true], "malformed-claim"), (["iat": .number(now + 61)], "issued-in-future"),
            (["iat": "x"], "malformed-claim"), (["iss": "https://id.example/"], "wrong-issuer"),
            (["iss": 1], "malformed-claim"), (["sub": 1], "malformed-claim"),
            (["client_id": ["app"]], "malformed-claim"), (["aud": 1], "malformed-claim"),
            (["aud": ["app", 1]], "malformed-claim"), (["scope": 1], "malformed-claim"),
            (["aud": "other"], "wrong-audience"), (["aud": "app "], "wrong-audience"),
            (["aud": .array([])], "wrong-audience"),
            (["aud": "other", "client_id": "app"], "wrong-audience"),
            (["aud": .null], "wrong-audience"), (["aud": .null, "client_id": .null], "missing-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `an answer that breaks a rule has its word`(_ changes: [String: JSONValue], _ reason: String) {
        #expect(self.word(changes) == reason)
    }

    @Test func `leeway bends the dates and nothing else`() {
        #expect(self.word(["exp": .number(Self.now - 9)], leeway: 10) == nil)
        #expect(self.word(["exp": .number(Self.now - 10)], leeway: 10) == "expired")
        #expect(self.word(["nbf": .number(Self.now + 10)], leeway: 10) == nil)
        #expect(self.word(["nbf": .number(Self.now + 11)], leeway: 10) == "not-yet-valid")
    }

    @Test func `where nobody asks for an audience none is needed`() {
        #expect(self.word(["aud": "other"], audiences: nil) == nil)
        #expect(self.word(["aud": .null, "client_id": .null], audiences: nil) == nil)
        #expect(self.word(["aud": .null, "client_id": .null], audiences: []) == "missing-claim")
    }

    @Test func `rules are judged in the contract's order`() {
        let all: [String: JSONValue] = [
            "token_type": "refresh_token", "iss": "x", "aud": "x", "exp": 1, "nbf": 4_000_000_000,
        ]
        #expect(self.word(all) == "wrong-type")
        #expect(self.word(all.merging(["token_type": .null]) { _, new in new }) == "wrong-issuer")
        let ours = all.merging(["token_type": .null, "iss": .null]) { _, new in new }
        #expect(self.word(ours) == "wrong-audience")
        #expect(self.word(ours.merging(["aud": "app"]) { _, new in new }) == "expired")
    }
}
