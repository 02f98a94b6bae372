// Requests whose session lies in a store: what the browser holds, what is asked, and what happens when it cannot be.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct StoredSessionTests {
    private static let here = "GET https://app.example/here?q=1"

    /// A stage with a vault.
    private struct Scene {
        let stage: AccessStage
        let vault: MemoryVault
        let browser = Browser()

        init(_ config: [String: JSONValue] = [:], graceSeconds: Double = 0) throws {
            var made: MemoryVault?
            stage = try AccessStage(
                config,
                vault: { clock in
                    let vault = MemoryVault { clock.now }
                    made = vault
                    return vault
                },
                graceSeconds: graceSeconds
            )
            vault = try #require(made)
        }

        func ask(
            _ line: String = StoredSessionTests.here,
            from browser: Browser? = nil
        ) async throws -> Outcome {
            try await stage.ask(line, AccessStage.navigation, from: browser ?? self.browser)
        }
    }

    // V1, S3
    @Test func `the browser's cookie is small and the same name, and the vault has the session`() async throws
    {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser, id: ["long": .string(String(repeating: "x", count: 9000))])
        let (name, value) = try #require(scene.browser.cookies.first)
        #expect(
            scene.browser.cookies.count == 1 && name.hasPrefix("__Host-session-") && value.utf8.count < 200
        )
        #expect(scene.vault.keys.count == 1)
        #expect(try await scene.ask().passes)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer opaque-access")
    }

    @Test func `what was read is believed for a second, and not a moment longer`() async throws {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser)
        for _ in 0..<5 { #expect(try await scene.ask().passes) }
        #expect(scene.vault.count("read") == 1)
        scene.stage.clock.advance(by: SessionStore.memorySeconds - 0.001)
        #expect(try await scene.ask().passes)
        #expect(scene.vault.count("read") == 1)
        scene.stage.clock.advance(by: 0.001)
        #expect(try await scene.ask().passes)
        #expect(scene.vault.count("read") == 2)
    }

    // V4, V5
    @Test func `a session that another node has ended is noticed within the second`() async throws {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser)
        #expect(try await scene.ask().passes)
        let index = try #require(scene.stage.plan.logins.first?.sessionIndex)
        let owner = SessionOwner.subject(issuer: scene.stage.issuer.url, subject: "alice")
        let listed = try await index.sessions(of: owner)
        #expect(listed.map(\.subject) == ["alice"])
        let now = scene.stage.clock.now
        let early = SessionEnding(owner: try owner.key(), before: now - 1, until: now + 86_400)
        #expect(try await index.end(early) == 0)
        let ending = SessionEnding(owner: try owner.key(), before: now, until: now + 86_400)
        #expect(try await index.end(ending) == 1)
        #expect(try await index.sessions(of: owner) == [])
        scene.stage.clock.advance(by: SessionStore.memorySeconds)
        let late = try await scene.ask()
        #expect(late.answer?.status == 302)
        #expect(!scene.browser.cookies.keys.contains { $0.contains("session") })
    }

    @Test func `a session is found and ended by its issuer's sid and by its own id`() async throws {
        let scene = try Scene()
        let other = Browser()
        try await scene.stage.logIn(scene.browser, id: ["sid": "s-1"])
        try await scene.stage.logIn(other, id: ["sid": "s-2"])
        let index = try #require(scene.stage.plan.logins.first?.sessionIndex)
        let (issuer, now) = (scene.stage.issuer.url, scene.stage.clock.now)
        let first = SessionOwner.issuerSession(issuer: issuer, sid: "s-1")
        let id = try #require(try await index.sessions(of: first).first).id
        #expect(try await index.sessions(of: .session(id: id)).count == 1)
        #expect(try await index.end(SessionEnding(owner: first.key(), before: now, until: now)) == 1)
        #expect(try await index.sessions(of: .session(id: id)) == [])
        let second = SessionOwner.issuerSession(issuer: issuer, sid: "s-2")
        let next = SessionOwner.session(id: try #require(try await index.sessions(of: second).first).id)
        #expect(try await index.end(SessionEnding(owner: next.key(), before: now - 1, until: now)) == 0)
        #expect(try await index.end(SessionEnding(owner: next.key(), before: now, until: now)) == 1)
        #expect(scene.vault.keys == [])
    }

    // V3
    @Test func `idle and absolute time end a session, use moves the one and nothing the other`() async throws
    {
        let scene = try Scene([
            "session_idling_timeout": 100, "session_rolling_timeout": 0, "session_absolute_timeout": 1000,
        ])
        try await scene.stage.logIn(scene.browser, answer: ["expires_in": .null])
        for _ in 0..<11 {
            scene.stage.clock.advance(by: 90)
            #expect(try await scene.ask().passes)
        }
        scene.stage.clock.advance(by: 10)
        #expect(try await scene.ask().answer?.status == 302)
        let idle = Browser()
        try await scene.stage.logIn(idle, answer: ["expires_in": .null])
        scene.stage.clock.advance(by: 100)
        #expect(try await scene.ask(from: idle).answer?.status == 302)
    }

    @Test func `the rolling time is renewed in the store by use`() async throws {
        let scene = try Scene([
            "session_idling_timeout": 0, "session_rolling_timeout": 100, "session_absolute_timeout": 0,
        ])
        try await scene.stage.logIn(scene.browser, answer: ["expires_in": .null])
        scene.stage.clock.advance(by: 74)
        #expect(try await scene.ask().passes)
        #expect(scene.vault.count("replace") == 0)
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.ask().passes)
        #expect(scene.vault.count("replace") == 1)
        scene.stage.clock.advance(by: 99)
        #expect(try await scene.ask().passes)
        scene.stage.clock.advance(by: 100)
        #expect(try await scene.ask().answer?.status == 302)
    }

    // D15
    @Test func `a store that is down is 503 for sessions and for new logins, and no cookie is touched`()
        async throws
    {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser)
        scene.vault.set(.down)
        let outcome = try await scene.ask()
        #expect(outcome.reason == "session-store-down" && outcome.refusal?.status == 503)
        #expect(outcome.setCookies == [])
        #expect(scene.stage.issuer.count("/authorize") == 0)
        #expect(try await scene.ask(from: Browser()).reason == "session-store-down")
        let out = try await scene.stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: scene.browser
        )
        #expect(out.refusal?.status == 503)
        scene.vault.set(.well)
        #expect(try await scene.ask().passes)
    }

    @Test func `a login whose session cannot be stored is 503 and begins none`() async throws {
        let scene = try Scene()
        let asked = try await scene.stage.begin(scene.browser)
        try scene.stage.grant(nonce: try #require(asked.single("nonce")))
        scene.vault.set(.down)
        let end = try await scene.stage.comeBack(scene.browser, state: try #require(asked.single("state")))
        #expect(end.reason == "session-store-down")
        #expect(!end.setCookies.contains { $0.contains("session-") })
    }

    @Test(arguments: [(9.9, true), (10, true), (10.1, false)])
    func `with a grace what was read so lately goes on, and what was not does not`(
        seconds: Double,
        goesOn: Bool
    ) async throws {
        let scene = try Scene(graceSeconds: 10)
        let unseen = Browser()
        try await scene.stage.logIn(scene.browser)
        try await scene.stage.logIn(unseen)
        #expect(try await scene.ask().passes)
        scene.vault.set(.down)
        scene.stage.clock.advance(by: seconds)
        #expect(try await scene.ask().passes == goesOn)
        #expect(try await scene.ask(from: unseen).reason == "session-store-down")
    }

    @Test func `a grace renews no token: one that has ended is 503`() async throws {
        let scene = try Scene(graceSeconds: 100)
        try await scene.stage.logIn(scene.browser, answer: ["expires_in": 20])
        #expect(try await scene.ask().passes)
        scene.vault.set(.down)
        scene.stage.clock.advance(by: 19.9)
        #expect(try await scene.ask().passes)
        scene.stage.clock.advance(by: 0.1)
        #expect(try await scene.ask().reason == "session-store-down")
        #expect(scene.stage.issuer.count("/token") == 1)
    }

    // S4: while the store is down
    @Test func `a session that was ended here stays ended, whatever the grace`() async throws {
        let scene = try Scene(
            ["forbidden_destroy_session": true, "groups_required": ["admin"]],
            graceSeconds: 100
        )
        try await scene.stage.logIn(scene.browser)
        let copy = Browser()
        copy.cookies = scene.browser.cookies
        #expect(try await scene.ask().refusal?.status == 403)
        scene.vault.set(.down)
        #expect(try await scene.ask(from: copy).passes == false)
    }

    @Test func `an ending that the store has not heard is told until it has`() async throws {
        let scene = try Scene(["groups_required": ["admin"]])
        try await scene.stage.logIn(scene.browser)
        scene.vault.set(.deaf)
        _ = try await scene.ask()
        scene.vault.set(.well)
        #expect(try await scene.ask().refusal?.status == 403)
        while !scene.vault.keys.isEmpty { await Task.yield() }
    }

    // S3
    @Test func `a record that is not the session's own opens nothing`() async throws {
        let scene = try Scene()
        let other = Browser()
        try await scene.stage.logIn(scene.browser)
        let mine = try #require(scene.vault.keys.first)
        try await scene.stage.logIn(other)
        let theirs = try #require(scene.vault.keys.first { $0 != mine })
        scene.vault.put(try #require(scene.vault.octets(mine)), theirs)
        #expect(try await scene.ask(from: other).answer?.status == 302)
        #expect(try await scene.ask().passes)
    }

    @Test func `userinfo and sign-out find the session in the store`() async throws {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser)
        let who = try await scene.stage.ask("GET https://app.example/oauth2/userinfo", from: scene.browser)
        #expect(try JSONValue(parsing: try #require(who.answer).body)["claims"]?["sub"] == "alice")
        let copy = Browser()
        copy.cookies = scene.browser.cookies
        let out = try await scene.stage.ask(
            "POST https://app.example/oauth2/sign_out",
            [("sec-fetch-site", "same-origin")],
            from: scene.browser
        )
        #expect(out.location?.contains("id_token_hint=") == true)
        #expect(try await scene.ask(from: copy).answer?.status == 302)
        while !scene.vault.keys.isEmpty { await Task.yield() }
    }

    // Complaint 25
    @Test func `tokens are renewed ahead of their end while requests go on with the old one`() async throws {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser, answer: ["expires_in": 100])
        scene.stage.issuer.answer(
            "/token",
            [
                "access_token": "second", "token_type": "bearer", "expires_in": 100,
                "refresh_token": "refresh-2",
            ]
        )
        scene.stage.clock.advance(by: 79.9)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer opaque-access")
        #expect(scene.stage.issuer.count("/token") == 1)
        scene.stage.clock.advance(by: 0.1)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer opaque-access")
        while scene.vault.count("giveBack") == 0 { await Task.yield() }
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.ask().upstream(.authorization) == "Bearer second")
        #expect(scene.stage.issuer.count("/token") == 2)
    }

    @Test func `a session without a refresh token ends with its access token, in the store too`() async throws
    {
        let scene = try Scene()
        try await scene.stage.logIn(scene.browser, answer: ["expires_in": 60, "refresh_token": .null])
        scene.stage.clock.advance(by: 59)
        #expect(try await scene.ask().passes)
        scene.stage.clock.advance(by: 1)
        #expect(try await scene.ask().answer?.status == 302)
        while !scene.vault.keys.isEmpty { await Task.yield() }
    }
}
