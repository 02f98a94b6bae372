// What a page's script asks so that its session goes on, and what it is told where it cannot.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct RenewalPathTests {
    private typealias Scene = RememberingScene
    private static let line = "POST https://app.example/oauth2/renew"
    private static let own = [
        ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), ("accept", "*/*"),
    ]

    private static func ask(
        _ scene: Scene,
        _ browser: Browser? = nil,
        _ fields: [(String, String)] = own,
        line: String = line
    ) async throws -> Outcome {
        try await scene.stage.ask(line, fields, from: browser ?? scene.browser)
    }

    private static func body(_ outcome: Outcome) throws -> JSONValue {
        try JSONValue(parsing: try #require(outcome.answer).body)
    }

    @Test(arguments: SessionPlace.allCases)
    func `it says how long session and token last, and renews the token when that is due`(
        place: SessionPlace
    ) async throws {
        let scene = try Scene(place, ["session_remember": false])
        try await scene.logIn()
        let fresh = try Self.body(try await Self.ask(scene))
        #expect(fresh["expires_in"]?.integer == 900 && fresh["token_expires_in"]?.integer == 600)
        #expect(scene.stage.issuer.count("/token") == 1)
        scene.stage.clock.advance(by: 600)
        let renewed = try Self.body(try await Self.ask(scene))
        #expect(renewed["token_expires_in"]?.integer == 600 && renewed["expires_in"]?.integer == 900)
        #expect(scene.stage.issuer.count("/token") == 2)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer renewed-2")
    }

    @Test(arguments: SessionPlace.allCases)
    func `it brings a remembered session back`(place: SessionPlace) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.browser.restart()
        scene.stage.clock.advance(by: 2_000)
        #expect(try await Self.ask(scene).answer?.status == 200)
        #expect(scene.browser.cookies.keys.contains { $0.contains("session-") })
    }

    @Test(arguments: SessionPlace.allCases)
    func `without a session it is 401 with the way to a login, and no redirect`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place, ["session_remember": false])
        try await scene.logIn()
        scene.stage.clock.advance(by: 900)
        let page = Self.own + [("referer", "https://app.example/orders?page=2")]
        let over = try await Self.ask(scene, nil, page)
        #expect(over.refusal?.status == 401)
        #expect(over.refusal?.cause.loginURL == "/oauth2/start?rd=%2Forders%3Fpage%3D2")
        let stranger = try await Self.ask(scene, Browser())
        #expect(stranger.refusal?.status == 401 && stranger.reason == "no-session")
        #expect(stranger.refusal?.cause.loginURL == "/oauth2/start?rd=%2F")
        // A form that a browser sends there is no way to a login, either.
        let form = [
            ("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("accept", "text/html"),
            ("content-type", "application/x-www-form-urlencoded"),
        ]
        #expect(try await Self.ask(scene, Browser(), form).refusal?.status == 401)
    }

    // A17
    @Test(arguments: SessionPlace.allCases)
    func `a session that its issuer gives up is 401, and is over`(place: SessionPlace) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        scene.stage.clock.advance(by: 600)
        #expect(try await Self.ask(scene).refusal?.status == 401)
        #expect(!scene.browser.cookies.keys.contains { $0.contains("session") || $0.contains("remember") })
    }

    // K9
    @Test(
        arguments: [
            [("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")],
            [("origin", "https://evil.example")], [("origin", "null")], [], [("sec-fetch-site", "none")],
        ]
    )
    func `a page of another origin renews nothing`(fields: [(String, String)]) async throws {
        let scene = try Scene(.cookie)
        try await scene.logIn()
        scene.stage.clock.advance(by: 600)
        let outcome = try await Self.ask(scene, nil, fields)
        #expect(outcome.refusal?.status == 403 && outcome.reason == "cross-site-request")
        #expect(scene.stage.issuer.count("/token") == 1)
    }

    @Test func `a bearer token is no session, and rd names the route's own`() async throws {
        let scene = try Scene(.cookie, ["auth_methods": ["authorization_code", "session", "bearer"]])
        try await scene.logIn()
        let bearer = try Self.own + scene.stage.bearer()
        #expect(try await Self.ask(scene, Browser(), bearer).refusal?.status == 401)
        let named = try await Self.ask(scene, line: "\(Self.line)?rd=%2Forders")
        #expect(named.answer?.status == 200)
        let elsewhere = try await Self.ask(scene, line: "\(Self.line)?rd=https%3A%2F%2Fevil.example%2F")
        #expect(elsewhere.reason == "redirect-refused")
    }

    @Test func `while the issuer is away and the token has ended the session goes on as it does elsewhere`()
        async throws
    {
        let scene = try Scene(.cookie)
        try await scene.logIn()
        scene.stage.issuer.goDown()
        scene.stage.clock.advance(by: 600)
        let told = try Self.body(try await Self.ask(scene))
        #expect(told["token_expires_in"]?.integer == 0)
    }
}
