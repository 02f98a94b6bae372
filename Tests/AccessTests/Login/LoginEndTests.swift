// Where logins end that went otherwise than planned: where the user was going, or one page with one way on.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct LoginEndTests {
    private static let here = "GET https://app.example/here?q=1"

    private func state(_ stage: AccessStage, _ browser: Browser, _ line: String = here) async throws -> String
    {
        try #require(try await stage.begin(browser, line).single("state"))
    }

    // MARK: Where it goes on

    @Test func `a stale way back with a session goes on to where its tab was going`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let stale = try await state(stage, browser, "GET https://app.example/stale?x=1")
        browser.cookies = [:]
        try await stage.logIn(browser)
        let session = browser.cookies
        for query in ["&code=c", "&error=login_required"] {
            let outcome = try await stage.comeBack(browser, state: stale, more: query)
            #expect(outcome.location == "/stale?x=1", "\(query)")
            #expect(outcome.passage.reason == "unknown-state")
        }
        #expect(browser.cookies == session)
        #expect(stage.issuer.count("/token") == 1)
    }

    @Test func `a way back that is loaded again goes on, and redeems nothing`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let asked = try await stage.begin(browser)
        let kept = browser.cookies
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let state = try #require(asked.single("state"))
        #expect(try await stage.comeBack(browser, state: state).location == "/here?q=1")
        #expect(try await stage.comeBack(browser, state: state).location == "/here?q=1")
        browser.cookies.merge(kept) { one, _ in one }
        let again = try await stage.comeBack(browser, state: state)
        #expect(again.location == "/here?q=1")
        #expect(again.passage.reason == "state-reused")
        #expect(stage.issuer.count("/token") == 1)
    }

    @Test func `with a session, a made-up state still leads nowhere (S5)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let own = try await state(stage, Browser())
        for state in [
            "x", "\(own)x", String(own.dropLast(4)),
            own.split(separator: ".").prefix(2).joined(separator: "."),
        ] {
            let outcome = try await stage.comeBack(browser, state: state)
            #expect(outcome.refusal?.status == 400)
            #expect(outcome.refusal?.cause.wayOn?.target == "/")
        }
    }

    @Test(arguments: [0.0, 601, 86_300, 86_500])
    func `the page of a state that is over leads to where the user was going, for a day`(
        _ seconds: Double
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try await state(stage, browser)
        browser.cookies = [:]
        stage.clock.advance(by: seconds)
        let refusal = try #require(try await stage.comeBack(browser, state: state).refusal)
        #expect(refusal.status == 400 && refusal.reason == "unknown-state")
        #expect(
            refusal.cause.wayOn
                == Page.Link(target: seconds < 86_400 ? "/here?q=1" : "/", label: "Start again")
        )
    }

    @Test(arguments: [
        ("&error=access_denied", 403), ("&error=server_error", 503), ("", 400), ("&code=c&code=d", 400),
    ])
    func `every refusal on the way back has one way on`(_ more: String, _ status: Int) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try await state(stage, browser)
        let refusal = try #require(try await stage.comeBack(browser, state: state, more: more).refusal)
        #expect(refusal.status == status)
        #expect(refusal.cause.wayOn?.label == "Start again")
        #expect(["/here?q=1", "/"].contains(refusal.cause.wayOn?.target))
    }

    @Test func `a refused code and a silent issuer have the same way on`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        let refused = try await stage.comeBack(browser, state: try await state(stage, browser)).refusal
        #expect(refused?.cause.wayOn?.target == "/here?q=1")
        stage.issuer.goDown()
        stage.clock.advance(by: 10)
        let begun = try await stage.ask(Self.here, AccessStage.navigation, from: Browser()).refusal
        #expect(begun?.status == 503)
        #expect(begun?.cause.wayOn == Page.Link(target: "/here?q=1", label: "Try again"))
    }

    @Test func `a long way on is shortened in the state, and whole in the browser`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let long = "/here?q=\(String(repeating: "a", count: 300))"
        let asked = try await stage.begin(browser, "GET https://app.example\(long)")
        let state = try #require(asked.single("state"))
        #expect(state.utf8.count < 600)
        try stage.grant(nonce: try #require(asked.single("nonce")))
        #expect(try await stage.comeBack(browser, state: state).location == long)
        #expect(try await stage.comeBack(Browser(), state: state).refusal?.cause.wayOn?.target == "/here")
    }

    @Test func `a path that looks like a host keeps our host before it (S1, A12)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        for path in ["//evil.example/x", "/%2Fevil.example", "/%5Cevil.example"] {
            guard
                let outcome = try? await stage.ask(
                    "GET https://app.example\(path)",
                    AccessStage.navigation,
                    from: browser
                ),
                let location = outcome.location
            else { continue }  // The guard does not let it in.
            let asked = try #require(
                QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
            )
            try stage.grant(nonce: try #require(asked.single("nonce")))
            let end = try await stage.comeBack(browser, state: try #require(asked.single("state")))
            let target = try #require(end.location)
            let own = RedirectTarget.Origin(scheme: "https", host: "app.example", port: nil)
            let isOurs =
                target.hasPrefix("https://app.example/") || RedirectTarget(target, own: own, hosts: []) != nil
            #expect(isOurs, "\(path): \(target)")
        }
    }

    // MARK: Loops (A9, complaint 20)

    /// A login whose session the browser does not keep.
    private func loop(_ stage: AccessStage, _ browser: Browser) async throws -> Outcome {
        let outcome = try await stage.ask(Self.here, AccessStage.navigation, from: browser)
        guard let location = outcome.location else { return outcome }
        let asked = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let end = try await stage.comeBack(browser, state: try #require(asked.single("state")))
        browser.cookies = [:]
        return end
    }

    // A9
    @Test func `a login that does not hold is tried once more, and then ends on a page`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        #expect(try await loop(stage, browser).location == "/here?q=1")
        #expect(try await loop(stage, browser).location == "/here?q=1")
        let refusal = try #require(try await loop(stage, browser).refusal)
        #expect(refusal.status == 401 && refusal.reason == "login-loop")
        let way = try #require(refusal.cause.wayOn)
        #expect(way.label == "Start again" && way.target.hasPrefix("/oauth2/start?again=1&rd="))
        #expect(stage.issuer.count("/token") == 2)
        // The click begins from the beginning; a minute later so does any request.
        #expect(
            try await stage.ask("GET https://app.example\(way.target)", from: browser).answer?.status == 302
        )
        browser.brief = [:]
        #expect(try await loop(stage, browser).location == "/here?q=1")
    }

    @Test func `a gateway that asks about requests is no way around it`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        _ = try await loop(stage, browser)
        _ = try await loop(stage, browser)
        let outcome = try await stage.ask("GET https://app.example/oauth2/start?rd=%2Fhere", from: browser)
        #expect(outcome.reason == "login-loop")
    }

    @Test func `signing out and in again is no loop`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        for _ in 0..<4 {
            #expect(try await stage.logIn(browser).location == "/here?q=1")
            let fields = [("sec-fetch-site", "same-origin")]
            _ = try await stage.ask("POST https://app.example/oauth2/sign_out", fields, from: browser)
            #expect(browser.brief.isEmpty)
        }
    }

    @Test func `logging in anew with a session is no loop`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        for _ in 0..<4 {
            let start = try await stage.ask("GET https://app.example/oauth2/start?rd=%2Fx", from: browser)
            let location = try #require(start.location)
            let asked = try #require(
                QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
            )
            try stage.grant(nonce: try #require(asked.single("nonce")))
            #expect(
                try await stage.comeBack(browser, state: try #require(asked.single("state"))).location == "/x"
            )
        }
    }

    @Test func `a session that crosses no sites begins on a page of ours that leads on`() async throws {
        let stage = try AccessStage(["session_cookie_same_site": "Strict"])
        let end = try await stage.logIn(Browser())
        let answer = try #require(end.answer)
        #expect(answer.status == 200 && answer.field("referrer-policy") == "no-referrer")
        let html = String(decoding: answer.body, as: UTF8.self)
        #expect(html.contains("<meta http-equiv=\"refresh\" content=\"0;url=/here?q=1\">"))
        #expect(html.contains("href=\"/here?q=1\">Go on</a>"))
        #expect(end.setCookies.contains { $0.contains("session-") && $0.contains("SameSite=Strict") })
    }

    // MARK: What a client may hand through (S6)

    @Test func `a client hands through what is listed, once, bounded, and nothing of ours`() async throws {
        let stage = try AccessStage([
            "authorization_query_args_client": ["prompt", "ui_locales", "login_hint"],
            "authorization_query_args_names": ["acr"], "authorization_query_args_values": ["gold"],
        ])
        let long = String(repeating: "l", count: OpenIDConnect.longestHandedThrough + 1)
        let line =
            "GET https://app.example/x?prompt=login&ui_locales=de&ui_locales=en&scope=admin&acr=lead&login_hint=\(long)"
        let asked = try await stage.begin(Browser(), line)
        #expect(asked.single("prompt") == "login")
        #expect(asked.count(of: "ui_locales") == 0)
        #expect(asked.count(of: "login_hint") == 0)
        #expect(asked.single("scope") == "openid")
        #expect(asked.single("acr") == "gold")
        let fit = try await stage.begin(Browser(), "GET https://app.example/x?login_hint=\(long.dropLast())")
        #expect(fit.single("login_hint") == String(long.dropLast()))
    }
}
