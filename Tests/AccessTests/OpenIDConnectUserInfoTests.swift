// Tokens that are taken to userinfo, and tokens in cookies.
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectUserInfoTests {
    private static let opaque = [("authorization", "Bearer opaque-1")]
    private static let line = "GET https://app.example/"

    private func stage(_ config: [String: JSONValue] = [:]) throws -> AccessStage {
        let usual: [String: JSONValue] = ["auth_methods": ["userinfo"], "audience_required": []]
        let stage = try AccessStage(usual.merging(config) { _, new in new })
        stage.issuer.answer("/userinfo", ["sub": "alice", "groups": ["staff"]])
        return stage
    }

    @Test func `a token that userinfo takes passes, with its claims`() async throws {
        let stage = try stage([
            "groups_required": ["staff"], "upstream_user_info_header": "X-Info",
            "userinfo_headers_names": ["x-from"], "userinfo_headers_values": ["us"],
        ])
        let outcome = try await stage.ask(Self.line, Self.opaque)
        #expect(outcome.passes)
        #expect(outcome.passage.identity?.subject == "alice")
        #expect(outcome.passage.identity?.method == "userinfo")
        #expect(outcome.upstream("x-info") != nil)
        #expect(stage.issuer.field("/userinfo", "authorization") == "Bearer opaque-1")
        #expect(stage.issuer.field("/userinfo", "x-from") == "us")
        let other = try self.stage(["groups_required": ["admins"]])
        #expect(try await other.ask(Self.line, Self.opaque).reason == "missing-group")
    }

    @Test(
        arguments: [
            (200, #"{"sub":"alice"}"#, nil, 200), (401, "{}", "userinfo-refused", 401),
            (403, "", "userinfo-refused", 401), (404, "", "userinfo-refused", 401),
            (200, #"{"sub":1}"#, "issuer-answer-malformed", 503), (200, "{}", "issuer-answer-malformed", 503),
            (200, "[]", "issuer-answer-malformed", 503), (429, "", "issuer-failed", 503),
            (500, #"{"sub":"alice"}"#, "issuer-failed", 503), (302, "", "issuer-failed", 503),
            (204, "", "issuer-failed", 503),
        ] as [(Int, String, String?, Int)]
    )
    func `only a 200 with sub is a yes`(status: Int, text: String, reason: String?, answer: Int) async throws
    {
        let stage = try stage()
        stage.issuer.script("/userinfo") { _ throws(FetchError) in
            FetchResponse(status: status, body: Array(text.utf8))
        }
        let outcome = try await stage.ask(Self.line, Self.opaque)
        #expect(outcome.reason == reason)
        #expect(outcome.refusal?.status ?? 200 == answer)
    }

    @Test func `its answer is kept for a minute, a refusal for ten seconds`() async throws {
        let stage = try stage()
        for _ in 0..<3 { #expect(try await stage.ask(Self.line, Self.opaque).passes) }
        #expect(stage.issuer.count("/userinfo") == 1)
        stage.issuer.answer("/userinfo", [:], status: 401)
        stage.clock.advance(by: 59)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        stage.clock.advance(by: 1)
        for _ in 0..<3 { #expect(try await stage.ask(Self.line, Self.opaque).reason == "userinfo-refused") }
        #expect(stage.issuer.count("/userinfo") == 2)
        stage.issuer.answer("/userinfo", ["sub": "alice"])
        stage.clock.advance(by: 10)
        #expect(try await stage.ask(Self.line, Self.opaque).passes)
        let off = try self.stage(["cache_user_info": false])
        for _ in 0..<3 { #expect(try await off.ask(Self.line, Self.opaque).passes) }
        #expect(off.issuer.count("/userinfo") == 3)
    }

    @Test func `a token in the named cookie counts, and no upstream sees it`() async throws {
        let stage = try stage([
            "bearer_token_param_type": ["cookie"], "bearer_token_cookie_name": "access",
        ])
        let cookie = [("cookie", "a=1; access=opaque-1; b=2")]
        let outcome = try await stage.ask(Self.line, cookie)
        #expect(outcome.passes)
        #expect(outcome.upstream("cookie") == "a=1; b=2")
        #expect(stage.issuer.field("/userinfo", "authorization") == "Bearer opaque-1")
        #expect(try await stage.ask(Self.line, cookie).passes)
        #expect(stage.issuer.count("/userinfo") == 1)
        let twice = try await stage.ask(Self.line, [("cookie", "access=opaque-1; access=opaque-2")])
        #expect(twice.reason == "repeated-credential")
        let fields = [("cookie", "access=opaque-1"), ("cookie", "b=2")]
        #expect(try await stage.ask(Self.line, fields).reason == "repeated-credential")
        #expect(try await stage.ask(Self.line, [("cookie", "Access=opaque-1")]).reason == "no-credential")
        // Fields are not read where only the cookie is named.
        #expect(try await stage.ask(Self.line, Self.opaque).reason == "no-credential")
        let shown = try self.stage([
            "bearer_token_param_type": ["cookie", "header"], "bearer_token_cookie_name": "access",
            "hide_credentials": false,
        ])
        #expect(try await shown.ask(Self.line, cookie).upstream("cookie") == nil)
        #expect(try await shown.ask(Self.line, Self.opaque).passes)
    }

    @Test func `a JWT in a cookie is verified by keys as in a field`() async throws {
        let stage = try AccessStage([
            "bearer_token_param_type": ["cookie"], "bearer_token_cookie_name": "access",
        ])
        let token = try stage.bearer()[0].1.dropFirst("Bearer ".count)
        #expect(try await stage.ask(Self.line, [("cookie", "access=\(token)")]).passes)
        #expect(try await stage.ask(Self.line, [("cookie", "access=\(token); a=1")]).passes)
        #expect(try await stage.ask(Self.line, [("cookie", "access=\(token)x")]).passes == false)
    }
}
