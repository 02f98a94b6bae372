// Every rule on a logout token, from both sides (OIDC Back-Channel Logout 1.0 §2.6).
import Cryptography
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct LogoutTokenRulesTests {
    static let event = "http://schemas.openid.net/event/backchannel-logout"

    private func claims(_ stage: Stage, _ changes: [String: JSONValue] = [:]) -> JSONValue {
        let usual: [String: JSONValue] = [
            "iss": .string(stage.remote.issuer), "aud": "app", "iat": .number(stage.clock.now),
            "exp": .number(stage.clock.now + 120), "jti": "j-0", "sub": "alice", "sid": "s-0",
            "events": .object([Self.event: .object([:])]),
        ]
        return .object(usual.merging(changes) { _, new in new }.filter { !$0.value.isNull })
    }

    /// The reason word, or `ok`.
    private func outcome(of text: String, at stage: Stage) async -> String {
        do {
            let token = try UnverifiedToken(parsing: Array(text.utf8))
            _ = try await stage.party.validate(logoutToken: token)
            return "ok"
        } catch let error as OIDCError {
            #expect(!error.isUnavailable || error == .noKeys)
            return error.reason
        } catch let error as TokenError {
            return error.reason
        } catch {
            return "another error"
        }
    }

    @Test(
        arguments: [
            ([:], "ok"),
            (["iss": "https://id.example/"], "wrong-issuer"), (["iss": .null], "missing-claim"),
            (["iss": 7], "malformed-claim"),
            (["aud": "other"], "wrong-audience"), (["aud": .null], "missing-claim"),
            (["aud": ["app", "other"]], "wrong-audience"), (["aud": ["app"]], "ok"),
            // Fresh: at most two minutes ago, and none of the future.
            (["iat": .null], "missing-claim"), (["iat": "now"], "malformed-claim"),
            (["iat": 1_699_999_880], "ok"), (["iat": 1_699_999_879.9], "issued-too-long-ago"),
            (["iat": 1_700_000_060, "exp": 1_700_000_100], "ok"),
            (["iat": 1_700_000_061], "issued-in-future"),
            // V16: its end, where it has one, is near; one without has its iat alone.
            (["exp": .null], "ok"), (["exp": .null, "iat": 1_699_999_880], "ok"),
            (["exp": .null, "iat": 1_699_999_879], "issued-too-long-ago"),
            (["exp": 1_700_000_130], "ok"), (["exp": 1_700_000_131], "expires-too-late"),
            (["exp": 1_699_999_990.5], "ok"), (["exp": 1_699_999_990], "expired"),
            (["exp": "soon"], "malformed-claim"), (["nbf": 1_700_000_011], "not-yet-valid"),
            // Whom it ends.
            (["sid": .null], "ok"), (["sub": .null], "ok"),
            (["sub": .null, "sid": .null], "missing-claim"),
            (["sub": ""], "malformed-claim"), (["sid": ""], "malformed-claim"),
            (["sid": 7], "malformed-claim"), (["sub": 7], "malformed-claim"),
            (["sid": .string(String(repeating: "x", count: 1024))], "ok"),
            (["sid": .string(String(repeating: "x", count: 1025))], "malformed-claim"),
            // The event.
            (["events": .null], "missing-claim"), (["events": "logout"], "malformed-claim"),
            (["events": .object([:])], "wrong-event"),
            (["events": ["http://schemas.openid.net/event/backchannel-logout"]], "malformed-claim"),
            (["events": ["https://schemas.openid.net/event/backchannel-logout": [:]]], "wrong-event"),
            (["events": ["http://schemas.openid.net/event/backchannel-logout": true]], "malformed-claim"),
            (["events": ["http://schemas.openid.net/event/backchannel-logout": ["x": 1], "y": [:]]], "ok"),
            // It is no ID token, and counts once.
            (["nonce": "n-0"], "wrong-type"), (["nonce": ""], "wrong-type"),
            (["jti": .null], "missing-claim"), (["jti": ""], "malformed-claim"),
            (["jti": 7], "malformed-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `S7 V16 a claim makes or breaks a logout token`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try Stage()
        let token = try stage.key.sign(self.claims(stage, changes))
        #expect(await self.outcome(of: token, at: stage) == word)
    }

    @Test(arguments: [
        (nil, "ok"), ("JWT", "ok"), ("jwt", "ok"), ("logout+jwt", "ok"), ("application/logout+jwt", "ok"),
        ("LOGOUT+JWT", "ok"), ("at+jwt", "wrong-type"), ("secevent+jwt", "wrong-type"), ("", "wrong-type"),
    ])
    func `B10 V16 the type is a logout token's, or none`(type: String?, word: String) async throws {
        let stage = try Stage()
        let header = type.map { ["typ": JSONValue.string($0)] } ?? [:]
        let token = try stage.key.sign(self.claims(stage), header: header)
        #expect(await self.outcome(of: token, at: stage) == word)
    }

    @Test func `B10 an ID token is no logout token, whatever it is called`() async throws {
        let stage = try Stage()
        for type in ["JWT", "logout+jwt"] {
            let header = ["typ": JSONValue.string(type)]
            let token = try stage.key.sign(
                stage.idClaims(["jti": "j-1", "exp": 1_700_000_060]),
                header: header
            )
            #expect(await self.outcome(of: token, at: stage) == "missing-claim")
        }
    }

    @Test func `the keys and algorithms are those of ID tokens`() async throws {
        let stage = try Stage()
        let claims = self.claims(stage)
        let posing = SigningKey(stage.other, kid: "one")
        #expect(await self.outcome(of: try posing.sign(claims), at: stage) == "bad-signature")
        #expect(await self.outcome(of: try stage.other.sign(claims), at: stage) == "unknown-key")
        let header = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        let unsigned = header + "." + Base64URL.encode(claims.serialized()) + "."
        #expect(await self.outcome(of: unsigned, at: stage) == "unsupported-algorithm")
        let secret = JWK(.symmetric(Secret(utf8: "s3cret-s3cret-s3cret-s3cret-s3cr")), kid: "one")
        let shared = try JWS.sign(claims: claims, key: secret, .hs256)
        #expect(await self.outcome(of: shared, at: stage) == "algorithm-not-allowed")
        var metadata = stage.remote.metadata.object ?? [:]
        metadata["id_token_signing_alg_values_supported"] = nil
        stage.remote.answer("/.well-known/openid-configuration", .object(metadata))
        let fresh = try Stage()
        fresh.remote.answer("/.well-known/openid-configuration", .object(metadata))
        #expect(await self.outcome(of: try fresh.key.sign(claims), at: fresh) == "algorithm-not-allowed")
    }

    @Test func `an unknown key ID makes the keys be fetched once`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        try stage.remote.publish([stage.key, stage.other])
        #expect(await self.outcome(of: try stage.other.sign(self.claims(stage)), at: stage) == "ok")
        #expect(stage.remote.count("/jwks") == 2)
    }

    @Test func `without keys nothing is judged`() async throws {
        let stage = try Stage()
        stage.remote.fail("/jwks", .connectionRefused)
        #expect(await self.outcome(of: try stage.key.sign(self.claims(stage)), at: stage) == "no-keys")
    }

    @Test func `what it says is told, and until when it has to be remembered`() async throws {
        let stage = try Stage()
        let text = try stage.key.sign(self.claims(stage, ["exp": .null, "iat": 1_699_999_950]))
        let notice = try await stage.party.validate(logoutToken: UnverifiedToken(parsing: Array(text.utf8)))
        #expect(notice.session == "s-0")
        #expect(notice.subject == "alice")
        #expect(notice.issuedAt == 1_699_999_950)
        // No token with this iat is taken later, so none has to be known later.
        #expect(notice.expires == 1_700_000_080)
    }
}
