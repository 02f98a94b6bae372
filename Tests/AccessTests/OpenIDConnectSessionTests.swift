// Sessions: how they go on, are renewed, and end.
import Cryptography
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectSessionTests {
    private static let here = "GET https://app.example/here?q=1"

    // MARK: Outage

    @Test func `while the issuer is down sessions go on and new logins are 503`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        stage.issuer.goDown()
        stage.clock.advance(by: 30)
        #expect(try await stage.ask(Self.here, AccessStage.navigation, from: browser).passes)
        let new = try await stage.ask(Self.here, AccessStage.navigation, from: Browser())
        #expect(new.refusal?.status == 503)
        #expect(new.reason == "issuer-unreachable")
        stage.issuer.goDown(false)
        stage.clock.advance(by: 10)
        #expect(try await stage.ask(Self.here, AccessStage.navigation, from: Browser()).answer?.status == 302)
    }

    // MARK: Session

    @Test func `a session's cookie is written anew after a minute, and ends when it lies unused`()
        async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 100_000])
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.here, from: browser).setCookies == [])
        stage.clock.advance(by: 1)
        let old = browser.cookies
        #expect(try await stage.ask(Self.here, from: browser).setCookies.count == 1)
        #expect(browser.cookies != old)
        stage.clock.advance(by: 899)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        stage.clock.advance(by: 900)
        let late = try await stage.ask(Self.here, from: browser)
        #expect(late.reason == "no-credential")
        #expect(browser.cookies.isEmpty)
    }

    // A17, D9
    @Test func `tokens are renewed once for many requests, and the rotated one is used next`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.answer(
            "/token",
            [
                "access_token": "second", "token_type": "bearer", "expires_in": 60,
                "refresh_token": "refresh-2",
            ]
        )
        let old = browser.cookies
        let first = try await stage.ask(Self.here, from: browser)
        #expect(first.upstream(.authorization) == "Bearer second")
        #expect(stage.issuer.form("/token")?.single("refresh_token") == "refresh-1")
        let late = Browser()
        late.cookies = old
        for _ in 0..<10 {
            #expect(try await stage.ask(Self.here, from: late).upstream(.authorization) == "Bearer second")
            late.cookies = old
        }
        #expect(stage.issuer.count("/token") == 2)
        stage.clock.advance(by: 60)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        #expect(stage.issuer.form("/token")?.single("refresh_token") == "refresh-2")
    }

    @Test func `a refresh token that the issuer takes no more ends the session (A17)`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        let outcome = try await stage.ask(Self.here, from: browser)
        #expect(outcome.refusal?.status == 401)
        #expect(browser.cookies.isEmpty)
    }

    @Test func `when the issuer is down at the refresh the session goes on`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        stage.issuer.goDown()
        #expect(try await stage.ask(Self.here, from: browser).passes)
    }

    @Test func `an access token that ends without a refresh token ends the session`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60, "refresh_token": .null])
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.here, from: browser).passes)
        stage.clock.advance(by: 1)
        #expect(try await stage.ask(Self.here, from: browser).reason == "no-credential")
    }

    // S4, V2
    @Test func `a new login gives a new session and the old one is dead`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let thief = Browser()
        thief.cookies = browser.cookies
        let asked = try await stage.ask(
            "GET https://app.example/oauth2/start?rd=/again",
            AccessStage.navigation,
            from: browser
        )
        let location = try #require(asked.location)
        let arguments = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        try stage.grant(nonce: try #require(arguments.single("nonce")))
        let end = try await stage.comeBack(browser, state: try #require(arguments.single("state")))
        #expect(end.location == "/again")
        #expect(try await stage.ask(Self.here, from: browser).passes)
        #expect(try await stage.ask(Self.here, from: thief).reason == "no-credential")
    }

    @Test func `claims of the ID token decide for a session, and a JWT access token before it`() async throws
    {
        let stage = try AccessStage(["groups_required": ["admin"], "forbidden_destroy_session": false])
        let browser = Browser()
        try await stage.logIn(browser, id: ["groups": ["admin"]])
        #expect(try await stage.ask(Self.here, from: browser).passes)
        let other = Browser()
        let access = try stage.key.sign(stage.claims(["groups": ["user"], "aud": "account"]))
        try await stage.logIn(other, id: ["groups": ["admin"]], answer: ["access_token": .string(access)])
        let outcome = try await stage.ask(Self.here, from: other)
        #expect(outcome.reason == "missing-group")
        #expect(other.cookies.count == 1)
    }

    @Test func `a 403 ends the session unless it is told not to, as in Kong`() async throws {
        let stage = try AccessStage(["groups_required": ["admin"]])
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(try await stage.ask(Self.here, from: browser).refusal?.status == 403)
        #expect(browser.cookies.isEmpty)
    }

    @Test func `a tampered session is none, and its cookie goes`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let (name, value) = try #require(browser.cookies.first)
        let middle = value.index(value.startIndex, offsetBy: value.count / 2)
        browser.cookies[name] = value.replacingCharacters(at: middle, with: value[middle] == "A" ? "B" : "A")
        #expect(try await stage.ask(Self.here, from: browser).reason == "no-credential")
        #expect(browser.cookies.isEmpty)
    }
}

extension String {
    fileprivate func replacingCharacters(at index: String.Index, with character: Character) -> String {
        var copy = self
        copy.replaceSubrange(index...index, with: [character])
        return copy
    }
}
