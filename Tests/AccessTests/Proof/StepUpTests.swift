// How strong and how recent an authentication has to be: a challenge for clients (RFC 9470), a login for browsers.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct StepUpTests {
    private static let challenge =
        "Bearer realm=\"id.example\", error=\"insufficient_user_authentication\", error_description=\"A different authentication level is required\""

    @Test(
        arguments: [
            (["acr": "gold"], nil), (["acr": "silver"], nil),
            (["acr": "bronze"], "wrong-authentication-context"),
            (["acr": "Gold"], "wrong-authentication-context"), ([:], "wrong-authentication-context"),
            (["acr": ["gold"]], "wrong-authentication-context"),
        ] as [([String: JSONValue], String?)]
    )
    func `acr is one of those that are asked for`(
        _ claims: [String: JSONValue],
        _ reason: String?
    ) async throws {
        let stage = try AccessStage(["acr_values": ["gold", "silver"]])
        let outcome = try await stage.ask("GET https://app.example/", try stage.bearer(claims))
        #expect(outcome.reason == reason)
        guard reason != nil else { return }
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.refusal?.cause.challenges == ["\(Self.challenge), acr_values=\"gold silver\""])
    }

    @Test func `auth_time is not longer ago than max_age, however long the token is remembered`() async throws
    {
        let stage = try AccessStage(["max_age": 60, "leeway": 5])
        let token = try stage.bearer(["auth_time": .number(stage.clock.now - 60)])
        #expect(try await stage.ask("GET https://app.example/", token).passes)
        stage.clock.advance(by: 5)
        #expect(try await stage.ask("GET https://app.example/", token).passes)
        stage.clock.advance(by: 0.5)
        let old = try await stage.ask("GET https://app.example/", token)
        #expect(old.reason == "authentication-too-old")
        #expect(old.refusal?.cause.challenges == ["\(Self.challenge), max_age=\"60\""])
        #expect(
            try await stage.ask("GET https://app.example/", try stage.bearer()).reason
                == "authentication-too-old"
        )
    }

    @Test func `who may not pass at all is not asked to log in better`() async throws {
        let stage = try AccessStage(["acr_values": ["gold"], "groups_required": ["staff"]])
        #expect(try await stage.ask("GET https://app.example/", try stage.bearer()).refusal?.status == 403)
    }

    @Test func `a login asks for what the route wants, and takes nothing less`() async throws {
        let stage = try AccessStage(["acr_values": ["gold", "silver"], "max_age": 60])
        let browser = Browser()
        let asked = try await stage.begin(browser)
        #expect(asked.single("acr_values") == "gold silver")
        #expect(asked.single("max_age") == "60")
        let time = JSONValue.number(stage.clock.now)
        try stage.grant(
            nonce: try #require(asked.single("nonce")),
            id: ["acr": "bronze", "auth_time": time]
        )
        let weak = try await stage.comeBack(browser, state: try #require(asked.single("state")))
        #expect(weak.reason == "wrong-authentication-context")
        try await stage.logIn(browser, id: ["acr": "silver", "auth_time": time])
        #expect(try await stage.ask("GET https://app.example/", AccessStage.navigation, from: browser).passes)
    }

    @Test func `a browser whose login is too old logs in again, everything else gets the challenge`()
        async throws
    {
        let stage = try AccessStage(["max_age": 60])
        let browser = Browser()
        try await stage.logIn(browser, id: ["auth_time": .number(stage.clock.now)])
        stage.clock.advance(by: 61)
        let script = try await stage.ask("GET https://app.example/x", [], from: browser)
        #expect(script.refusal?.status == 401)
        #expect(script.refusal?.cause.challenges == ["\(Self.challenge), max_age=\"60\""])
        let asked = try await stage.begin(browser)
        #expect(asked.single("max_age") == "60")
        try stage.grant(
            nonce: try #require(asked.single("nonce")),
            id: ["auth_time": .number(stage.clock.now)]
        )
        let back = try await stage.comeBack(browser, state: try #require(asked.single("state")))
        #expect(back.location == "/here?q=1")
        #expect(try await stage.ask("GET https://app.example/x", [], from: browser).passes)
    }
}
