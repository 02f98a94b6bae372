// What a client hands through to the token endpoint with a credential of its own, and what it is told besides.
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct TokenRequestTermsTests {
    private static let basic = [("authorization", "Basic YWxpY2U6c2VjcmV0")]

    private static func stage(_ more: [String: JSONValue]) throws -> AccessStage {
        let stage = try AccessStage(["auth_methods": ["password"]].merging(more) { one, _ in one })
        stage.issuer.script("/token") { _ throws(FetchError) in
            let document: JSONValue = [
                "access_token": "granted", "token_type": "Bearer", "expires_in": 600,
            ]
            return FetchResponse(
                status: 200,
                fields: [("X-Quota", "7"), ("x-quota", "8"), ("X-Other", "secret")],
                body: document.serialized()
            )
        }
        return stage
    }

    @Test func `fields and arguments that are named go along, once, and bounded`() async throws {
        let stage = try Self.stage([
            "token_headers_client": ["X-Device"], "token_post_args_client": ["scope", "tenant"],
        ])
        let url = "GET https://app.example/?scope=read+write&tenant=a&tenant=b&other=c"
        let fields = Self.basic + [("x-device", "phone"), ("x-stranger", "no")]
        #expect(try await stage.ask(url, fields).passes)
        let form = try #require(stage.issuer.form("/token"))
        #expect(form.single("scope") == "read write" && form.count(of: "tenant") == 0)
        #expect(form.count(of: "other") == 0 && form.single("grant_type") == "password")
        #expect(stage.issuer.field("/token", "X-Device") == "phone")
        #expect(stage.issuer.field("/token", "X-Stranger") == nil)
        let long = String(repeating: "l", count: OpenIDConnect.longestHandedThrough + 1)
        #expect(try await stage.ask("GET https://app.example/", Self.basic + [("x-device", long)]).passes)
        #expect(stage.issuer.field("/token", "X-Device") == nil)
    }

    // H4, A18: what was handed through tells grants apart.
    @Test func `a grant with other words is another grant`() async throws {
        let stage = try Self.stage([
            "token_headers_client": ["X-Device"], "token_post_args_client": ["tenant"],
        ])
        for (count, query, device) in [
            (1, "", "one"), (1, "", "one"), (2, "", "two"), (3, "?tenant=one", "one"),
            (3, "?tenant=one", "one"),
            (4, "?tenant=two", "one"), (5, "?tenant=one", "two"),
        ] {
            let fields = Self.basic + [("x-device", device)]
            #expect(try await stage.ask("GET https://app.example/\(query)", fields).passes)
            #expect(stage.issuer.count("/token") == count)
        }
    }

    @Test func `the client is told the fields that are named, under the prefix, from memory too`()
        async throws
    {
        let stage = try Self.stage(["token_headers_replay": ["X-Quota"], "token_headers_prefix": "Idp-"])
        for _ in 0..<2 {
            let outcome = try await stage.ask("GET https://app.example/", Self.basic)
            let told = outcome.passage.answer.added.map { "\($0.name): \($0.value)".lowercased() }
            #expect(told == ["idp-x-quota: 7", "idp-x-quota: 8"])
        }
        #expect(stage.issuer.count("/token") == 1)
        let other = try Self.stage([
            "token_headers_replay": ["X-Quota"], "token_headers_grants": ["client_credentials"],
        ])
        let silent = try await other.ask("GET https://app.example/", Self.basic)
        #expect(silent.passes && silent.passage.answer.value(of: "x-quota") == nil)
    }

    @Test(
        arguments: [
            (["token_headers_client": ["Cookie"]], "token_headers_client"),
            (["token_headers_client": ["Authorization"]], "token_headers_client"),
            (["token_headers_client": ["a b"]], "token_headers_client"),
            (["token_post_args_client": ["username"]], "token_post_args_client"),
            (["token_post_args_client": ["client_secret"]], "token_post_args_client"),
            (
                [
                    "token_post_args_client": ["x"], "token_post_args_names": ["x"],
                    "token_post_args_values": ["1"],
                ], "token_post_args_client"
            ),
            (["token_headers_replay": ["Set-Cookie"]], "token_headers_replay"),
            (["token_headers_replay": ["Cookie"], "token_headers_prefix": "Set-"], "token_headers_replay"),
            (["token_headers_grants": ["authorization_code"]], "token_headers_grants"),
            (["logout_post_arg": ""], "logout_post_arg"),
            (["logout_post_arg": "logout", "logout_methods": ["DELETE"]], "logout_post_arg"),
        ] as [([String: JSONValue], String)]
    )
    func `what nobody may hand through is said at its place`(config: [String: JSONValue], field: String) {
        #expect {
            _ = try AccessStage(config)
        } throws: { error in
            "\(error)".contains("\(field): ")
        }
    }

    // MARK: logout_post_arg

    private static let form = [
        ("content-type", "application/x-www-form-urlencoded"), ("content-length", "9"),
    ]
    private static let own = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate")]

    // K9
    @Test func `a form with the argument ends the session, one without goes on, another site's does nothing`()
        async throws
    {
        let stage = try AccessStage(["logout_post_arg": "logout"])
        let browser = Browser()
        try await stage.logIn(browser)
        let line = "POST https://app.example/orders"
        #expect(try await stage.ask(line, Self.form + Self.own, from: browser, body: "amount=10").passes)
        let foreign = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]
        let theirs = try await stage.ask(line, Self.form + foreign, from: browser, body: "logout=yes")
        #expect(theirs.reason == "cross-site-logout")
        #expect(try await stage.ask("GET https://app.example/", from: browser).passes)
        // A form that nobody has encoded as one is not read.
        let text = [("content-type", "text/plain"), ("content-length", "9")] + Self.own
        #expect(try await stage.ask(line, text, from: browser, body: "logout=yes").passes)
        let outcome = try await stage.ask(line, Self.form + Self.own, from: browser, body: "logout=yes")
        #expect(outcome.answer?.status == 303)
        #expect(!browser.cookies.keys.contains { $0.contains("session-") })
    }

    // S9
    @Test func `a form that was read for it is kept through a login all the same`() async throws {
        let stage = try AccessStage(["logout_post_arg": "logout"])
        let fields = Self.form + Self.own + [("accept", "text/html")]
        let outcome = try await stage.ask(
            "POST https://app.example/orders",
            fields,
            from: Browser(),
            body: "amount=10"
        )
        #expect(outcome.answer?.status == 303)
        #expect(outcome.setCookies.contains { $0.contains("-form-") || $0.contains("form") })
    }
}
