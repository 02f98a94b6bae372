// Answers of issuers that are posted, signed, or both.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct ResponseModeTests {
    private static let posted = [
        ("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "cross-site"),
    ]

    /// A stage with a mode and a login under way.
    private func begin(
        _ mode: String,
        _ browser: Browser,
        _ config: [String: JSONValue] = [:]
    ) async throws -> (stage: AccessStage, asked: QueryArguments) {
        let stage = try AccessStage(config.merging(["response_mode": .string(mode)]) { one, _ in one })
        stage.issuer.answer(
            "/.well-known/openid-configuration",
            [
                "issuer": "https://id.example", "authorization_endpoint": "https://id.example/authorize",
                "token_endpoint": "https://id.example/token", "jwks_uri": "https://id.example/jwks",
                "id_token_signing_alg_values_supported": ["ES256"],
                "authorization_signing_alg_values_supported": ["ES256"],
            ]
        )
        let asked = try await stage.begin(browser)
        #expect(asked.single("response_mode") == mode)
        try stage.grant(nonce: try #require(asked.single("nonce")))
        return (stage, asked)
    }

    private func response(
        _ stage: AccessStage,
        _ state: String,
        _ changes: [String: JSONValue] = [:]
    ) throws -> String {
        let usual: [String: JSONValue] = ["state": .string(state), "code": "c-1", "scope": .null]
        return try stage.key.sign(stage.claims(usual.merging(changes) { _, new in new }))
    }

    private func post(
        _ stage: AccessStage,
        _ browser: Browser,
        _ body: String,
        _ fields: [(String, String)] = posted
    ) async throws -> Outcome {
        try await stage.ask("POST https://app.example/oauth2/callback", fields, from: browser, body: body)
    }

    @Test func `a posted answer ends a login, by a cookie that crosses sites (K2, A11)`() async throws {
        let browser = Browser()
        let (stage, asked) = try await begin("form_post", browser)
        let line = try await stage.ask("GET https://app.example/x", AccessStage.navigation).setCookies.first
        #expect(line?.contains("SameSite=None; Secure") ?? false)
        let state = try #require(asked.single("state"))
        let end = try await post(stage, browser, "state=\(state)&code=c-1")
        #expect(end.answer?.status == 303)
        #expect(end.location == "/here?q=1")
        let session = end.setCookies.first { $0.contains("session-") }
        #expect(session?.contains("SameSite=Lax") ?? false)
    }

    @Test(arguments: ["jwt", "query.jwt"])
    func `a signed answer ends a login`(_ mode: String) async throws {
        let browser = Browser()
        let (stage, asked) = try await begin(mode, browser)
        let text = try response(stage, try #require(asked.single("state")))
        let line = "GET https://app.example/oauth2/callback?response=\(text)"
        #expect(try await stage.ask(line, AccessStage.navigation, from: browser).location == "/here?q=1")
        #expect(stage.issuer.form("/token")?.single("code") == "c-1")
    }

    @Test func `a signed answer that is posted ends a login`() async throws {
        let browser = Browser()
        let (stage, asked) = try await begin("form_post.jwt", browser)
        let text = try response(stage, try #require(asked.single("state")))
        #expect(try await post(stage, browser, "response=\(text)").location == "/here?q=1")
    }

    // The same rules as for a plain answer.
    @Test(
        arguments: [
            (["iss": "https://evil.example"], 401, "wrong-issuer"), (["aud": "other"], 401, "wrong-audience"),
            (["exp": 1], 401, "expired"), (["code": .null], 401, "malformed-response"),
            (["code": .null, "error": "access_denied"], 403, "login-refused"),
        ] as [([String: JSONValue], Int, String)]
    )
    func `a signed answer that breaks a rule ends on the page, and asks for no token`(
        changes: [String: JSONValue],
        status: Int,
        word: String
    ) async throws {
        let browser = Browser()
        let (stage, asked) = try await begin("jwt", browser)
        let text = try response(stage, try #require(asked.single("state")), changes)
        let line = "GET https://app.example/oauth2/callback?response=\(text)"
        let outcome = try await stage.ask(line, AccessStage.navigation, from: browser)
        #expect(outcome.refusal?.status == status)
        #expect(outcome.reason == word)
        #expect(outcome.refusal?.cause.wayOn == Page.Link(target: "/here?q=1", label: "Start again"))
        #expect(stage.issuer.count("/token") == 0)
        #expect(browser.cookies.isEmpty)
    }

    @Test func `a signed answer counts in the browser that began, and once (S5, A6)`() async throws {
        let browser = Browser()
        let (stage, asked) = try await begin("jwt", browser)
        let line =
            "GET https://app.example/oauth2/callback?response=\(try response(stage, try #require(asked.single("state"))))"
        #expect(try await stage.ask(line, AccessStage.navigation, from: Browser()).reason == "unknown-state")
        let kept = browser.cookies
        #expect(try await stage.ask(line, AccessStage.navigation, from: browser).answer?.status == 302)
        browser.cookies = kept
        #expect(try await stage.ask(line, AccessStage.navigation, from: browser).reason == "state-reused")
        #expect(stage.issuer.count("/token") == 1)
    }

    // An answer by another way than was asked for proves less than was asked for.
    @Test(arguments: [
        ("form_post", "GET", "state=S&code=c"), ("jwt", "GET", "state=S&code=c"),
        ("query", "GET", "response=R"),
        ("form_post.jwt", "GET", "response=R"), ("form_post.jwt", "POST", "state=S&code=c"),
        ("form_post", "POST", "response=R"),
    ])
    func `an answer that comes otherwise than asked is refused`(
        mode: String,
        method: String,
        form: String
    ) async throws {
        let browser = Browser()
        let stage: AccessStage
        let asked: QueryArguments
        if mode == "query" {
            stage = try AccessStage()
            asked = try await stage.begin(browser)
        } else {
            (stage, asked) = try await begin(mode, browser)
        }
        let state = try #require(asked.single("state"))
        let body = form.replacing("S", with: state).replacing("R", with: try response(stage, state))
        let outcome =
            method == "POST"
            ? try await post(stage, browser, body)
            : try await stage.ask(
                "GET https://app.example/oauth2/callback?\(body)",
                AccessStage.navigation,
                from: browser
            )
        #expect(outcome.refusal?.status == 400)
        #expect(outcome.reason == "wrong-response-mode")
        #expect(stage.issuer.count("/token") == 0)
    }

    @Test func `an issuer that never saw the request may say so in the query`() async throws {
        let browser = Browser()
        let (stage, asked) = try await begin("form_post", browser)
        let state = try #require(asked.single("state"))
        #expect(
            try await stage.comeBack(browser, state: state, more: "&error=invalid_request").reason
                == "login-refused"
        )
    }

    @Test(arguments: [
        ("", "malformed-response"), ("state=x", "malformed-response"),
        ("state=x&code=%", "malformed-response"),
        ("state=x&code=c", "unknown-state"), ("state=x&code=a&code=b", "repeated-parameter"),
    ])
    func `a posted answer that is none is 400`(body: String, word: String) async throws {
        let (stage, _) = try await begin("form_post", Browser())
        let outcome = try await post(stage, Browser(), body)
        #expect(outcome.refusal?.status == 400)
        #expect(outcome.reason == word)
    }

    @Test func `where no answer is posted, a post is 405; what is no form is 400`() async throws {
        let plain = try AccessStage()
        #expect(try await post(plain, Browser(), "state=x&code=c").refusal?.status == 405)
        let (stage, _) = try await begin("form_post", Browser())
        let json = try await post(stage, Browser(), "{}", [("content-type", "application/json")])
        #expect(json.refusal?.status == 400)
        let long = "state=x&code=" + String(repeating: "c", count: OpenIDConnect.longestPostedAnswer)
        #expect(try await post(stage, Browser(), long).refusal?.status == 400)
    }

    @Test func `a posted answer may come to a path of the application, whose own posts pass`() async throws {
        let browser = Browser()
        let (stage, asked) = try await begin(
            "form_post",
            browser,
            ["redirect_uri": ["https://app.example/api/callback"]]
        )
        let line = "POST https://app.example/api/callback"
        let body = "state=\(try #require(asked.single("state")))&code=c-1"
        #expect(try await stage.ask(line, Self.posted, from: browser, body: body).location == "/here?q=1")
        let own = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")]
        #expect(try await stage.ask(line, own, from: browser, body: "a=1").passes)
    }

    @Test func `over plain http a posted answer is refused before it is asked for`() async throws {
        let stage = try AccessStage(["response_mode": "form_post"])
        let outcome = try await stage.ask("GET http://app.example/x", AccessStage.navigation)
        #expect(outcome.reason == "https-needed-for-login")
        let local = try AccessStage(["response_mode": "form_post"], hosts: [])
        #expect(try await local.ask("GET http://localhost/x", AccessStage.navigation).answer?.status == 302)
    }
}
