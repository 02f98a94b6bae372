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
        // The instance, 256 random bits, and what only we can read.
        let state = try #require(asked.single("state")).split(separator: ".")
        #expect(state.map(\.utf8.count).prefix(2) == [8, 43])
        #expect(state.count == 3 && !state[2].contains("here"))
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
        #expect(Array(browser.brief.values) == ["1"])
        #expect(stage.issuer.form("/token")?.single("redirect_uri") == "https://app.example/oauth2/callback")
        browser.cookies["theme"] = "dark"
        let after = try await stage.ask(Self.here, AccessStage.navigation, from: browser)
        #expect(after.passes)
        #expect(after.passage.identity?.subject == "alice")
        #expect(after.passage.identity?.method == "session")
        #expect(after.upstream(.authorization) == "Bearer opaque-access")
        // H6, K8: our cookie does not reach the upstream.
        #expect(after.upstream(.cookie) == "theme=dark")
        #expect(after.setCookies == [])
    }

    @Test(arguments: [
        ("redirect", 302, "https://app.example/welcome"), ("upstream", 303, "/here?q=1"),
    ])
    func `login_action says where a login ends`(action: String, status: Int, location: String) async throws {
        let uri: JSONValue = ["https://app.example/welcome"]
        let stage = try AccessStage(["login_action": .string(action), "login_redirect_uri": uri])
        let end = try await stage.logIn(Browser())
        #expect(end.answer?.status == status)
        #expect(end.location == location)
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

    // A1
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

    // A9
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

    // V13
    @Test func `another issuer's answer is refused before the code goes anywhere (A7)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let state = try #require(try await stage.begin(browser).single("state"))
        let more = "&code=c&iss=https%3A%2F%2Fevil.example"
        #expect(try await stage.comeBack(browser, state: state, more: more).reason == "wrong-issuer")
        #expect(stage.issuer.count("/token") == 0)
    }
}
