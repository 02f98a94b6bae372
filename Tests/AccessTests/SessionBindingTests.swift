// A session that counts only with the client that began it.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct SessionBindingTests {
    private static let here = "GET https://app.example/"

    private func passes(
        _ stage: AccessStage,
        _ browser: Browser,
        _ fields: [(String, String)] = [],
        _ line: String = Self.here,
        from address: String? = nil
    ) async throws -> Bool {
        // A client that was refused has had its cookie taken away: each ask is made with the login's.
        let copy = Browser()
        copy.cookies = browser.cookies
        let peer = try #require(IPAddress(address ?? "192.0.2.7"))
        let outcome = try await stage.ask(line, fields, from: copy) { client in
            client = ClientFacts(peer: peer, isTrustedPeer: false, scheme: client.scheme, port: client.port)
        }
        if !outcome.passes {
            #expect(outcome.refusal?.status == 401 && outcome.reason == "session-bound-elsewhere")
            #expect(copy.cookies.isEmpty)
        }
        return outcome.passes
    }

    @Test(
        arguments: [
            (["ip"], true, false, true), (["user-agent"], false, true, true),
            (["user-agent", "ip"], false, false, true), ([], true, true, true),
        ] as [([JSONValue], Bool, Bool, Bool)]
    )
    func `another client has no session by it, and the client that began it keeps its own`(
        bind: [JSONValue],
        withOtherAgent: Bool,
        fromElsewhere: Bool,
        itself: Bool
    ) async throws {
        let stage = try AccessStage(bind.isEmpty ? [:] : ["session_bind": .array(bind)])
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(try await passes(stage, browser, [("user-agent", "another")]) == withOtherAgent)
        #expect(try await passes(stage, browser, from: "198.51.100.9") == fromElsewhere)
        #expect(try await passes(stage, browser) == itself)
        // What was remembered for one client says nothing of another.
        #expect(try await passes(stage, browser, [("user-agent", "another")]) == withOtherAgent)
    }

    @Test func `a session that was begun before it had to be bound counts no more`() async throws {
        let stage = try AccessStage(["session_bind": ["ip"]])
        let instance = try #require(stage.plan.logins.first)
        let session = Session(id: "x", at: stage.clock.now, issuer: "https://id.example", subject: "alice")
        let browser = Browser()
        browser.take(try instance.sessionCookies.lines(session, https: true, present: 0))
        #expect(try await !passes(stage, browser))
        // Not after it was due to be written anew, either: the answer's cookies bind it to nobody.
        stage.clock.advance(by: 300)
        let outcome = try await stage.ask(Self.here, from: browser)
        #expect(outcome.refusal?.status == 401)
        let line = try #require(
            outcome.setCookies.first { !$0.contains("Max-Age=0") && $0.contains("session-") }
        )
        let thief = Browser()
        thief.take([line])
        #expect(try await stage.ask(Self.here, from: thief).refusal?.status == 401)
    }

    @Test func `who it is, is told to no other client either`() async throws {
        let stage = try AccessStage(["session_bind": ["user-agent"]])
        let browser = Browser()
        try await stage.logIn(browser)
        let line = "GET https://app.example/oauth2/userinfo"
        #expect(try await stage.ask(line, from: browser).answer?.status == 200)
        #expect(try await stage.ask(line, [("user-agent", "x")], from: browser).refusal?.status == 401)
    }

    @Test func `renewed tokens leave it bound`() async throws {
        let stage = try AccessStage(["session_bind": ["ip"]])
        let browser = Browser()
        try await stage.logIn(browser)
        stage.issuer.answer("/token", ["access_token": "next", "token_type": "Bearer", "expires_in": 600])
        stage.clock.advance(by: 601)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        #expect(try await passes(stage, browser))
        #expect(try await !passes(stage, browser, from: "198.51.100.9"))
    }
}
