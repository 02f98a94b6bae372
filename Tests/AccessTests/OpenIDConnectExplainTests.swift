// What openid-connect says of a request without carrying it out.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectExplainTests {
    private func explain(
        _ stage: AccessStage,
        claims: JSONValue?,
        fields: [(String, String)] = []
    ) throws -> Explanation {
        let request = try WrittenRequest(
            "GET https://app.example/",
            fields: fields.map { (name: $0.0, value: $0.1) }
        )
        return Explainer(plan: stage.plan, now: stage.clock.now).explain(
            request.head,
            client: request.client,
            claims: claims
        )
    }

    @Test func `given claims are judged rule by rule, each with its source`() throws {
        let stage = try AccessStage(["groups_required": ["admin"], "scopes_required": ["read"]])
        let refused = try explain(stage, claims: ["sub": "alice", "scope": "read", "groups": "user"])
        #expect(refused.outcome == .answers(status: 403, reason: "missing-group"))
        let rules = refused.json["plugins"]?.array?.first?["rules"]?.array ?? []
        #expect(
            rules.map { $0["source"] } == [
                "openid-connect.scopes_required", "openid-connect.groups_required",
            ]
        )
        #expect(rules.map { $0["passes"] } == [true, false])
        #expect(rules.last?["detail"] == "one of admin; found in the given claims")
        let passes = try explain(stage, claims: ["sub": "alice", "scope": "read", "groups": "admin"])
        #expect(passes.passes)
        #expect(passes.json["identity"]?["subject"] == "alice")
    }

    @Test func `without claims a browser would be redirected and an API refused, and nobody is asked`() throws
    {
        let stage = try AccessStage()
        #expect(try explain(stage, claims: nil).outcome == .answers(status: 401, reason: "no-credential"))
        let page = try explain(stage, claims: nil, fields: AccessStage.navigation)
        #expect(page.outcome == .answers(status: 302, reason: nil))
        #expect(stage.issuer.count("/.well-known/openid-configuration") == 0)
    }

    @Test func `of a token that is shown each rule is told, and what was not reached`() async throws {
        let stage = try AccessStage(["groups_required": ["admin"]])
        await AccessPlugins.start(stage.plan)
        let verdicts = { (changes: [String: JSONValue]) throws -> [String: String] in
            let said = try self.explain(stage, claims: nil, fields: try stage.bearer(changes))
            let rules = said.json["plugins"]?.array?.first?["rules"]?.array ?? []
            return Dictionary(
                uniqueKeysWithValues: rules.map { ($0["rule"]?.string ?? "", $0["verdict"]?.string ?? "") }
            )
        }
        let passing = try verdicts(["groups": ["admin"]])
        for name in [
            "signature", "expiry", "kind of token", "proof of possession", "groups_required on groups",
        ] {
            #expect(passing[name] == "passed", "\(name)")
        }
        let expired = try verdicts(["groups": ["admin"], "exp": 1])
        #expect(expired["signature"] == "passed" && expired["expiry"] == "failed")
        #expect(
            expired["not before"] == "not reached" && expired["groups_required on groups"] == "not reached"
        )
        let bound = try verdicts(["cnf": ["jkt": "x"]])
        #expect(bound["kind of token"] == "passed" && bound["proof of possession"] == "failed")
        let outside = try verdicts(["groups": ["user"]])
        #expect(
            outside["proof of possession"] == "passed" && outside["groups_required on groups"] == "failed"
        )
    }

    @Test func `another issuer's clients may have our name, says a warning`() throws {
        let warned = try AccessStage(["issuers_allowed": ["https://two.example"]]).plan.warnings.map(
            \.message
        )
        #expect(warned.contains { $0.hasPrefix("issuers_allowed: another issuer may have") })
        let settled: [String: JSONValue] = [
            "issuers_allowed": ["https://two.example"], "audience_required": ["api"],
        ]
        #expect(try AccessStage(settled).plan.warnings == [])
    }

    @Test func `a plan says what is allowed and unwise`() throws {
        #expect(try AccessStage().plan.warnings == [])
        #expect(
            try AccessStage(hosts: []).plan.warnings.map(\.message).contains {
                $0.hasPrefix("redirect_uri: none")
            }
        )
        #expect(try AccessStage(hosts: [], redirectHosts: ["app.example"]).plan.warnings == [])
    }
}
