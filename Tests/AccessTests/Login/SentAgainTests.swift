// The click that sends a form again: each rule from either side.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct SentAgainTests {
    private static let line = "POST https://app.example/orders?id=7"
    private static let navigation = [
        ("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"),
    ]
    private static let type = "multipart/form-data; boundary=x"
    private static let binary = Array("--x\r\n".utf8) + (0...255).map { UInt8($0) } + Array("\r\n--x--".utf8)

    private static func click(_ changes: [String: String?] = [:]) -> [(String, String)] {
        let usual =
            navigation + [
                ("content-type", "application/x-www-form-urlencoded"),
                ("content-length", String(FormCookie.sentOctets)),
            ]
        return usual.compactMap { name, value in
            guard let change = changes[name] else { return (name, value) }
            return change.map { (name, $0) }
        }
    }

    /// Sends a form without a session and logs in; gives the small form of the page at the end.
    private func wait(
        _ stage: AccessStage,
        _ browser: Browser,
        _ octets: [UInt8] = binary,
        type: String? = type
    ) async throws -> (path: String, small: String) {
        let fields = Self.navigation + (type.map { [("content-type", $0)] } ?? [])
        let out = try await stage.ask(Self.line, fields, from: browser, octets: octets)
        #expect(out.answer?.status == 303)
        return try await land(stage, browser, out)
    }

    private func land(
        _ stage: AccessStage,
        _ browser: Browser,
        _ out: Outcome
    ) async throws -> (path: String, small: String) {
        let location = try #require(out.location)
        let query = Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())
        let asked = try #require(QueryArguments(query))
        try stage.grant(nonce: try #require(asked.single("nonce")))
        let end = try await stage.comeBack(browser, state: try #require(asked.single("state")))
        let path = try #require(end.location)
        return (path, try small(try await show(stage, browser, path)))
    }

    private func show(_ stage: AccessStage, _ browser: Browser, _ path: String) async throws -> Outcome {
        try await stage.ask("GET https://app.example\(path)", AccessStage.navigation, from: browser)
    }

    private func small(_ page: Outcome) throws -> String {
        let html = String(decoding: try #require(page.answer).body, as: UTF8.self)
        let start = try #require(html.firstRange(of: "name=\"gatehouse-kept\" value=\"")).upperBound
        return "gatehouse-kept=\(html[start...].prefix { $0 != "\"" })"
    }

    private func send(
        _ stage: AccessStage,
        _ browser: Browser,
        _ small: String,
        _ changes: [String: String?] = [:],
        line: String = line
    ) async throws -> Outcome {
        try await stage.ask(line, Self.click(changes), from: browser, body: small)
    }

    @Test(
        arguments: [
            (Self.type, Self.binary), (Self.type, [UInt8](repeating: 0, count: 40_000)),
            ("application/json", Array("{\"a\": 1}".utf8)), (nil, [1, 2]),
            ("text/plain;charset=latin1", [0xE9]),
            ("application/x-www-form-urlencoded", Array("a=1&b=".utf8)), ("text/plain", []),
        ] as [(String?, [UInt8])]
    )
    func `the click sends what was kept, octet for octet, once (S9)`(
        type: String?,
        octets: [UInt8]
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (path, small) = try await wait(stage, browser, octets, type: type)
        #expect(small.utf8.count == FormCookie.sentOctets)
        let sent = try await send(stage, browser, small)
        #expect(sent.passes)
        #expect(sent.replacedBody == KeptBody(contentType: type, octets: octets))
        let request = sent.passage.request
        #expect(request.string(of: .contentType) == type && request.count(of: .contentType) <= 1)
        #expect(request.string(of: "content-length") == String(octets.count))
        #expect(request.pathAndQuery.elementsEqual("/orders?id=7".utf8))
        #expect(sent.upstream("authorization") == "Bearer opaque-access")
        #expect(!browser.cookies.keys.contains { $0.contains("-form-") })
        let again = try await send(stage, browser, small)
        #expect(again.reason == "form-not-found" && again.replacedBody == nil)
        #expect(again.refusal?.cause.wayOn?.target == "https://app.example/orders?id=7")
        #expect(try await show(stage, browser, path).reason == "form-not-found")
    }

    @Test func `a copy of the cookie sends nothing a second time`() async throws {
        for octets in [Array("short".utf8), [UInt8](repeating: 1, count: 5000)] {
            let stage = try AccessStage()
            let browser = Browser()
            let (_, small) = try await wait(stage, browser, octets)
            let copy = browser.copy()
            #expect(try await send(stage, browser, small).passes)
            #expect(try await send(stage, copy, small).reason == "form-not-found")
        }
    }

    // S9, K9: each rule's other side; nothing is forwarded, and the form still waits.
    @Test(
        arguments: [
            ["sec-fetch-site": "cross-site"], ["sec-fetch-site": "same-site"], ["sec-fetch-site": "none"],
            ["sec-fetch-site": nil], ["sec-fetch-mode": "cors"], ["sec-fetch-mode": "no-cors"],
            ["accept": "application/json"],
        ] as [[String: String?]]
    )
    func `what is no navigation of this origin sends nothing (S9, K9)`(
        _ changes: [String: String?]
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        let refused = try await send(stage, browser, small, changes)
        #expect(refused.reason == "form-not-found" && refused.replacedBody == nil)
        #expect(try await send(stage, browser, small).passes)
    }

    @Test func `an origin that is written counts where the browser says no site`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        for (origin, isSent) in [
            ("https://evil.example", false), ("null", false), ("https://app.example", true),
        ] {
            let fields = Self.click(["sec-fetch-site": nil]) + [("origin", origin)]
            let outcome = try await stage.ask(Self.line, fields, from: browser, body: small)
            #expect(outcome.passes == isSent && (outcome.replacedBody != nil) == isSent)
        }
    }

    @Test func `another address, another origin and another browser send nothing`() async throws {
        let stage = try AccessStage(hosts: ["app.example", "other.example"])
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        for line in [
            "POST https://app.example/orders?id=8", "POST https://app.example/",
            "POST https://other.example/orders?id=7",
        ] {
            #expect(try await send(stage, browser, small, line: line).reason == "form-not-found")
        }
        let other = Browser()
        try await stage.logIn(other)
        #expect(try await send(stage, other, small).reason == "form-not-found")
        #expect(try await send(stage, browser, small).passes)
    }

    @Test func `one form's name does not send another's`() async throws {
        let stage = try AccessStage()
        let (one, other) = (Browser(), Browser())
        let (_, mine) = try await wait(stage, one, Array("mine".utf8))
        let (_, foreign) = try await wait(stage, other, Array("foreign".utf8))
        #expect(try await send(stage, one, foreign).reason == "form-not-found")
        #expect(try await send(stage, one, mine).replacedBody?.octets == Array("mine".utf8))
    }

    @Test func `without a session the click leads to the login, and the form waits on`() async throws {
        for octets in [Array("short".utf8), [UInt8](repeating: 1, count: 5000)] {
            let stage = try AccessStage()
            let browser = Browser()
            let (path, small) = try await wait(stage, browser, octets)
            browser.cookies = browser.cookies.filter { $0.key.contains("-form-") }
            let out = try await send(stage, browser, small)
            #expect(out.answer?.status == 303 && out.replacedBody == nil)
            let landed = try await land(stage, browser, out)
            #expect(landed.path == path)
            #expect(try await send(stage, browser, landed.small).replacedBody?.octets == octets)
        }
    }

    @Test func `what is refused after the click waits on`() async throws {
        for octets in [Array("short".utf8), [UInt8](repeating: 1, count: 5000)] {
            let stage = try AccessStage(["scopes_required": ["write"], "forbidden_destroy_session": false])
            let browser = Browser()
            let (_, small) = try await wait(stage, browser, octets)
            for _ in 0..<2 {
                let refused = try await send(stage, browser, small)
                #expect(refused.refusal?.status == 403 && refused.replacedBody != nil)
                #expect(browser.cookies.keys.contains { $0.contains("-form-") })
            }
        }
    }

    @Test func `a session that turns out to be over keeps the form`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (path, small) = try await wait(stage, browser)
        stage.clock.advance(by: 590)
        stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        stage.clock.advance(by: 9)
        let out = try await send(stage, browser, small)
        if out.passes { return #expect(out.replacedBody?.octets == Self.binary) }
        #expect(out.answer?.status == 303)
        #expect(browser.cookies.keys.contains { $0.contains("-form-") })
        #expect(try await land(stage, browser, out).path == path)
    }

    // MARK: An application's own

    @Test(arguments: [
        "gatehouse-kept=" + String(repeating: "a", count: 98), "a=" + String(repeating: "b", count: 111),
        "gatehouse-kept=" + String(repeating: "%", count: 98),
    ])
    func `an application's own form of that length passes as it is`(_ body: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(body.utf8.count == FormCookie.sentOctets)
        let outcome = try await send(stage, browser, body)
        #expect(outcome.passes && outcome.replacedBody == nil)
        #expect(outcome.passage.request.string(of: "content-length") == "113")
    }

    @Test func `an altered name is nobody's, and what our keys do not open is not kept as a form`()
        async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        let altered = String(small.dropLast(20)) + String(repeating: "A", count: 20)
        let outcome = try await send(stage, browser, altered)
        #expect(outcome.passes && outcome.replacedBody == nil)
        #expect(try await send(stage, Browser(), altered).reason == "form-not-found")
        #expect(try await send(stage, browser, small).passes)
    }

    @Test func `a body of another length or type is not read`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        for changes in [["content-length": "112"], ["content-type": "text/plain"]] {
            let outcome = try await send(stage, browser, small, changes)
            #expect(outcome.passes && outcome.replacedBody == nil)
            #expect(outcome.passage.note(at: ReadForm.place) == nil)
        }
    }

    @Test func `a small form of unknown length is known by the cookie`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        let fields = Self.click(["content-length": nil]) + [("transfer-encoding", "chunked")]
        let sent = try await stage.ask(Self.line, fields, from: browser, body: small)
        #expect(sent.replacedBody?.octets == Self.binary)
        #expect(sent.passage.request.count(of: "transfer-encoding") == 0)
    }

    // MARK: Rules that read the body

    @Test func `a rule that reads forms reads what was kept`() async throws {
        let stage = try AccessStage(["logout_post_arg": "bye"])
        let browser = Browser()
        let urlencoded = "application/x-www-form-urlencoded"
        let (_, small) = try await wait(stage, browser, Array("a=1".utf8), type: urlencoded)
        let sent = try await send(stage, browser, small)
        #expect(sent.passes && sent.replacedBody?.octets == Array("a=1".utf8))
    }

    @Test func `with sessions in a store the click is the same`() async throws {
        let stage = try AccessStage(
            ["session_storage": "redis"],
            vault: { clock in MemoryVault(clock: { clock.now }) }
        )
        let browser = Browser()
        let (_, small) = try await wait(stage, browser)
        #expect(try await send(stage, Browser(), small).reason == "form-not-found")
        #expect(try await send(stage, browser, small).replacedBody?.octets == Self.binary)
    }
}
