// Logouts that an issuer tells of: by a call of its own, and in a frame of its page.
import Fetch
import Foundation
import Gateway
import JOSE
import JSON
import Proxy
import Testing

@testable import Access

struct LogoutChannelTests {
    private static let here = "GET https://app.example/here?q=1"
    private static let form = [("content-type", "application/x-www-form-urlencoded")]

    private func token(_ stage: AccessStage, _ changes: [String: JSONValue] = [:]) throws -> String {
        let usual: [String: JSONValue] = [
            "scope": .null, "jti": .string("j-\(UInt64.random(in: .min ... .max))"),
            "exp": .number(stage.clock.now + 60),
            "events": ["http://schemas.openid.net/event/backchannel-logout": [:]],
        ]
        return try stage.key.sign(stage.claims(usual.merging(changes) { _, new in new }))
    }

    private func tell(_ stage: AccessStage, _ token: String) async throws -> Outcome {
        try await stage.ask(
            "POST https://app.example/oauth2/backchannel-logout",
            Self.form,
            body: "logout_token=\(token)"
        )
    }

    private func isIn(_ browser: Browser, _ stage: AccessStage) async throws -> Bool {
        let copy = Browser()
        copy.cookies = browser.cookies
        return try await stage.ask(Self.here, from: copy).passes
    }

    // MARK: Back channel

    @Test func `S7 a sid ends its sessions and no others, wherever their cookies are`() async throws {
        let stage = try AccessStage()
        let (first, second, without) = (Browser(), Browser(), Browser())
        try await stage.logIn(first, id: ["sid": "s-1"])
        try await stage.logIn(second, id: ["sid": "s-2"])
        try await stage.logIn(without)
        let answer = try await tell(stage, token(stage, ["sid": "s-1"]))
        #expect(answer.answer?.status == 200)
        #expect(answer.answer?.field("cache-control") == "no-store")
        #expect(answer.answer?.body == [])
        #expect(try await !isIn(first, stage))
        #expect(try await isIn(second, stage))
        #expect(try await isIn(without, stage))
        let refused = try await stage.ask(Self.here, from: first)
        #expect(refused.reason == "session-ended")
        #expect(first.cookies.isEmpty)
    }

    @Test func `S7 a sub ends all of a user's sessions that began before, and none that came after`()
        async throws
    {
        let stage = try AccessStage()
        let (first, second, other, later) = (Browser(), Browser(), Browser(), Browser())
        try await stage.logIn(first, id: ["sid": "s-1"])
        try await stage.logIn(second)
        try await stage.logIn(other, id: ["sub": "bob"])
        stage.clock.advance(by: 10)
        let early = try token(stage)
        stage.clock.advance(by: 1)
        try await stage.logIn(later)
        #expect(try await tell(stage, early).answer?.status == 200)
        #expect(try await !isIn(first, stage))
        #expect(try await !isIn(second, stage))
        #expect(try await isIn(other, stage))
        #expect(try await isIn(later, stage))
        #expect(try await tell(stage, token(stage)).answer?.status == 200)
        #expect(try await !isIn(later, stage))
    }

    @Test func `V4 an ended session is ended for what needs no verdict as well`() async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        #expect(
            try await stage.ask("GET https://app.example/oauth2/userinfo", from: browser).answer?.status
                == 200
        )
        _ = try await tell(stage, token(stage))
        #expect(
            try await stage.ask("GET https://app.example/oauth2/userinfo", from: browser).refusal?.status
                == 401
        )
    }

    @Test func `S4 a refresh that ends after a logout writes no session back`() async throws {
        let stage = try AccessStage(["logout_revoke": true])
        let browser = Browser()
        try await stage.logIn(browser, answer: ["expires_in": 60])
        stage.clock.advance(by: 60)
        let (ended, issuer, now) = (stage.services.endedSessions, stage.issuer.url, stage.clock.now)
        stage.issuer.script("/token") { _ throws(FetchError) in
            // The logout comes while the issuer answers.
            let alice = SessionOwner.subject(issuer: issuer, subject: "alice")
            _ = try? ended.end(alice, of: issuer, beganBy: now, at: now)
            return FetchResponse(
                status: 200,
                body: JSONValue.object([
                    "access_token": "second", "token_type": "bearer", "refresh_token": "refresh-2",
                ]).serialized()
            )
        }
        stage.issuer.answer("/revoke", [:])
        let outcome = try await stage.ask(Self.here, from: browser)
        #expect(!outcome.passes)
        #expect(browser.cookies.isEmpty)
        await stage.services.revocations.finish(within: .seconds(10))
        // What came of it is given back: nobody has it any more.
        #expect(stage.issuer.form("/revoke")?.single("token") == "second")
        #expect(stage.issuer.count("/revoke") == 2)
    }

    @Test func `a logout token counts once`() async throws {
        let stage = try AccessStage()
        let text = try token(stage)
        #expect(try await tell(stage, text).answer?.status == 200)
        let again = try await tell(stage, text)
        #expect(again.answer?.status == 400)
        #expect(again.passage.reason == "token-replayed")
        stage.clock.advance(by: 119)
        #expect(try await tell(stage, text).answer?.status == 400)
    }

    @Test(
        arguments: [
            (["iss": "https://evil.example"], "wrong-issuer"), (["aud": "other"], "wrong-audience"),
            (["iss": .null], "missing-claim"), (["events": .null], "missing-claim"),
            (["nonce": "n"], "wrong-type"), (["exp": 1_700_000_131], "expires-too-late"),
            (["iat": 1_699_999_879], "issued-too-long-ago"), (["sub": .null], "missing-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `S7 V16 a token that breaks a rule ends nothing`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let outcome = try await tell(stage, token(stage, changes))
        #expect(outcome.answer?.status == 400)
        #expect(
            outcome.answer.map { String(decoding: $0.body, as: UTF8.self) } == #"{"error":"invalid_request"}"#
        )
        #expect(outcome.answer?.field("cache-control") == "no-store")
        #expect(outcome.passage.reason == word)
        #expect(try await isIn(browser, stage))
    }

    @Test(arguments: [
        ("logout_token=a&logout_token=b", "repeated-parameter"), ("", "malformed"), ("token=a", "malformed"),
        ("logout_token=%zz", "malformed"), ("logout_token=a.b", "malformed"),
        ("logout_token=\(String(repeating: "a", count: 17_000))", "too-large"),
        ("logout_token=\(String(repeating: "a", count: 33_000))", "too-large"),
    ])
    func `S6 a form that is none of ours is refused`(body: String, word: String) async throws {
        let stage = try AccessStage()
        let line = "POST https://app.example/oauth2/backchannel-logout"
        let outcome = try await stage.ask(line, Self.form, body: body)
        #expect(outcome.answer?.status == 400)
        #expect(outcome.passage.reason == word)
        for fields in [[], [("content-type", "application/json")], Self.form + Self.form] {
            let other = try await stage.ask(line, fields, body: "logout_token=\(try token(stage))")
            #expect(other.answer?.status == 400)
        }
    }

    @Test func `a logout that cannot be judged for want of keys may be told again`() async throws {
        let stage = try AccessStage()
        stage.issuer.goDown()
        let text = try token(stage)
        let outcome = try await tell(stage, text)
        #expect(outcome.answer?.status == 503)
        #expect(outcome.answer?.field("retry-after") != nil)
        stage.issuer.goDown(false)
        stage.clock.advance(by: 31)
        #expect(try await tell(stage, text).answer?.status == 200)
    }

    @Test func `a logout that cannot be kept is in force here, and may be told again`() async throws {
        let folder = NSTemporaryDirectory() + "gatehouse-unkept-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("e1 half a line".utf8).write(to: URL(filePath: folder + "/ended-sessions"))
        let ended = try EndedSessions(in: folder, at: 1_700_000_000) { _ in }
        let stage = try AccessStage(ended: ended)
        let browser = Browser()
        try await stage.logIn(browser)
        let text = try token(stage)
        let outcome = try await tell(stage, text)
        #expect(outcome.answer?.status == 503)
        #expect(outcome.passage.reason == "logout-not-kept")
        #expect(try await !isIn(browser, stage))
        ended.tidy(at: stage.clock.now)
        #expect(try await tell(stage, text).answer?.status == 200)
    }

    // MARK: Front channel

    private func frame(_ stage: AccessStage, _ query: String, from browser: Browser) async throws -> Outcome {
        try await stage.ask("GET https://app.example/oauth2/frontchannel-logout?\(query)", from: browser)
    }

    @Test func `S7 the page in the frame ends the session whose cookie came along, if it is the one`()
        async throws
    {
        let stage = try AccessStage()
        let (browser, other) = (Browser(), Browser())
        try await stage.logIn(browser, id: ["sid": "s-1"])
        try await stage.logIn(other, id: ["sid": "s-1"])
        let iss = "iss=https%3A%2F%2Fid.example"
        for query in ["\(iss)&sid=s-2", "\(iss)&sid=S-1"] {
            let outcome = try await frame(stage, query, from: browser)
            #expect(outcome.answer?.status == 200)
            #expect(outcome.setCookies == [])
        }
        // Whoever has no cookie of ours ends nobody's session, and sees nothing else.
        #expect(try await frame(stage, "\(iss)&sid=s-1", from: Browser()).answer?.status == 200)
        #expect(try await isIn(browser, stage))
        let thief = Browser()
        thief.cookies = browser.cookies
        let outcome = try await frame(stage, "\(iss)&sid=s-1", from: browser)
        #expect(outcome.answer?.status == 200)
        #expect(browser.cookies.isEmpty)
        #expect(try await !isIn(thief, stage))
        #expect(try await isIn(other, stage))
    }

    @Test(arguments: [
        ("", "missing-parameter"), ("iss=https%3A%2F%2Fid.example", "missing-parameter"),
        ("sid=s", "missing-parameter"),
        ("iss=https%3A%2F%2Fevil.example&sid=s-1", "wrong-issuer"),
        ("iss=https%3A%2F%2Fid.example&sid=", "missing-parameter"),
        ("iss=https%3A%2F%2Fid.example&sid=s-1&sid=s-2", "repeated-parameter"),
    ])
    func `a frame without the right parameters is refused`(query: String, word: String) async throws {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser, id: ["sid": "s-1"])
        let outcome = try await frame(stage, query, from: browser)
        #expect(outcome.refusal?.status == 400)
        #expect(outcome.reason == word)
        #expect(try await isIn(browser, stage))
    }

    @Test func `V18 the issuer alone may show that page in a frame, and no other page of ours`() async throws
    {
        let stage = try AccessStage()
        let browser = Browser()
        try await stage.logIn(browser)
        let shown = try await frame(stage, "iss=https%3A%2F%2Fid.example&sid=s", from: browser)
        #expect(shown.answer?.field("x-frame-options") == nil)
        let policy = try #require(shown.answer?.field("content-security-policy"))
        #expect(policy.contains("frame-ancestors https://id.example;"))
        #expect(policy.hasPrefix("default-src 'none'"))
        #expect(shown.answer?.field("cache-control") == "no-store")
        let other = try await stage.ask("GET https://app.example/oauth2/sign_out", from: browser)
        #expect(other.answer?.field("x-frame-options") == "DENY")
        #expect(other.answer?.field("content-security-policy")?.contains("frame-ancestors 'none'") == true)
    }
}
