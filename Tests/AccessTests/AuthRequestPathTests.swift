// The callout for nginx: who may ask, about what, and what is answered.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct AuthRequestPathTests {
    private static let url = "GET https://app.example/oauth2/auth"
    private static let original = [("x-original-uri", "/here?q=1")]

    // P1
    @Test func `a stranger may not ask, whatever it shows`() async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask(Self.url, try stage.bearer() + Self.original)
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "untrusted-callout")
    }

    @Test func `a trusted gateway gets 202 with every field, empty where nothing is known (H1)`() async throws
    {
        let stage = try AccessStage()
        let fields = try stage.bearer(["email": "a@example.com", "groups": ["dev", "x,y"]]) + Self.original
        let outcome = try await stage.ask(Self.url, fields, isTrusted: true)
        let answer = try #require(outcome.answer)
        #expect(answer.status == 202)
        #expect(answer.field("x-auth-request-user") == "alice")
        #expect(answer.field("x-auth-request-email") == "a@example.com")
        #expect(answer.field("x-auth-request-preferred-username") == "")
        #expect(answer.field("x-auth-request-groups") == "dev,x%2Cy")
        #expect(answer.field("x-auth-request-access-token")?.hasPrefix("ey") == true)
        #expect(answer.field("authorization")?.hasPrefix("Bearer ey") == true)
        for name in [
            "x-consumer-id", "x-consumer-username", "x-authenticated-groups", "x-credential-identifier",
        ] {
            #expect(answer.field(name) != nil, "\(name)")
        }
    }

    @Test func `a browser gets 401 and the way to the login, an API the challenge alone`() async throws {
        let stage = try AccessStage()
        let page = try await stage.ask(Self.url, AccessStage.navigation + Self.original, isTrusted: true)
        #expect(page.answer?.status == 401)
        #expect(page.answer?.field("x-auth-request-redirect") == "/oauth2/start?rd=%2Fhere%3Fq%3D1")
        #expect(page.answer?.field("www-authenticate") == "Bearer realm=\"id.example\"")
        let api = try await stage.ask(Self.url, Self.original, isTrusted: true)
        #expect(api.answer?.status == 401)
        #expect(api.answer?.field("x-auth-request-redirect") == nil)
    }

    @Test func `a session passes here too, and its renewed cookie goes along`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(
            try await stage.ask(Self.url, Self.original, from: browser, isTrusted: true).answer?.status == 202
        )
        stage.clock.advance(by: 60)
        let outcome = try await stage.ask(Self.url, Self.original, from: browser, isTrusted: true)
        #expect(outcome.answer?.status == 202)
        #expect(outcome.setCookies.count == 1)
        #expect(outcome.answer?.field("cookie") == "")
    }

    // P1
    @Test(arguments: [
        [("x-original-uri", "/a"), ("x-forwarded-uri", "/b")],
        [("x-original-uri", "/a"), ("x-original-uri", "/b")],
        [("x-original-url", "https://app.example/a"), ("x-original-uri", "/b")],
        [("x-original-url", "https://app.example/a"), ("x-rewrite-url", "/b")],
        [("x-original-uri", "/a"), ("x-original-method", "GET"), ("x-forwarded-method", "POST")],
        [("x-original-uri", "evil")], [("x-original-url", "ftp://app.example/a")],
        [("x-original-url", "https://other.example/a"), ("x-forwarded-host", "app.example")],
    ])
    func `what does not name one request is 403`(_ fields: [(String, String)]) async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask(Self.url, try stage.bearer() + fields, isTrusted: true)
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "conflicting-original-request")
    }

    @Test(arguments: [
        [("x-original-uri", "/a"), ("x-forwarded-uri", "/a")],
        [("x-original-uri", "/a"), ("x-original-uri", "/a")],
        [("x-original-url", "https://app.example/a"), ("x-original-uri", "/a")],
    ])
    func `what names one request twice is taken`(_ fields: [(String, String)]) async throws {
        let stage = try AccessStage()
        #expect(
            try await stage.ask(Self.url, try stage.bearer() + fields, isTrusted: true).answer?.status == 202
        )
    }

    @Test func `nothing told is 403, and so is no route`() async throws {
        let stage = try AccessStage()
        let none = try await stage.ask(Self.url, try stage.bearer(), isTrusted: true)
        #expect(none.refusal?.status == 403)
        #expect(none.reason == "no-original-request")
        let fields = [("x-original-url", "https://elsewhere.example/")]
        #expect(
            try await stage.ask(Self.url, try stage.bearer() + fields, isTrusted: true).answer?.status == 403
        )
    }

    // P2, P3
    @Test(arguments: [
        "/a%2f..%2fb", "/a/%2e%2e/../..", "/a/../b", "/a/./b", "//a", "/a//b", "/a/..", "/a/.", "/a#b",
        "/a b", "/a HTTP/1.1", "/a%00", "/%c0%af", "/a;b", "/a%5cb",
    ])
    func `an original request that the guard would refuse is 403`(_ target: String) async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer() + [("x-original-uri", target)]
        let outcome = try await stage.ask(Self.url, fields, isTrusted: true)
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.refusal?.reason == "malformed-original-request")
    }

    @Test(arguments: [
        ("allowed_groups=dev", true), ("allowed_groups=ops", false), ("allowed_groups=ops,dev", true),
        ("allowed_groups=ops&allowed_groups=dev", true), ("allowed_groups=", false),
        ("allowed_emails=A@example.com", true), ("allowed_emails=b@example.com", false),
        ("allowed_email_domains=example.com", true), ("allowed_email_domains=ample.com", false),
        ("allowed_email_domains=.com", true), ("allowed_email_domains=*.example.com", false),
        ("allowed_groups=dev&allowed_email_domains=other.com", false),
    ])
    func `the arguments narrow who passes`(_ query: String, _ passes: Bool) async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer(["email": "a@example.com", "groups": ["dev"]]) + Self.original
        let outcome = try await stage.ask("\(Self.url)?\(query)", fields, isTrusted: true)
        #expect(outcome.answer?.status == (passes ? 202 : 403))
    }

    // P8
    @Test func `an argument that nobody knows is 403 and not ignored`() async throws {
        let stage = try AccessStage()
        let fields = try stage.bearer() + Self.original
        let outcome = try await stage.ask("\(Self.url)?allowed_group=dev", fields, isTrusted: true)
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "unknown-parameter")
    }

    // S8
    @Test(
        arguments: [
            ["email": "a@evil@example.com"], ["email": "a@example.com", "email_verified": false],
            ["email": "a b@example.com"], ["email": "@example.com"],
        ] as [[String: JSONValue]]
    )
    func `an address that is none, or unproven, matches no domain`(_ claims: [String: JSONValue]) async throws
    {
        let stage = try AccessStage()
        let fields = try stage.bearer(claims) + Self.original
        let outcome = try await stage.ask(
            "\(Self.url)?allowed_email_domains=example.com",
            fields,
            isTrusted: true
        )
        #expect(outcome.answer?.status == 403)
    }
}
