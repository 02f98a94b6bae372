// What is never brought back: what was ended, what is another's, what was never ours.
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct RememberedEndTests {
    private typealias Scene = RememberingScene
    private static let signOut = "POST https://app.example/oauth2/sign_out"
    private static let own = [("sec-fetch-site", "same-origin")]

    // S4, V4
    @Test(arguments: SessionPlace.allCases, [false, true])
    func `a sign-out ends it for every copy of its cookies, with the session alive or gone`(
        place: SessionPlace,
        isClosed: Bool
    ) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        #expect(try await scene.ask().passes)
        let copy = scene.browser.copy()
        if isClosed { scene.browser.restart() }
        let outcome = try await scene.stage.ask(Self.signOut, Self.own, from: scene.browser)
        #expect(outcome.answer?.status == 303)
        #expect(outcome.location?.contains("id_token_hint=") == true)
        #expect(!scene.browser.cookies.keys.contains { $0.contains("remember") || $0.contains("session-") })
        scene.stage.clock.advance(by: 2)
        if isClosed { copy.restart() }
        #expect(try await scene.isShutOut(copy))
        if let vault = scene.vault {
            await settle { vault.keys.isEmpty || isClosed }
        }
    }

    private func settle(_ isDone: () -> Bool) async {
        for _ in 0..<400 where !isDone() { try? await Task.sleep(for: .milliseconds(5)) }
        #expect(isDone())
    }

    // S7, V5, V6
    @Test(arguments: SessionPlace.allCases)
    func `what ends sessions by user, by the issuer's sid or by id ends what would bring them back`(
        place: SessionPlace
    ) async throws {
        for kind in 0..<4 {
            let scene = try Scene(place)
            try await scene.logIn()
            let id = try #require(try await scene.ask().upstream("session-id"))
            let (issuer, now) = (scene.stage.issuer.url, scene.stage.clock.now)
            let owner: SessionOwner =
                switch kind {
                case 0: .subject(issuer: issuer, subject: "alice")
                case 1: .issuerSession(issuer: issuer, sid: "s-1")
                case 2: .session(id: id)
                default: .everyone
                }
            let alive = scene.browser.copy()
            scene.browser.restart()
            // A logout that was told before the login ends nothing; what came back would have another id.
            try scene.stage.services.endedSessions.end(owner, of: issuer, beganBy: now - 1, at: now)
            if kind != 2 { #expect(try await scene.ask(from: scene.browser.copy()).passes) }
            try scene.stage.services.endedSessions.end(owner, of: issuer, beganBy: now, at: now)
            scene.stage.clock.advance(by: 2)
            let late = try await scene.ask(from: scene.browser.copy())
            #expect(late.answer?.status == 302 && late.passage.reason == "session-ended", "\(kind)")
            #expect(try await scene.isShutOut(scene.browser), "\(kind)")
            #expect(try await scene.isShutOut(alive), "\(kind)")
        }
    }

    // V5
    @Test func `a list of the store's sessions that ends one ends what would bring it back`() async throws {
        for isBySubject in [true, false] {
            let scene = try Scene(.store)
            try await scene.logIn()
            let id = try #require(try await scene.ask().upstream("session-id"))
            let index = try #require(scene.stage.plan.logins.first?.sessionIndex)
            let issuer = scene.stage.issuer.url
            let owner: SessionOwner =
                isBySubject ? .subject(issuer: issuer, subject: "alice") : .session(id: id)
            let now = scene.stage.clock.now
            #expect(try await index.sessions(of: owner).count == 1)
            #expect(try await index.end(SessionEnding(owner: owner.key(), before: now, until: now)) == 1)
            #expect(scene.vault?.keys == [])
            scene.browser.restart()
            #expect(try await scene.isShutOut(scene.browser))
        }
    }

    // A17
    @Test(arguments: SessionPlace.allCases)
    func `whom the issuer has locked out does not come back, and it is asked once`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place)
        try await scene.logIn()
        scene.browser.restart()
        let copy = scene.browser.copy()
        scene.stage.issuer.answer("/token", ["error": "invalid_grant"], status: 400)
        scene.stage.clock.advance(by: 1_000)
        let asked = scene.stage.issuer.count("/token")
        #expect(try await scene.isShutOut(scene.browser))
        #expect(try await scene.isShutOut(copy))
        #expect(scene.stage.issuer.count("/token") == asked + 1)
    }

    // S4: a sign-out while the issuer is asked.
    @Test func `a sign-out on the way back wins`() async throws {
        let scene = try Scene(.cookie)
        try await scene.logIn()
        scene.browser.restart()
        let copy = scene.browser.copy()
        let (stage, ended) = (scene.stage, scene.stage.services.endedSessions)
        let now = stage.clock.now
        stage.issuer.script("/token") { _ throws(FetchError) in
            let owner = SessionOwner.subject(issuer: "https://id.example", subject: "alice")
            _ = try? ended.end(owner, of: "https://id.example", beganBy: now, at: now)
            let document: JSONValue = ["access_token": "late", "token_type": "Bearer", "expires_in": 60]
            return FetchResponse(status: 200, body: document.serialized())
        }
        #expect(try await scene.isShutOut(copy))
    }

    // V2
    @Test(arguments: SessionPlace.allCases)
    func `a new login ends what was remembered before it`(place: SessionPlace) async throws {
        let scene = try Scene(place)
        try await scene.logIn()
        let former = scene.browser.copy()
        former.restart()
        scene.stage.clock.advance(by: 1)
        scene.browser.cookies = scene.browser.cookies.filter { $0.key.contains("remember") }
        let asked = try await scene.stage.ask(
            "GET https://app.example/oauth2/start?rd=%2Fhere",
            AccessStage.navigation,
            from: scene.browser
        )
        let location = try #require(asked.location)
        let query = try #require(
            QueryArguments(Array(location.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst()))
        )
        try scene.stage.grant(nonce: try #require(query.single("nonce")))
        _ = try await scene.stage.comeBack(scene.browser, state: try #require(query.single("state")))
        #expect(try await scene.ask().passes)
        scene.stage.clock.advance(by: 2)
        #expect(try await scene.isShutOut(former))
    }

    // S3, S10: another client's, another audience's, a session's own cookie in its place, and torn ones.
    @Test(arguments: SessionPlace.allCases)
    func `a cookie of another login, of another kind or broken brings nothing back`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place)
        try await scene.logIn()
        let name = try #require(scene.browser.cookies.keys.first { $0.contains("remember") })
        let good = try #require(scene.browser.cookies[name])
        let session = try #require(scene.browser.cookies.first { $0.key.contains("session-") }?.value)
        let foreign = try Scene(place, ["session_audience": "another"])
        try await foreign.logIn()
        let theirs = try #require(foreign.browser.cookies.first { $0.key.contains("remember") }?.value)
        for value in [session, theirs, "1.", "2.\(good.dropFirst(2))", String(good.dropLast(3)), "1.AAAA"] {
            let thief = Browser()
            thief.cookies = [name: value]
            #expect(try await scene.isShutOut(thief), "\(value.prefix(12))")
        }
        // The other way round: it is no session's cookie, either.
        let swapped = Browser()
        swapped.cookies = [name.replacing("remember", with: "session"): good]
        #expect(try await scene.isShutOut(swapped))
        let whole = Browser()
        whole.cookies = [name: good]
        #expect(try await scene.ask(from: whole).passes)
    }

    // K4
    @Test func `twice the same cookie is none`() async throws {
        let scene = try Scene(.cookie)
        try await scene.logIn()
        let (name, value) = try #require(scene.browser.cookies.first { $0.key.contains("remember") })
        let twice = [("cookie", "\(name)=\(value); \(name)=\(value)")]
        let outcome = try await scene.stage.ask(Scene.here, AccessStage.navigation + twice)
        #expect(outcome.answer?.status == 302)
    }

    @Test(arguments: SessionPlace.allCases)
    func `a session that is bound to a client comes back for that one alone`(place: SessionPlace) async throws
    {
        let scene = try Scene(place, ["session_bind": ["user-agent"]])
        try await scene.logIn()
        scene.browser.restart()
        let thief = scene.browser.copy()
        let outcome = try await scene.ask(from: thief, [("user-agent", "another")])
        #expect(outcome.answer?.status == 302 && outcome.passage.reason == "session-bound-elsewhere")
        #expect(try await scene.ask().passes)
    }

    @Test(arguments: SessionPlace.allCases)
    func `a user who may not enter does not come back by what the 403 has ended`(
        place: SessionPlace
    )
        async throws
    {
        let scene = try Scene(place, ["groups_required": ["staff"]])
        try await scene.logIn()
        let copy = scene.browser.copy()
        #expect(try await scene.ask().refusal?.status == 403)
        #expect(!scene.browser.cookies.keys.contains { $0.contains("remember") })
        copy.restart()
        #expect(try await scene.isShutOut(copy))
    }

    // MARK: Settings

    @Test(
        arguments: [
            (["session_remember_rolling_timeout": -1], "session_remember_rolling_timeout"),
            (["session_remember_absolute_timeout": -1], "session_remember_absolute_timeout"),
            (["session_remember_cookie_name": "a b"], "session_remember_cookie_name"),
            (
                ["session_remember_cookie_name": "same", "session_cookie_name": "same"],
                "session_remember_cookie_name"
            ),
            (["auth_methods": ["authorization_code"]], "session_remember"),
        ] as [([String: JSONValue], String)]
    )
    func `what cannot be meant is said at its place`(config: [String: JSONValue], field: String) {
        #expect {
            _ = try Scene(.cookie, config)
        } throws: { error in
            "\(error)".contains("\(field): ")
        }
    }

    @Test func `a name that is written is the cookie's`() async throws {
        let scene = try Scene(.cookie, ["session_remember_cookie_name": "keepme"])
        try await scene.logIn()
        #expect(scene.browser.cookies["__Host-keepme"] != nil)
    }
}
