// Logouts in Kong's words, what they do at the issuer, and the tokens that are given back.
import Fetch
import Gateway
import JSON
import Proxy
import Synchronization
import Testing

@testable import Access

struct LogoutFieldsTests {
    private static let here = "GET https://app.example/here?q=1"
    private static let page = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")]

    private func isIn(_ browser: Browser, _ stage: AccessStage) async throws -> Bool {
        let copy = Browser()
        copy.cookies = browser.cookies
        return try await stage.ask(Self.here, from: copy).passes
    }

    // MARK: What asks

    @Test(
        arguments: [
            ("POST", "/app/logout", true), ("DELETE", "/logout", true), ("POST", "/app/logout?x=1", true),
            ("POST", "/app/logout/", false), ("POST", "/app/logout2", false), ("PUT", "/logout", false),
            ("POST", "/here?bye=1", true), ("POST", "/here?x=1&bye", true),
            ("POST", "/here?goodbye=1", false),
            ("POST", "/here?x=bye", false), ("GET", "/app/logout", false),
        ]
    )
    func `a request asks for a logout by the end of its path or by an argument, and by its method`(
        method: String,
        target: String,
        ends: Bool
    ) async throws {
        let stage = try AccessStage(["logout_uri_suffix": "/logout", "logout_query_arg": "bye"])
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        let outcome = try await stage.ask("\(method) https://app.example\(target)", Self.page, from: browser)
        #expect(outcome.passes == !ends)
        #expect((outcome.answer?.status == 303) == ends)
        #expect(outcome.location?.hasPrefix("https://id.example/logout?") ?? false == ends)
        #expect(try await isIn(thief, stage) == !ends)
    }

    @Test(arguments: [
        [], [("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")],
        [("origin", "https://evil.example")],
        [("origin", "null")],
    ])
    func `K9 a POST from elsewhere ends nothing`(_ fields: [(String, String)]) async throws {
        let stage = try AccessStage(["logout_uri_suffix": "/logout"])
        let browser = Browser()
        try await stage.logIn(browser)
        for method in ["POST", "DELETE"] {
            let outcome = try await stage.ask("\(method) https://app.example/logout", fields, from: browser)
            #expect(outcome.refusal?.status == 403)
            #expect(outcome.reason == "cross-site-logout")
        }
        #expect(try await isIn(browser, stage))
    }

    @Test(
        arguments: [
            (page, true), (page + [("sec-fetch-dest", "document")], true),
            ([], false), ([("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], false),
            ([("sec-fetch-site", "same-site"), ("sec-fetch-mode", "navigate")], false),
            ([("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")], false),
            ([("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "no-cors")], false),
            ([("sec-fetch-site", "same-origin")], false), (page + [("sec-purpose", "prefetch")], false),
            (page + [("sec-fetch-dest", "iframe")], false),
        ] as [([(String, String)], Bool)]
    )
    func `K9 a GET ends a session only where it is named, and a page of ours led there`(
        fields: [(String, String)],
        ends: Bool
    ) async throws {
        let stage = try AccessStage(["logout_uri_suffix": "/logout", "logout_methods": ["GET"]])
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        let outcome = try await stage.ask("GET https://app.example/logout", fields, from: browser)
        #expect(outcome.answer?.status == (ends ? 303 : 200))
        if !ends {
            let html = String(decoding: outcome.answer?.body ?? [], as: UTF8.self)
            #expect(html.contains("action=\"/oauth2/sign_out\""))
            #expect(outcome.setCookies == [])
        }
        #expect(try await isIn(thief, stage) == !ends)
    }

    @Test(
        arguments: [
            ["logout_uri_suffix": "/"], ["logout_uri_suffix": ""], ["logout_query_arg": ""],
            ["logout_methods": []], ["logout_post_arg": ""], ["revocation_token_param_name": ""],
        ] as [[String: JSONValue]]
    )
    func `what could not be meant, or is not served, is an error`(_ config: [String: JSONValue]) {
        #expect(throws: ConfigurationError.self) { try AccessStage(config) }
    }

    // MARK: At the issuer

    @Test
    func `RP-Initiated Logout §2 a session without an ID token that fits leads there with client_id alone`()
        async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        // A hint that would make the URL longer than servers read.
        try await stage.logIn(browser, id: ["long": .string(String(repeating: "x", count: 6000))])
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: browser
        )
        let location = try #require(outcome.location)
        #expect(location.utf8.count < 1000)
        #expect(!location.contains("id_token_hint"))
        #expect(location.contains("client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F"))
    }

    @Test func `a session that is over leads to the issuer all the same`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        stage.clock.advance(by: 901)
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: browser
        )
        #expect(outcome.location?.hasPrefix("https://id.example/logout?client_id=app&") == true)
        #expect(browser.cookies.isEmpty)
        let nobody = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: Browser()
        )
        #expect(nobody.answer?.status == 200)
    }

    @Test func `logout_redirect_uri is the way back`() async throws {
        let stage = try AccessStage(["logout_redirect_uri": ["https://www.example/bye"]])
        let browser = Browser()
        try await stage.logIn(browser)
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: browser
        )
        #expect(
            outcome.location?.contains("post_logout_redirect_uri=https%3A%2F%2Fwww.example%2Fbye") == true
        )
    }

    // MARK: Tokens

    @Test(
        arguments: [
            (["logout_revoke": true], ["refresh-1", "opaque-access"]),
            (["logout_revoke": true, "logout_revoke_access_token": false], ["refresh-1"]),
            (["logout_revoke": true, "logout_revoke_refresh_token": false], ["opaque-access"]),
            (["logout_revoke": false], []), ([:], []),
        ] as [([String: JSONValue], [String])]
    )
    func `a logout gives back the tokens that it is told to (RFC 7009)`(
        config: [String: JSONValue],
        tokens: [String]
    ) async throws {
        let stage = try AccessStage(config)
        let browser = Browser()
        try await stage.logIn(browser)
        let seen = Seen()
        stage.issuer.script("/revoke") { request throws(FetchError) in
            seen.add(QueryArguments(request.body)?.single("token") ?? "none")
            return FetchResponse(status: 200, body: [])
        }
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: browser
        )
        #expect(outcome.answer?.status == 303)
        await stage.services.revocations.finish(within: .seconds(10))
        #expect(seen.all == tokens)
    }

    @Test func `an issuer that takes no token back keeps nobody logged in`() async throws {
        let stage = try AccessStage(["logout_revoke": true])
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        stage.issuer.answer("/revoke", ["error": "unsupported_token_type"], status: 400)
        let outcome = try await stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: browser
        )
        #expect(outcome.answer?.status == 303)
        #expect(try await !isIn(thief, stage))
        await stage.services.revocations.finish(within: .seconds(10))
        // What was refused is not asked again.
        #expect(stage.issuer.count("/revoke") == 2)
    }
}

/// What was seen, in order.
final class Seen: Sendable {
    private let words = Mutex<[String]>([])
    var all: [String] { words.withLock { $0 } }
    func add(_ word: String) { words.withLock { $0.append(word) } }
}
