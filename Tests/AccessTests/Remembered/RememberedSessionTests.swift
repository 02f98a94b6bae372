// Sessions that come back: after the browser was closed, after they have ended by themselves, and no longer.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct RememberedSessionTests {
    private typealias Scene = RememberingScene

    // V2, S4, K1, K7
    @Test(arguments: SessionPlace.allCases)
    func `a session comes back after the browser was closed, under a new id and a cookie of the house`(
        place: SessionPlace
    ) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        let former = try #require(try await scene.ask().upstream("session-id"))
        let (name, age) = try #require(
            scene.browser.lasting.first { $0.key.contains("remember") }
        )
        #expect(name.hasPrefix("__Host-remember-"))
        #expect(0 < age && age <= (place == .cookie ? 604_800 : 2_592_000))
        scene.browser.restart()
        #expect(scene.browser.cookies.keys.allSatisfy { $0.contains("remember") })
        scene.stage.clock.advance(by: 5)
        let back = try await scene.ask()
        let id = try #require(back.upstream("session-id"))
        #expect(back.passes && id != former)
        #expect(back.upstream(.authorization) == "Bearer \(place == .cookie ? "renewed-2" : "opaque-access")")
        let lines = back.setCookies
        #expect(lines.allSatisfy { $0.contains("; HttpOnly; SameSite=Lax; Secure") && $0.contains("Path=/") })
        let asked = scene.stage.issuer.count("/token")
        let next = try await scene.ask()
        #expect(next.upstream("session-id") == id && scene.stage.issuer.count("/token") == asked)
        // The upstream sees neither of the cookies.
        #expect(next.upstream(.cookie) == nil || next.upstream(.cookie) == "")
    }

    @Test(arguments: SessionPlace.allCases)
    func `a session without it ends with the browser, and with its idle time`(
        place: SessionPlace
    ) async throws {
        let scene = try Scene(place, ["session_remember": false])
        try await scene.logIn()
        let other = scene.browser.copy()
        scene.browser.restart()
        #expect(try await scene.isShutOut(scene.browser))
        scene.stage.clock.advance(by: 900)
        #expect(try await scene.isShutOut(other))
    }

    // V3
    @Test(arguments: SessionPlace.allCases)
    func `idle, rolling and absolute time of a session end it, and it comes back`(
        place: SessionPlace
    )
        async throws
    {
        for (field, seconds) in [
            ("session_idling_timeout", 100.0), ("session_rolling_timeout", 100.0),
            ("session_absolute_timeout", 100.0),
        ] {
            let scene = try Scene(place, [field: .number(seconds)])
            try await scene.logIn(100_000)
            let former = try await scene.ask().upstream("session-id")
            scene.stage.clock.advance(by: 99)
            #expect(try await scene.ask(from: scene.browser.copy()).upstream("session-id") == former)
            // Each request above may have made the stored one younger: twice its time is over in any case.
            scene.stage.clock.advance(by: 200)
            let back = try await scene.ask()
            #expect(back.passes && back.upstream("session-id") != former, "\(field)")
        }
    }

    // V3
    @Test(arguments: SessionPlace.allCases)
    func `it comes back within the rolling time, which moves with it`(place: SessionPlace) async throws {
        let config: [String: JSONValue] = [
            "session_remember_rolling_timeout": 10_000, "session_remember_absolute_timeout": 1_000_000,
        ]
        let scene = try Scene(place, config)
        try await scene.logIn(600)
        for _ in 0..<3 {
            scene.browser.restart()
            scene.stage.clock.advance(by: 9_999)
            #expect(try await scene.ask().passes)
        }
        scene.browser.restart()
        scene.stage.clock.advance(by: 10_001)
        #expect(try await scene.isShutOut(scene.browser))
    }

    // V3
    @Test(arguments: SessionPlace.allCases)
    func `it comes back until the absolute time since the login, and no session that came back outlives that`(
        place: SessionPlace
    ) async throws {
        let config: [String: JSONValue] = [
            "session_remember_rolling_timeout": 0, "session_remember_absolute_timeout": 10_000,
            "session_idling_timeout": 0, "session_rolling_timeout": 0,
        ]
        let scene = try Scene(place, config)
        try await scene.logIn(100_000)
        let late = scene.browser.copy()
        late.restart()
        scene.browser.restart()
        scene.stage.clock.advance(by: 9_000)
        #expect(try await scene.ask().passes)
        scene.browser.restart()
        scene.stage.clock.advance(by: 998)
        #expect(try await scene.ask().passes)
        // The session that came back would have a day by its own limits.
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.ask().passes)
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.isShutOut(scene.browser))
        #expect(try await scene.isShutOut(late))
    }

    // D9, A17
    @Test(arguments: SessionPlace.allCases)
    func `a browser that opens twelve tabs at once has one session and asks the issuer once`(
        place: SessionPlace
    ) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.browser.restart()
        scene.stage.clock.advance(by: 5_000)
        let before = scene.stage.issuer.count("/token")
        var ids: [String?] = []
        for _ in 0..<12 {
            let tab = scene.browser.copy()
            ids.append(try await scene.ask(from: tab).upstream("session-id"))
        }
        #expect(ids.count == 12 && Set(ids).count == 1 && ids[0] != nil)
        #expect(scene.stage.issuer.count("/token") == before + 1)
    }

    @Test(arguments: SessionPlace.allCases)
    func `tokens that are renewed meanwhile are those that it comes back with`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.stage.clock.advance(by: 600)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer renewed-2")
        scene.browser.restart()
        scene.stage.clock.advance(by: 1_000)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer renewed-3")
        #expect(scene.stage.issuer.form("/token")?.single("refresh_token") == "refresh-2")
    }

    @Test(arguments: SessionPlace.allCases)
    func `without a refresh token it comes back for as long as its access token is good`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place)
        try await scene.logIn(5_000, answer: ["refresh_token": .null])
        let late = scene.browser.copy()
        scene.browser.restart()
        late.restart()
        scene.stage.clock.advance(by: 4_999)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer opaque-access")
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.isShutOut(late))
        #expect(scene.stage.issuer.count("/token") == 1)
    }

    // D5, D15
    @Test(arguments: SessionPlace.allCases)
    func `while the issuer or the store is away it is 503, and comes back with it`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.browser.restart()
        let kept = scene.browser.cookies
        scene.stage.clock.advance(by: 2_000)
        scene.stage.issuer.goDown()
        let away = try await scene.ask()
        #expect(away.refusal?.status == 503 && away.reason == "issuer-failed")
        #expect(scene.browser.cookies == kept)
        scene.stage.issuer.goDown(false)
        scene.vault?.set(.down)
        scene.stage.clock.advance(by: 20)
        if scene.vault != nil {
            #expect(try await scene.ask().reason == "session-store-down")
            #expect(scene.browser.cookies == kept)
            scene.vault?.set(.well)
            scene.stage.clock.advance(by: 20)
        }
        #expect(try await scene.ask().passes)
    }

    @Test(arguments: SessionPlace.allCases)
    func `a script's request brings it back as well, and one that another site sent does not act`(
        place: SessionPlace
    ) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.browser.restart()
        let foreign = [("sec-fetch-site", "cross-site")]
        let refused = try await scene.stage.ask(
            "POST https://app.example/",
            foreign,
            from: scene.browser.copy()
        )
        #expect(refused.reason == "cross-site-request")
        let own = [("sec-fetch-site", "same-origin"), ("accept", "application/json")]
        #expect(try await scene.stage.ask("POST https://app.example/", own, from: scene.browser).passes)
    }
}
