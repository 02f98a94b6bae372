// Forms that are sent without a session: kept through the login, and sent again by a click alone.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct FormLoginTests {
    private static let line = "POST https://app.example/orders?id=7"
    private static let form = [
        ("accept", "text/html"), ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
    ]
    private static let body = "name=Ann+%26+Bob&note=%3Cb%3E%0D%0A%22x%22&name=two"

    private func with(_ name: String, _ value: String?) -> [(String, String)] {
        Self.form.filter { $0.0 != name } + (value.map { [(name, $0)] } ?? [])
    }

    /// Sends a form and logs in; gives the page that waits at the end.
    private func send(
        _ stage: AccessStage,
        _ browser: Browser,
        _ fields: [(String, String)] = form,
        body: String = body
    ) async throws -> (path: String, page: Outcome) {
        let out = try await stage.ask(Self.line, fields, from: browser, body: body)
        #expect(out.answer?.status == 303)
        let location = try #require(out.location)
        let asked = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let end = try await stage.comeBack(browser, state: try #require(asked.single("state")))
        let path = try #require(end.location)
        return (
            path, try await stage.ask("GET https://app.example\(path)", AccessStage.navigation, from: browser)
        )
    }

    // S9
    @Test func `a form waits behind the login, and a click sends it where it was going`() async throws {
        let stage = try AccessStage(["login_redirect_uri": ["https://app.example/welcome"]])
        let (path, page) = try await send(stage, Browser())
        #expect(path.hasPrefix("/oauth2/resume?form="))
        let answer = try #require(page.answer)
        #expect(answer.status == 200)
        let html = String(decoding: answer.body, as: UTF8.self)
        #expect(html.contains("action=\"https://app.example/orders?id=7\""))
        #expect(html.contains("It will be sent to https://app.example/orders?id=7"))
        #expect(html.contains("<input type=\"hidden\" name=\"gatehouse-kept\" value=\""))
        #expect(html.components(of: "<input") == 1 && html.components(of: "<button") == 1)
        #expect(!html.contains("Ann"))
        #expect(!html.contains("<script"))
        #expect(answer.field("referrer-policy") == "same-origin")
        #expect(answer.field("content-security-policy")?.contains("frame-ancestors 'none'") ?? false)
    }

    @Test func `a long form waits in memory, and a short one in the browser alone`() async throws {
        let stage = try AccessStage()
        let long = "text=\(String(repeating: "a", count: 20_000))"
        let browser = Browser()
        let short = Browser()
        for (browser, body) in [(browser, long), (short, Self.body)] {
            #expect(try await send(stage, browser, body: body).page.answer?.status == 200)
            #expect(browser.cookies.allSatisfy { $0.key.utf8.count + $0.value.utf8.count < 4096 })
        }
    }

    @Test func `a form that memory has lost is said to be lost, and where it was going`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (path, _) = try await send(stage, browser, body: "text=\(String(repeating: "a", count: 20_000))")
        stage.clock.advance(by: 300)
        let page = try await stage.ask(
            "GET https://app.example\(path)",
            AccessStage.navigation,
            from: browser
        )
        #expect(page.answer?.status == 200)
        // What the cookie says outlives a restart; the memory does not.
        var restarted = try AccessStage()
        restarted.clock.advance(by: 300)
        restarted.worker = Worker(index: 0)
        let lost = try await restarted.ask(
            "GET https://app.example\(path)",
            AccessStage.navigation,
            from: browser
        )
        #expect(lost.reason == "form-not-found")
        #expect(lost.refusal?.status == 404)
        #expect(lost.refusal?.cause.wayOn?.target == "https://app.example/orders?id=7")
    }

    // S9, K9: a cross-site form gains nothing.
    @Test(
        arguments: [
            ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("sec-fetch-site", "none"),
            ("sec-fetch-site", nil), ("sec-fetch-mode", "cors"), ("sec-fetch-mode", "no-cors"),
            ("accept", "application/json"),
        ] as [(String, String?)]
    )
    func `a form of another site, and what is no navigation, is 401 and kept nowhere`(
        name: String,
        value: String?
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let outcome = try await stage.ask(Self.line, with(name, value), from: browser, body: Self.body)
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.reason == "no-credential")
        #expect(browser.cookies.isEmpty)
    }

    @Test(arguments: [
        ("https://app.example", true), ("http://app.example", false), ("https://app.example:444", false),
        ("https://evil.example", false), ("null", false), ("https://app.example.evil.example", false),
    ])
    func `where the browser says no site, the origin counts`(origin: String, isKept: Bool) async throws {
        let stage = try AccessStage()
        let fields = with("sec-fetch-site", nil) + [("origin", origin)]
        let outcome = try await stage.ask(Self.line, fields, from: Browser(), body: Self.body)
        #expect((outcome.answer?.status == 303) == isKept)
    }

    @Test(arguments: ["PUT", "PATCH", "DELETE"])
    func `other methods are no forms`(_ method: String) async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask("\(method) https://app.example/x", Self.form, body: Self.body)
        #expect(outcome.reason == "no-credential")
    }

    // MARK: What cannot be kept

    @Test(arguments: [("content-encoding", "gzip"), ("content-type", "text/plain")])
    func `what cannot be kept stays in the browser, behind a page that says so`(
        name: String,
        value: String
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let outcome = try await stage.ask(Self.line, Self.form + [(name, value)], from: browser, body: "a=1")
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.reason == "form-not-kept")
        let way = try #require(outcome.refusal?.cause.wayOn)
        #expect(way.isBeside && way.target == "/oauth2/start?again=1&rd=%2Forders%3Fid%3D7")
        #expect(browser.cookies.isEmpty)
    }

    @Test func `a form is kept up to its limit`() async throws {
        let stage = try AccessStage(["kept_body_bytes": 100])
        let body = { (count: Int) in "a=" + String(repeating: "b", count: count - 2) }
        #expect(try await stage.ask(Self.line, Self.form, body: body(100)).answer?.status == 303)
        #expect(try await stage.ask(Self.line, Self.form, body: body(101)).reason == "form-not-kept")
        let none = try AccessStage(["kept_body_bytes": 0])
        #expect(try await none.ask(Self.line, Self.form, body: "").reason == "form-not-kept")
    }

    @Test func `a browser has at most three forms waiting, and loses none to a fourth`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        for _ in 0..<FormCookie.maximumForms {
            #expect(
                try await stage.ask(Self.line, Self.form, from: browser, body: Self.body).answer?.status
                    == 303
            )
        }
        let waiting = browser.cookies.keys.filter { $0.contains("-form-") }
        #expect(waiting.count == FormCookie.maximumForms)
        #expect(
            try await stage.ask(Self.line, Self.form, from: browser, body: Self.body).reason
                == "form-not-kept"
        )
        #expect(browser.cookies.keys.filter { $0.contains("-form-") } == waiting)
    }

    // MARK: Whose form it is

    @Test func `another browser does not see a form, whatever its address (S3)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (path, _) = try await send(stage, browser)
        let other = Browser()
        try await stage.logIn(other)
        let outcome = try await stage.ask(
            "GET https://app.example\(path)",
            AccessStage.navigation,
            from: other
        )
        #expect(outcome.reason == "form-not-found")
        for (name, value) in browser.cookies where name.contains("-form-") {
            other.cookies[name] = "1." + String(value.dropFirst(2).reversed())
        }
        #expect(try await stage.ask("GET https://app.example\(path)", from: other).reason == "form-not-found")
    }

    @Test func `without a session the page asks for a login first`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (path, _) = try await send(stage, browser)
        browser.cookies = browser.cookies.filter { $0.key.contains("-form-") }
        let outcome = try await stage.ask(
            "GET https://app.example\(path)",
            AccessStage.navigation,
            from: browser
        )
        #expect(outcome.answer?.status == 302)
        #expect(outcome.location?.hasPrefix("https://id.example/authorize?") ?? false)
    }

    @Test func `the cookie of a form reaches no upstream (K8)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        _ = try await send(stage, browser)
        browser.cookies["theme"] = "dark"
        let outcome = try await stage.ask("GET https://app.example/x", AccessStage.navigation, from: browser)
        #expect(outcome.upstream(.cookie) == "theme=dark")
    }

    @Test func `where nobody needs to log in, a form goes on as nobody's`() async throws {
        let stage = try AccessStage(["anonymous": "guest"], consumers: [Consumer(id: "g", username: "guest")])
        let outcome = try await stage.ask(Self.line, Self.form, body: Self.body)
        #expect(outcome.passes)
        #expect(outcome.passage.identity?.isAnonymous ?? false)
    }
}

extension String {
    /// How often a text stands in this one.
    fileprivate func components(of text: String) -> Int {
        var count = 0
        var rest = self[...]
        while let found = rest.firstRange(of: text) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }
}
