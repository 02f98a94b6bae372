// Logins that nobody sees: `prompt=none`, and those that no user has begun.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct SilentLoginTests {
    private static let page = "https://app.example/here?prompt=none"

    // A9
    @Test(
        arguments: [
            "login_required", "interaction_required", "consent_required", "account_selection_required",
        ]
    )
    func `an issuer that would have to ask ends at a page, whose way on lets it ask`(
        error: String
    )
        async throws
    {
        let stage = try AccessStage(["authorization_query_args_client": ["prompt"]])
        let browser = Browser()
        let asked = try await stage.begin(browser, "GET \(Self.page)")
        #expect(asked.single("prompt") == "none")
        let state = try #require(asked.single("state"))
        let outcome = try await stage.comeBack(browser, state: state, more: "&error=\(error)")
        let refusal = try #require(outcome.refusal)
        #expect(refusal.status == 401 && refusal.reason == "login-refused")
        #expect(refusal.message == "Your identity provider has to ask you first")
        let way = try #require(refusal.cause.wayOn)
        #expect(way.target == "/oauth2/start?again=1&rd=%2Fhere%3Fprompt%3Dnone")
        #expect(stage.issuer.count("/token") == 0)
        // The click asks the issuer without it; whoever comes by the address alone asks as it says.
        let clicked = try await stage.begin(browser, "GET https://app.example\(way.target)")
        #expect(clicked.count(of: "prompt") == 0)
        #expect(try await stage.begin(Browser(), "GET \(Self.page)").single("prompt") == "none")
    }

    @Test func `another prompt of the address goes on with a click, too`() async throws {
        let stage = try AccessStage(["authorization_query_args_client": ["prompt"]])
        let line = "GET https://app.example/oauth2/start?again=1&rd=%2Fhere%3Fprompt%3Dlogin"
        #expect(try await stage.begin(Browser(), line).single("prompt") == "login")
    }

    // V7: a session begins by what a user does.
    @Test(
        arguments: [
            [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
            [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            [("sec-fetch-mode", "websocket")],
            [("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")],
            [("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch;prerender")],
        ],
        [Self.page, "https://app.example/oauth2/start?rd=%2F", "https://app.example/oauth2/sign_in"]
    )
    func `nothing that a page loads, or that a browser fetches ahead, begins a login`(
        fields: [(String, String)],
        url: String
    ) async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask(
            "GET \(url)",
            fields + [("accept", "text/html,*/*")],
            from: Browser()
        )
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.setCookies == [] && outcome.location == nil)
        // The same by its user begins one.
        let user = try await stage.ask("GET \(url)", AccessStage.navigation, from: Browser())
        #expect(user.answer?.status == 302 && !user.setCookies.isEmpty)
    }

    // V7
    @Test func `an answer of the issuer that no login here has asked for begins no session`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try stage.grant(nonce: "theirs")
        let outcome = try await stage.comeBack(browser, state: "\(stage.plan.logins[0].id).theirs")
        #expect(outcome.reason == "unknown-state" && stage.issuer.count("/token") == 0)
        #expect(browser.cookies.isEmpty)
    }
}
