// Tokens for browsers that do not say whose page sent a request.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct CSRFTokenTests {
    private static let here = "https://app.example/"
    private static let cookie = "__Host-csrf-token"

    private static func post(
        _ stage: AccessStage,
        _ browser: Browser,
        _ fields: [(String, String)] = []
    ) async throws -> Outcome {
        try await stage.ask("POST \(here)", fields, from: browser)
    }

    @Test func `a browser that says nothing has to show the session's token`() async throws {
        let stage = try AccessStage(["csrf_token": true])
        let browser = Browser()
        let login = try await stage.logIn(browser)
        let line = try #require(login.setCookies.first { $0.hasPrefix(Self.cookie) })
        #expect(line.hasSuffix("; Path=/; SameSite=Lax; Secure"))
        let token = try #require(browser.cookies[Self.cookie])
        let bare = try await Self.post(stage, browser)
        #expect(bare.refusal?.status == 403 && bare.reason == "csrf-token-missing")
        #expect(try await Self.post(stage, browser, [("x-csrf-token", token)]).passes)
        // The refusal gave the page a token of its own; it is good as well.
        let next = try #require(browser.cookies[Self.cookie])
        #expect(next != token)
        #expect(try await Self.post(stage, browser, [("x-csrf-token", next)]).passes)
        // Nothing is asked of what changes nothing, and the upstream never sees the cookie.
        let read = try await stage.ask("GET \(Self.here)", from: browser)
        #expect(read.passes && (read.upstream(.cookie) ?? "") == "")
    }

    @Test func `where the browser says it, that decides: a token neither is needed nor helps`() async throws {
        let stage = try AccessStage(["csrf_token": true])
        let browser = Browser()
        try await stage.logIn(browser)
        let token = try #require(browser.cookies[Self.cookie])
        #expect(try await Self.post(stage, browser, [("sec-fetch-site", "same-origin")]).passes)
        #expect(try await Self.post(stage, browser, [("origin", "https://app.example")]).passes)
        let foreign = [("sec-fetch-site", "cross-site"), ("x-csrf-token", token)]
        #expect(try await Self.post(stage, browser, foreign).reason == "cross-site-request")
    }

    @Test func `another session's token, a changed one, two of them are none`() async throws {
        let stage = try AccessStage(["csrf_token": true])
        let (browser, other) = (Browser(), Browser())
        try await stage.logIn(browser)
        try await stage.logIn(other)
        let token = try #require(browser.cookies[Self.cookie])
        let theirs = try #require(other.cookies[Self.cookie])
        let flipped = (token.first == "A" ? "B" : "A") + token.dropFirst()
        for bad in [theirs, flipped, String(token.dropLast()), token + "A", "", "x", "\(token)\(token)"] {
            let outcome = try await Self.post(stage, browser, [("x-csrf-token", bad)])
            #expect(outcome.reason == "csrf-token-missing", "\(bad.count)")
        }
        let twice = [("x-csrf-token", token), ("x-csrf-token", token)]
        #expect(try await Self.post(stage, browser, twice).reason == "csrf-token-missing")
        // A cookie that somebody planted is not asked about at all: the field has to be this session's.
        browser.cookies[Self.cookie] = theirs
        let planted = try await Self.post(stage, browser, [("x-csrf-token", theirs)])
        #expect(planted.reason == "csrf-token-missing")
        #expect(try await Self.post(stage, browser, [("x-csrf-token", token)]).passes)
    }

    @Test func `without a cookie nothing is asked, and off is off`() async throws {
        let stage = try AccessStage(["csrf_token": true])
        #expect(try await stage.ask("POST \(Self.here)", stage.bearer()).passes)
        let off = try AccessStage()
        let browser = Browser()
        try await off.logIn(browser)
        #expect(!browser.cookies.keys.contains { $0.contains("csrf") })
        #expect(try await Self.post(off, browser).passes)
    }

    @Test func `a session that began before has its token by its first request, and loses it with its end`()
        async throws
    {
        let stage = try AccessStage(["csrf_token": true])
        let browser = Browser()
        try await stage.logIn(browser)
        browser.cookies[Self.cookie] = nil
        #expect(try await stage.ask("GET \(Self.here)", from: browser).setCookies.count == 1)
        #expect(try await stage.ask("GET \(Self.here)", from: browser).setCookies == [])
        let own = [("sec-fetch-site", "same-origin")]
        _ = try await stage.ask("POST https://app.example/oauth2/sign_out", own, from: browser)
        #expect(browser.cookies[Self.cookie] == nil)
    }

    @Test func `a page's token is good for the session that comes back`() async throws {
        let scene = try RememberingScene(.cookie, ["csrf_token": true])
        try await scene.logIn()
        let token = try #require(scene.browser.cookies[Self.cookie])
        scene.stage.clock.advance(by: 2_000)
        #expect(try await Self.post(scene.stage, scene.browser, [("x-csrf-token", token)]).passes)
    }

    @Test func `names are what is written`() async throws {
        let stage = try AccessStage([
            "csrf_token": true, "csrf_token_cookie_name": "XSRF-TOKEN",
            "csrf_token_header_name": "X-XSRF-TOKEN",
        ])
        let browser = Browser()
        try await stage.logIn(browser)
        let token = try #require(browser.cookies["__Host-XSRF-TOKEN"])
        #expect(try await Self.post(stage, browser, [("x-xsrf-token", token)]).passes)
        #expect(try await !Self.post(stage, browser, [("x-csrf-token", token)]).passes)
    }

    @Test(
        arguments: [
            (["csrf_token_header_name": "a b"], "csrf_token_header_name"),
            (["csrf_token_cookie_name": "a;b"], "csrf_token_cookie_name"),
            (
                ["csrf_token_cookie_name": "one", "session_cookie_name": "one"], "csrf_token_cookie_name"
            ),
            (["csrf_protection": "off"], "csrf_token"),
        ] as [([String: JSONValue], String)]
    )
    func `what cannot be meant is said at its place`(config: [String: JSONValue], field: String) {
        #expect {
            _ = try AccessStage(config.merging(["csrf_token": true]) { one, _ in one })
        } throws: { error in
            "\(error)".contains("\(field): ")
        }
    }
}
