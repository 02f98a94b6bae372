// Own paths of login and logout.
import Cryptography
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OwnPathsTests {
    private static let here = "GET https://app.example/here?q=1"

    // MARK: Own paths

    @Test func `a hostile rd is refused and a listed one is taken (S1, A12)`() async throws {
        let stage = try AccessStage(redirectHosts: ["app.example", "other.example"])
        for rd in ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x"] {
            let line = "GET https://app.example/oauth2/start?rd=\(QueryArguments.encoded(rd))"
            let outcome = try await stage.ask(line, AccessStage.navigation)
            #expect(outcome.reason == "redirect-refused", "\(rd)")
            #expect(outcome.refusal?.status == 400)
        }
        let line = "GET https://app.example/oauth2/start?rd=https%3A%2F%2Fother.example%2Fx"
        #expect(try await stage.ask(line, AccessStage.navigation).answer?.status == 302)
    }

    // S6
    @Test func `a third party may begin a login and shape nothing of it`() async throws {
        let stage = try AccessStage()
        let line =
            "GET https://app.example/oauth2/start?iss=https%3A%2F%2Fid.example&target_link_uri=%2Fx&login_hint=al"
        let outcome = try await stage.ask(line + "&scope=admin&redirect_uri=https%3A%2F%2Fevil&client_id=z")
        let location = try #require(outcome.location)
        let asked = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        #expect(asked.single("login_hint") == "al")
        #expect(asked.single("scope") == "openid")
        #expect(asked.single("client_id") == "app")
        #expect(asked.single("redirect_uri") == "https://app.example/oauth2/callback")
        let foreign = "GET https://app.example/oauth2/start?iss=https%3A%2F%2Fevil.example"
        #expect(try await stage.ask(foreign).reason == "wrong-issuer")
        #expect(
            try await stage.ask("GET https://app.example/oauth2/start?rd=/a&rd=/b").reason
                == "repeated-parameter"
        )
    }

    @Test func `userinfo tells the session's claims, and 401 without one`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        #expect(try await stage.ask("GET https://app.example/oauth2/userinfo").refusal?.status == 401)
        try await stage.logIn(browser, id: ["email": "alice@example.com"])
        let outcome = try await stage.ask("GET https://app.example/oauth2/userinfo", from: browser)
        let body = try JSONValue(parsing: try #require(outcome.answer?.body))
        #expect(body["claims"]?["email"] == "alice@example.com")
        #expect(body["expires_in"] == 900)
    }

    // MARK: Sign out

    @Test func `a GET of sign_out shows one button and changes nothing (K9)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let page = try await stage.ask("GET https://app.example/oauth2/sign_out", from: browser)
        #expect(page.answer?.status == 200)
        let html = String(decoding: try #require(page.answer).body, as: UTF8.self)
        #expect(html.contains("action=\"/oauth2/sign_out\""))
        #expect(page.setCookies == [])
        #expect(try await stage.ask(Self.here, from: browser).passes)
    }

    @Test(arguments: [
        [], [("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "none")],
        [("origin", "https://evil.example")], [("origin", "null")], [("origin", "http://app.example")],
        [("sec-fetch-site", "cross-site"), ("origin", "https://app.example")],
    ])
    func `a POST from elsewhere signs nobody out (S7, K9)`(_ fields: [(String, String)]) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let outcome = try await stage.ask("POST https://app.example/oauth2/sign_out", fields, from: browser)
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "cross-site-logout")
        #expect(try await stage.ask(Self.here, from: browser).passes)
    }

    @Test(arguments: [[("sec-fetch-site", "same-origin")], [("origin", "https://app.example")]])
    func `a POST of our own page ends the session here and at the issuer (S4)`(
        _ fields: [(String, String)]
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out?rd=%2Fbye",
            fields,
            from: browser
        )
        #expect(outcome.answer?.status == 303)
        let location = try #require(outcome.location)
        #expect(location.hasPrefix("https://id.example/logout?"))
        let asked = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        #expect(asked.single("post_logout_redirect_uri") == "https://app.example/")
        #expect(asked.single("id_token_hint")?.isEmpty == false)
        #expect(browser.cookies.keys.allSatisfy { $0.hasPrefix("__Host-authorization-") })
        #expect(try await stage.ask(Self.here, from: thief).reason == "session-ended")
        // Back from the issuer, on to where the user wanted to go.
        let state = try #require(asked.single("state"))
        let back = try await stage.ask(
            "GET https://app.example/?state=\(state)",
            AccessStage.navigation,
            from: browser
        )
        #expect(back.location == "/bye")
        #expect(browser.cookies.isEmpty)
    }

    @Test func `the configured redirect_uri is the way back, whatever is routed there`() async throws {
        let stage = try AccessStage(["redirect_uri": ["https://app.example/api/callback"]])
        let browser = Browser()
        let asked = try await stage.begin(browser)
        #expect(asked.single("redirect_uri") == "https://app.example/api/callback")
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let state = try #require(asked.single("state"))
        let line = "GET https://app.example/api/callback?code=c&state=\(state)"
        #expect(try await stage.ask(line, AccessStage.navigation, from: browser).location == "/here?q=1")
    }
}
