// What scripts and browsers are told where a request does not pass.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct BrowserMannersTests {
    private static let here = "GET https://app.example/api/items?q=1"

    private func login(
        _ stage: AccessStage,
        _ line: String,
        _ fields: [(String, String)]
    ) async throws -> String? {
        try await stage.ask(line, fields).refusal?.cause.loginURL
    }

    @Test(
        arguments: [
            // Back to the page that asked.
            ([("referer", "https://app.example/items?page=2")], "%2Fitems%3Fpage%3D2"),
            ([("referer", "https://app.example/")], "%2F"),
            ([("referer", "https://spa.example/x")], "https%3A%2F%2Fspa.example%2Fx"),
            // What may not be returned to is not: it is what was asked for, then.
            ([("referer", "https://evil.example/")], "%2Fapi%2Fitems%3Fq%3D1"),
            ([("referer", "https://app.example//evil.example")], "%2Fapi%2Fitems%3Fq%3D1"),
            ([("referer", "javascript:alert(1)")], "%2Fapi%2Fitems%3Fq%3D1"),
            ([], "%2Fapi%2Fitems%3Fq%3D1"),
        ] as [([(String, String)], String)]
    )
    func `a script gets the path at which a login leads back`(
        fields: [(String, String)],
        rd: String
    ) async throws {
        let stage = try AccessStage(redirectHosts: ["app.example", "spa.example"])
        let script = [("accept", "application/json"), ("sec-fetch-mode", "cors")]
        let url = try #require(try await login(stage, Self.here, script + fields))
        #expect(url == "/oauth2/start?rd=\(rd)")
        // It begins a login.
        let outcome = try await stage.ask("GET https://app.example\(url)", AccessStage.navigation)
        #expect(outcome.answer?.status == 302)
    }

    @Test func `where a login would not help none is offered`() async throws {
        #expect(try await login(try AccessStage(["auth_methods": ["bearer"]]), Self.here, []) == nil)
        let stage = try AccessStage()
        let bad = try await stage.ask(Self.here, [("authorization", "Bearer x")])
        #expect(bad.refusal?.status == 401 && bad.refusal?.cause.loginURL == nil)
    }

    @Test func `a page is not told what a script is, whatever the method`() async throws {
        let stage = try AccessStage()
        let post = "POST https://app.example/api"
        #expect(try await login(stage, post, [("accept", "text/html")]) == nil)
        #expect(try await login(stage, post, []) == "/oauth2/start?rd=%2Fapi")
    }

    @Test func `the answer is JSON that names it`() throws {
        var cause = Refusal.Cause("no-credential")
        cause.loginURL = "/oauth2/start?rd=%2F"
        let answer = ErrorAnswer(acceptsHTML: false, requestID: "r-1").answer(.unauthenticated(cause))
        #expect(
            try JSONValue(parsing: answer.body) == [
                "message": "Unauthorized", "request_id": "r-1", "login_url": "/oauth2/start?rd=%2F",
            ]
        )
    }

    // MARK: Pages of the user's own

    private func answer(
        _ stage: AccessStage,
        _ line: String,
        _ fields: [(String, String)],
        from browser: Browser? = nil
    ) async throws -> Answer? {
        let outcome = try await stage.ask(line, fields, from: browser)
        return outcome.refusal.map { ErrorAnswer(outcome.passage).answer($0) }
    }

    @Test func `a browser that navigates is sent to the page for 401 or 403, a script is not`() async throws {
        let stage = try AccessStage([
            "unauthorized_redirect_uri": ["/welcome"],
            "forbidden_redirect_uri": ["https://app.example/denied?x=1"],
            "scopes_required": ["admin"],
        ])
        let bad = [("authorization", "Bearer x")]
        let sent = try await answer(stage, Self.here, bad + AccessStage.navigation)
        #expect(sent?.status == 302 && sent?.field("location") == "/welcome")
        #expect(try await answer(stage, Self.here, bad)?.status == 401)
        let token = try stage.bearer()
        let denied = try await answer(stage, Self.here, token + AccessStage.navigation)
        #expect(denied?.status == 302 && denied?.field("location") == "https://app.example/denied?x=1")
        #expect(try await answer(stage, Self.here, token)?.status == 403)
        // It is under the same rules, and nobody is sent in circles.
        for (line, fields) in [
            ("GET https://app.example/welcome", bad), ("GET https://app.example/denied", token),
        ] {
            #expect(
                [401, 403].contains(try await answer(stage, line, fields + AccessStage.navigation)?.status)
            )
        }
        let other = try await answer(stage, "GET https://app.example/denied", bad + AccessStage.navigation)
        #expect(other?.field("location") == "/welcome")
    }

    @Test func `a browser that navigates is sent to the page for failures, and nobody else is`() async throws
    {
        let stage = try AccessStage([
            "unexpected_redirect_uri": ["/trouble"], "unauthorized_redirect_uri": ["/welcome"],
        ])
        stage.issuer.goDown()
        let sent = try await answer(stage, Self.here, AccessStage.navigation)
        #expect(sent?.status == 302 && sent?.field("location") == "/trouble")
        let page = try await answer(stage, "GET https://app.example/trouble", AccessStage.navigation)
        #expect(page?.status == 503 && page?.field("retry-after") != nil)
        #expect(try await answer(stage, Self.here, [])?.status == 401)
        let start = "GET https://app.example/oauth2/start?rd=%2F"
        let script = [("accept", "application/json")]
        #expect(try await answer(stage, start, script)?.status == 503)
    }

    @Test func `what a file of Kong's says of the store's lists is taken`() throws {
        _ = try AccessStage(["session_store_metadata": true])
    }

    @Test(arguments: ["//evil.example", "welcome", "javascript:x", "/a b", "/a\\b", ""])
    func `a place that is none is refused`(place: String) throws {
        for field in ["unauthorized_redirect_uri", "forbidden_redirect_uri", "unexpected_redirect_uri"] {
            let error = #expect(throws: ConfigurationError.self) {
                try AccessStage([field: [.string(place)]])
            }
            #expect(error?.diagnostics.contains { $0.message.hasPrefix("\(field): ") } ?? false)
        }
    }

    // MARK: Facts of the session

    private static let facts: JSONValue = [
        "id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout",
    ]

    @Test func `upstream and client are told of the session what the settings name`() async throws {
        let stage = try AccessStage([
            "session_request_headers": Self.facts, "session_response_headers": ["timeout"],
        ])
        let browser = Browser()
        try await stage.logIn(browser)
        stage.clock.advance(by: 59.5)
        let outcome = try await stage.ask(Self.here, AccessStage.navigation, from: browser)
        let session = try #require(outcome.upstream("session-id"))
        #expect(session.utf8.count == 22)
        for (name, value) in [
            ("session-audience", "default"), ("session-subject", "alice"), ("session-timeout", "840"),
            ("session-idling-timeout", "840"), ("session-rolling-timeout", "3540"),
            ("session-absolute-timeout", "86340"),
        ] { #expect(FieldName(name).flatMap(outcome.upstream) == value, "\(name)") }
        #expect(outcome.passage.answer.value(of: "session-timeout") == "840")
        #expect(outcome.passage.answer.value(of: "session-id") == nil)
        // H1
        #expect(stage.plan.identityNames.contains("session-id"))
        // A limit that there is not has no seconds left.
        let boundless = try AccessStage(["session_request_headers": Self.facts, "session_idling_timeout": 0])
        let other = Browser()
        try await boundless.logIn(other)
        let free = try await boundless.ask(Self.here, AccessStage.navigation, from: other)
        #expect(free.upstream("session-idling-timeout") == nil && free.upstream("session-timeout") == "3600")
    }

    @Test func `without a session nothing is said of one`() async throws {
        let stage = try AccessStage(["session_request_headers": Self.facts])
        let outcome = try await stage.ask(Self.here, try stage.bearer())
        #expect(outcome.passes && outcome.upstream("session-id") == nil)
    }
}
