// Requests that another site makes a browser send.
import Gateway
import JSON
import Testing

@testable import Access

struct CrossSiteRuleTests {
    private static let own = "https://app.example"

    private static func facts(
        _ sites: [String],
        _ origins: [String],
        isUnsafe: Bool = true,
        granted: String? = nil
    ) -> CrossSiteRule.Facts {
        CrossSiteRule.Facts(isUnsafe: isUnsafe, sites: sites, origins: origins, own: own, granted: granted)
    }

    @Test(
        arguments: [
            (["same-origin"], [own], true, true),
            (["none"], [], true, true),
            (["same-site"], ["https://other.example"], true, false),
            (["cross-site"], ["https://evil.example"], false, false),
            (["cross-site"], [], false, false),
            (["cross-site"], [own], false, false),
            (["Cross-Site"], [], false, false),
            (["something-new"], [], false, false),
            (["same-origin", "same-origin"], [own], false, false),
            ([], [own], true, true),
            ([], ["HTTPS://APP.example"], true, true),
            ([], ["https://app.example:8443"], false, false),
            ([], ["http://app.example"], false, false),
            ([], ["null"], false, false),
            ([], [own, own], false, false),
            ([], [], true, true),
        ] as [([String], [String], Bool, Bool)]
    )
    func `a page of another site does not act as the user`(
        sites: [String],
        origins: [String],
        passes: Bool,
        passesStrictly: Bool
    ) {
        let facts = Self.facts(sites, origins)
        #expect(CrossSiteRule(.crossSite).passes(facts) == passes)
        #expect(CrossSiteRule(.sameOrigin).passes(facts) == passesStrictly)
        #expect(CrossSiteRule(.off).passes(facts))
        var harmless = facts
        harmless.isUnsafe = false
        #expect(CrossSiteRule(.sameOrigin).passes(harmless))
    }

    @Test func `a page that is trusted by name, or by cors with credentials, may`() {
        let rule = CrossSiteRule(.sameOrigin, trusted: ["https://spa.example"])
        #expect(rule.passes(Self.facts(["cross-site"], ["https://spa.example"])))
        #expect(!rule.passes(Self.facts(["cross-site"], ["https://spa.example.evil.example"])))
        #expect(!rule.passes(Self.facts(["cross-site"], ["null"], granted: nil)))
        let granted = Self.facts(["cross-site"], ["https://cors.example"], granted: "https://cors.example")
        #expect(rule.passes(granted))
        #expect(
            !rule.passes(
                Self.facts(["cross-site"], ["https://evil.example"], granted: "https://cors.example")
            )
        )
        #expect(!rule.passes(Self.facts(["cross-site"], [], granted: "https://cors.example")))
    }

    private static let here = "https://app.example/"
    private static let foreign = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]

    @Test(arguments: ["POST", "PUT", "PATCH", "DELETE", "MOVE"])
    func `a session is not used for it, and is not ended by it`(method: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let outcome = try await stage.ask("\(method) \(Self.here)", Self.foreign, from: browser)
        #expect(outcome.refusal?.status == 403 && outcome.reason == "cross-site-request")
        #expect(
            try await stage.ask("\(method) \(Self.here)", [("origin", "https://app.example")], from: browser)
                .passes
        )
        #expect(try await stage.ask("GET \(Self.here)", Self.foreign, from: browser).passes)
    }

    @Test func `a tunnel of another site's page is not opened`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let tunnel = [("connection", "upgrade"), ("upgrade", "websocket")]
        #expect(
            try await stage.ask("GET \(Self.here)", Self.foreign + tunnel, from: browser).reason
                == "cross-site-request"
        )
        #expect(
            try await stage.ask(
                "GET \(Self.here)",
                tunnel + [("origin", "https://app.example")],
                from: browser
            ).passes
        )
    }

    @Test func `a token that the page itself shows is the page's own`() async throws {
        let stage = try AccessStage()
        #expect(try await stage.ask("POST \(Self.here)", Self.foreign + (try stage.bearer())).passes)
    }

    @Test func `a token in a cookie is a cookie`() async throws {
        let stage = try AccessStage([
            "bearer_token_param_type": ["header", "cookie"], "bearer_token_cookie_name": "token",
        ])
        let cookie = [("cookie", "token=\(try stage.key.sign(stage.claims()))")]
        #expect(
            try await stage.ask("POST \(Self.here)", Self.foreign + cookie).reason == "cross-site-request"
        )
        #expect(try await stage.ask("POST \(Self.here)", cookie).passes)
    }

    @Test(arguments: [
        "https://app.example/", "app.example", "https://APP.example", "null", "https://*.example",
        "https://a.example:443",
    ])
    func `an origin that no browser would write is refused`(text: String) throws {
        let error = #expect(throws: ConfigurationError.self) {
            try AccessStage(["csrf_trusted_origins": [.string(text)]])
        }
        #expect(error?.diagnostics.contains { $0.message.hasPrefix("csrf_trusted_origins: ") } ?? false)
    }
}
