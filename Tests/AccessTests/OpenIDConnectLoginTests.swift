// Logins, sessions and their end, through a browser that keeps cookies.
import Cryptography
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectLoginTests {
    private static let here = "GET https://app.example/here?q=1"

    @Test func `a browser without a session is sent to the issuer with PKCE, state and nonce (A1-A5, A16)`()
        async throws
    {
        let stage = try AccessStage(["scopes": ["openid", "email"]])
        let browser = Browser()
        let asked = try await stage.begin(browser)
        #expect(asked.single("response_type") == "code")
        #expect(asked.single("client_id") == "app")
        #expect(asked.single("scope") == "openid email")
        #expect(asked.single("redirect_uri") == "https://app.example/oauth2/callback")
        #expect(asked.single("code_challenge_method") == "S256")
        #expect(asked.single("code_challenge")?.utf8.count == 43)
        #expect(asked.single("nonce")?.utf8.count == 43)
        #expect(asked.single("state")?.utf8.count == 52)
        #expect(browser.cookies.count == 1)
        #expect(browser.cookies.keys.allSatisfy { $0.hasPrefix("__Host-authorization-") })
    }

    @Test func `a login ends where the user was going, with a session and without the attempt`() async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        let end = try await stage.logIn(browser)
        #expect(end.answer?.status == 302)
        #expect(end.location == "/here?q=1")
        #expect(end.answer?.field("referrer-policy") == "no-referrer")
        #expect(browser.cookies.count == 1)
        #expect(stage.issuer.form("/token")?.single("redirect_uri") == "https://app.example/oauth2/callback")
        let after = try await stage.ask(Self.here, AccessStage.navigation, from: browser)
        #expect(after.passes)
        #expect(after.passage.identity?.subject == "alice")
        #expect(after.passage.identity?.method == "session")
        #expect(after.upstream(.authorization) == "Bearer opaque-access")
        // H6, K8: our cookie does not reach the upstream.
        #expect(after.upstream(.cookie) == nil)
        #expect(after.setCookies == [])
    }

    @Test func `an API call and a POST are never redirected`() async throws {
        let stage = try AccessStage()
        #expect(try await stage.ask(Self.here, [("accept", "application/json")]).refusal?.status == 401)
        #expect(
            try await stage.ask("POST https://app.example/", [("accept", "text/html")]).refusal?.status == 401
        )
        let fetch = [("accept", "text/html"), ("sec-fetch-mode", "cors")]
        #expect(try await stage.ask(Self.here, fetch).refusal?.status == 401)
    }

    @Test func `two tabs that log in at once both succeed`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let first = try await stage.begin(browser, "GET https://app.example/one")
        let second = try await stage.begin(browser, "GET https://app.example/two")
        #expect(browser.cookies.count == 2)
        try stage.grant(nonce: try #require(second.single("nonce")))
        #expect(
            try await stage.comeBack(browser, state: try #require(second.single("state"))).location == "/two"
        )
        try stage.grant(nonce: try #require(first.single("nonce")))
        #expect(
            try await stage.comeBack(browser, state: try #require(first.single("state"))).location == "/one"
        )
        #expect(browser.cookies.count == 1)
    }

    /// A1
    @Test func `at most eight attempts are kept, the oldest goes`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let first = try await stage.begin(browser)
        for _ in 0..<9 {
            stage.clock.advance(by: 1)
            _ = try await stage.begin(browser)
        }
        #expect(browser.cookies.count == 8)
        let outcome = try await stage.comeBack(browser, state: try #require(first.single("state")))
        #expect(outcome.reason == "unknown-state")
    }

    // MARK: S5

    @Test
    func `a callback without, with a wrong, or with another browser's state is 400 and asks nobody (S5)`()
        async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try #require(try await stage.begin(browser).single("state"))
        for query in [
            "", "?code=c", "?state=", "?state=x&code=c", "?state=\(state)x&code=c",
            "?state=00000000.a&code=c",
        ] {
            let outcome = try await stage.ask(
                "GET https://app.example/oauth2/callback\(query)",
                from: browser
            )
            #expect(outcome.refusal?.status == 400, "\(query)")
            #expect(outcome.reason == "unknown-state", "\(query)")
        }
        let other = try await stage.comeBack(Browser(), state: state)
        #expect(other.refusal?.status == 400)
        #expect(other.reason == "unknown-state")
        #expect(stage.issuer.count("/token") == 0)
    }

    @Test func `an expired state is 400 and asks nobody (S5, A1)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let asked = try await stage.begin(browser)
        stage.clock.advance(by: 601)
        #expect(
            try await stage.comeBack(browser, state: try #require(asked.single("state"))).reason
                == "unknown-state"
        )
        #expect(stage.issuer.count("/token") == 0)
    }

    @Test func `a state counts once, even with the cookie kept (S5, A6)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let asked = try await stage.begin(browser)
        let kept = browser.cookies
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let state = try #require(asked.single("state"))
        #expect(try await stage.comeBack(browser, state: state).location == "/here?q=1")
        browser.cookies = kept
        #expect(try await stage.comeBack(browser, state: state).reason == "state-reused")
        #expect(stage.issuer.count("/token") == 1)
    }

    @Test(arguments: ["&code=a&code=b", "&code=a&state=x", "&code=a&iss=x&iss=y", "&error=a&error=b"])
    func `a parameter that is said twice is 400 (A8, S6)`(_ more: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try #require(try await stage.begin(browser).single("state"))
        #expect(try await stage.comeBack(browser, state: state, more: more).reason == "repeated-parameter")
        #expect(stage.issuer.count("/token") == 0)
    }

    @Test func `a session cookie is no state cookie and the other way round (S3)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let session = try #require(browser.cookies.first)
        let asked = try await stage.begin(Browser())
        let state = try #require(asked.single("state"))
        let tab = Browser()
        _ = try await stage.begin(tab)
        let name = try #require(tab.cookies.keys.first)
        tab.cookies = [name: session.value]
        #expect(try await stage.comeBack(tab, state: state).reason == "unknown-state")
        let thief = Browser()
        _ = try await stage.begin(thief)
        thief.cookies = [session.key: try #require(thief.cookies.values.first)]
        #expect(try await stage.ask(Self.here, from: thief).reason == "no-credential")
    }

    /// A9
    @Test(arguments: [
        ("access_denied", 403), ("login_required", 401), ("<script>", 401), ("server_error", 503),
    ])
    func `an error of the issuer ends in a page and not in a loop`(
        _ error: String,
        _ status: Int
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try #require(try await stage.begin(browser).single("state"))
        let more = "&error=\(QueryArguments.encoded(error))"
        let outcome = try await stage.comeBack(browser, state: state, more: more)
        #expect(outcome.refusal?.status == status)
        #expect(outcome.refusal?.cause.detail?.contains("<") != true)
        #expect(browser.cookies.isEmpty)
        #expect(stage.issuer.count("/token") == 0)
    }

    // MARK: The ID token

    @Test(
        arguments: [
            (["nonce": "other"], "wrong-nonce"), (["nonce": .null], "missing-claim"),
            (["aud": "other"], "wrong-audience"),
            (["iss": "https://evil.example"], "wrong-issuer"), (["exp": 1], "expired"),
            (["azp": "other"], "wrong-authorized-party"),
            (["sub": .null], "missing-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `an ID token that breaks a rule starts no session`(
        _ changes: [String: JSONValue],
        _ reason: String
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let outcome = try await stage.logIn(browser, id: changes)
        #expect(outcome.refusal?.status == 401)
        #expect(browser.cookies.isEmpty)
        #expect(outcome.reason == reason)
    }

    @Test func `another issuer's answer is refused before the code goes anywhere (A7)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try #require(try await stage.begin(browser).single("state"))
        let more = "&code=c&iss=https%3A%2F%2Fevil.example"
        #expect(try await stage.comeBack(browser, state: state, more: more).reason == "wrong-issuer")
        #expect(stage.issuer.count("/token") == 0)
    }

    // MARK: Outage

    @Test func `while the issuer is down sessions go on and new logins are 503`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        stage.issuer.goDown()
        stage.clock.advance(by: 30)
        #expect(try await stage.ask(Self.here, AccessStage.navigation, from: browser).passes)
        let new = try await stage.ask(Self.here, AccessStage.navigation, from: Browser())
        #expect(new.refusal?.status == 503)
        #expect(new.reason == "issuer-unreachable")
        stage.issuer.goDown(false)
        stage.clock.advance(by: 10)
        #expect(try await stage.ask(Self.here, AccessStage.navigation, from: Browser()).answer?.status == 302)
    }

    // MARK: Session

    @Test func `a session's cookie is written anew after a minute, and ends when it lies unused`()
        async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 100_000])
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.here, from: browser).setCookies == [])
        stage.clock.advance(by: 1)
        let old = browser.cookies
        #expect(try await stage.ask(Self.here, from: browser).setCookies.count == 1)
        #expect(browser.cookies != old)
        stage.clock.advance(by: 899)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        stage.clock.advance(by: 900)
        let late = try await stage.ask(Self.here, from: browser)
        #expect(late.reason == "no-credential")
        #expect(browser.cookies.isEmpty)
    }

    /// A17, D9
    @Test func `tokens are renewed once for many requests, and the rotated one is used next`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.answer(
            "/token",
            [
                "access_token": "second", "token_type": "bearer", "expires_in": 60,
                "refresh_token": "refresh-2",
            ]
        )
        let old = browser.cookies
        let first = try await stage.ask(Self.here, from: browser)
        #expect(first.upstream(.authorization) == "Bearer second")
        #expect(stage.issuer.form("/token")?.single("refresh_token") == "refresh-1")
        let late = Browser()
        late.cookies = old
        for _ in 0..<10 {
            #expect(try await stage.ask(Self.here, from: late).upstream(.authorization) == "Bearer second")
            late.cookies = old
        }
        #expect(stage.issuer.count("/token") == 2)
        stage.clock.advance(by: 60)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        #expect(stage.issuer.form("/token")?.single("refresh_token") == "refresh-2")
    }

    @Test func `a refresh token that the issuer takes no more ends the session (A17)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        let outcome = try await stage.ask(Self.here, from: browser)
        #expect(outcome.refusal?.status == 401)
        #expect(browser.cookies.isEmpty)
    }

    @Test func `when the issuer is down at the refresh the session goes on`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.goDown()
        #expect(try await stage.ask(Self.here, from: browser).passes)
    }

    @Test func `an access token that ends without a refresh token ends the session`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60, "refresh_token": .null])
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        stage.clock.advance(by: 1)
        #expect(try await stage.ask(Self.here, from: browser).reason == "no-credential")
    }

    /// S4, V2
    @Test func `a new login gives a new session and the old one is dead`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        let asked = try await stage.ask(
            "GET https://app.example/oauth2/start?rd=/again",
            AccessStage.navigation,
            from: browser
        )
        let location = try #require(asked.location)
        let arguments = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        try stage.grant(nonce: try #require(arguments.single("nonce")))
        let end = try await stage.comeBack(browser, state: try #require(arguments.single("state")))
        #expect(end.location == "/again")
        #expect(try await stage.ask(Self.here, from: browser).passes)
        #expect(try await stage.ask(Self.here, from: thief).reason == "no-credential")
    }

    @Test func `claims of the ID token decide for a session, and a JWT access token before it`() async throws
    {
        let stage = try AccessStage(["groups_required": ["admin"], "forbidden_destroy_session": false])
        let browser = Browser()
        try await stage.logIn(browser, id: ["groups": ["admin"]])
        #expect(try await stage.ask(Self.here, from: browser).passes)
        let other = Browser()
        let access = try stage.key.sign(stage.claims(["groups": ["user"], "aud": "account"]))
        try await stage.logIn(other, id: ["groups": ["admin"]], answer: ["access_token": .string(access)])
        let outcome = try await stage.ask(Self.here, from: other)
        #expect(outcome.reason == "missing-group")
        #expect(other.cookies.count == 1)
    }

    @Test func `a 403 ends the session unless it is told not to, as in Kong`() async throws {
        let stage = try AccessStage(["groups_required": ["admin"]])
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(try await stage.ask(Self.here, from: browser).refusal?.status == 403)
        #expect(browser.cookies.isEmpty)
    }

    @Test func `a tampered session is none, and its cookie goes`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let (name, value) = try #require(browser.cookies.first)
        let middle = value.index(value.startIndex, offsetBy: value.count / 2)
        browser.cookies[name] = value.replacingCharacters(at: middle, with: value[middle] == "A" ? "B" : "A")
        #expect(try await stage.ask(Self.here, from: browser).reason == "no-credential")
        #expect(browser.cookies.isEmpty)
    }

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

    /// S6
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
        #expect(try await stage.ask(Self.here, from: thief).reason == "no-credential")
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

extension String {
    fileprivate func replacingCharacters(at index: String.Index, with character: Character) -> String {
        var copy = self
        copy.replaceSubrange(index...index, with: [character])
        return copy
    }
}
