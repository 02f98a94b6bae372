// Explanations say what would become of a request, and the file's tests rest on them.
import JSON
import Proxy
import Testing

@testable import Gateway

struct ExplainerTests {
    private let guarding = ScriptedPlugin.kind("guard") { passage throws(Refusal) in
        guard passage.request.pathText != "/secret" else { throw .forbidden(.init("not-yours")) }
        return .proceed
    }

    private func explain(_ plan: Plan, _ text: String, claims: JSONValue? = nil) throws -> Explanation {
        let request = try WrittenRequest(text)
        return Explainer(plan: plan, now: 0).explain(request.head, client: request.client, claims: claims)
    }

    @Test func `a request that passes is said to pass, with route and plugins`() throws {
        let plan = try plan([route("r", ["/"])], plugins: [try instance("guard")], kinds: [self.guarding])
        let explanation = try self.explain(plan, "GET https://x/a")
        #expect(explanation.passes)
        #expect(explanation.json["verdict"] == "passes")
        #expect(explanation.json.value(at: ["route", "name"]) == "r")
        #expect(explanation.json.value(at: ["route", "upstream"]) == "up:8080")
        #expect(explanation.json["plugins"]?.array?.first?["plugin"] == "guard")
    }

    @Test func `a refusal is said with its word`() throws {
        let plan = try plan([route("r", ["/"])], plugins: [try instance("guard")], kinds: [self.guarding])
        let explanation = try self.explain(plan, "GET https://x/secret")
        #expect(explanation.outcome == .answers(status: 403, reason: "not-yours"))
        #expect(explanation.json["verdict"] == "refuses")
        #expect(
            try self.explain(try Plan(Configuration(), kinds: []), "GET https://x/").outcome
                == .answers(status: 404, reason: "no-route")
        )
    }

    @Test func `a file's test fails with what came out instead`() throws {
        let plan = try plan([route("r", ["/"])], plugins: [try instance("guard")], kinds: [self.guarding])
        #expect(ConfigurationTest(request: "GET https://x/", expect: 200).run(plan, now: 0) == nil)
        let good = ConfigurationTest(request: "GET https://x/secret", expect: 403, reason: "not-yours")
        #expect(good.run(plan, now: 0) == nil)
        let bad = ConfigurationTest(request: "GET https://x/secret", expect: 403, reason: "other")
        #expect(
            bad.run(plan, now: 0)?.message
                == "test 'GET https://x/secret': expected 403 other, found 403 not-yours"
        )
    }

    @Test(arguments: [
        ("GET", "expected a method and a URL: 'GET https://host/path'"),
        ("GET /x", "expected a URL that begins with https:// or http://"),
    ])
    func `words that are no request are refused`(text: String, message: String) {
        #expect(throws: WrittenRequestError(message: message)) { try WrittenRequest(text) }
    }

    @Test func `a request that the guard refuses is one, and is explained and tested as refused`() throws {
        let refused = WrittenRequestError(
            message: "the gateway would refuse this request: malformed-path",
            refusal: .malformed(.path)
        )
        #expect(throws: refused) { try WrittenRequest("GET https://x/%00") }
        let explanation = Explainer.explain(.malformed(.path))
        #expect(!explanation.passes)
        #expect(explanation.json == ["verdict": "refuses", "status": 400, "reason": "malformed-path"])
        let plan = try plan([route("r", ["/"])])
        let good = ConfigurationTest(request: "GET https://x/%00", expect: 400, reason: "malformed-path")
        #expect(good.run(plan, now: 0) == nil)
        let bad = ConfigurationTest(request: "GET https://x/%00", expect: 200)
        #expect(
            bad.run(plan, now: 0)?.message
                == "test 'GET https://x/%00': expected 200, found 400 malformed-path"
        )
    }

    @Test func `a URL without a path has one`() throws {
        let request = try WrittenRequest("GET https://a.example?b=c")
        #expect(request.head.pathText == "/")
        #expect(request.head.queryText == "b=c")
        #expect(request.head.hostText == "a.example")
    }
}
