// Every rule on an ID token, from both sides, through a whole code exchange.
import Cryptography
import JOSE
import JSON
import Testing

@testable import OIDC

struct IDTokenRulesTests {
    let request = AuthorizationRequest(
        state: "s-0",
        nonce: "n-0",
        verifier: "v-0",
        redirectURI: "https://app.example/callback"
    )

    /// Redeems a code for an answer with this ID token, and gives the reason word or `ok`.
    private func outcome(
        of idToken: String,
        at stage: Stage,
        _ request: AuthorizationRequest? = nil
    ) async -> String {
        stage.remote.answer(
            "/token",
            ["access_token": "at-0", "token_type": "Bearer", "id_token": .string(idToken)]
        )
        do throws(OIDCError) {
            let tokens = try await stage.party.redeem(code: "c-0", of: request ?? self.request)
            return tokens.idToken == nil ? "no ID token" : "ok"
        } catch {
            #expect(!error.isUnavailable || error == .noKeys)
            return error.reason
        }
    }

    @Test(
        arguments: [
            ([:], "ok"),
            (["iss": "https://id.example/"], "wrong-issuer"), (["iss": .null], "missing-claim"),  // I2
            (["aud": "other"], "wrong-audience"), (["aud": .null], "missing-claim"),  // I3
            (["aud": ["app", "other"], "azp": "app"], "wrong-audience"), (["aud": ["app"]], "ok"),
            (["aud": ["app", "friend"], "azp": "app"], "ok"),
            (["aud": ["app", "friend"]], "missing-claim"),  // I4
            (["azp": "other"], "wrong-authorized-party"), (["azp": "app"], "ok"),
            (["exp": 1_699_999_990], "expired"), (["exp": 1_699_999_990.5], "ok"),  // I6, leeway 10 s
            (["exp": .null], "missing-claim"), (["exp": "soon"], "malformed-claim"),
            (["iat": .null], "missing-claim"), (["iat": 1_700_000_061], "issued-in-future"),  // I7
            (["iat": 1_700_000_060], "ok"), (["iat": 1_699_999_399], "issued-too-long-ago"),
            (["iat": 1_699_999_400], "ok"), (["iat": 1_699_999_999.75, "exp": 1_700_000_300.5], "ok"),
            (["nonce": "n-1"], "wrong-nonce"), (["nonce": .null], "missing-claim"),
            (["nonce": 7], "wrong-nonce"),  // I8, A2
            (["sub": .null], "missing-claim"), (["sub": ""], "malformed-claim"),
            (["sub": "é"], "malformed-claim"),  // I12
            (["sub": .string(String(repeating: "x", count: 255))], "ok"),
            (["sub": .string(String(repeating: "x", count: 256))], "malformed-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `I1 to I12 a claim makes or breaks an ID token`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        var stage = try Stage()
        stage.party.trustedAudiences = ["friend"]
        let token = try stage.key.sign(stage.idClaims(changes))
        #expect(await self.outcome(of: token, at: stage) == word)
    }

    @Test(arguments: [
        ("at_hash", "at-0", "ok"), ("at_hash", "at-1", "wrong-token-hash"), ("c_hash", "c-0", "ok"),
        ("c_hash", "c-1", "wrong-code-hash"),
    ])
    func `I11 a hash in the ID token binds what came with it`(
        claim: String,
        text: String,
        word: String
    ) async throws {
        let stage = try Stage()
        let half = Base64URL.encode(Array(try Digest.sha256.hash(utf8: text)[..<16]))
        let token = try stage.key.sign(stage.idClaims([claim: .string(half)]))
        #expect(await self.outcome(of: token, at: stage) == word)
    }

    @Test(
        arguments: [
            (["auth_time": 1_699_999_890], "ok"), (["auth_time": 1_699_999_889], "authentication-too-old"),
            ([:], "missing-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `I9 max_age is kept to, with the leeway`(changes: [String: JSONValue], word: String) async throws {
        let stage = try Stage()
        var request = self.request
        request.maximumAge = 100
        let token = try stage.key.sign(stage.idClaims(changes))
        #expect(await self.outcome(of: token, at: stage, request) == word)
    }

    @Test(
        arguments: [
            (["acr": "gold"], "ok"), (["acr": "tin"], "wrong-authentication-context"), ([:], "missing-claim"),
        ] as [([String: JSONValue], String)]
    )
    func `I10 an authentication context that was asked for must be there`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try Stage()
        var request = self.request
        request.contexts = ["silver", "gold"]
        let token = try stage.key.sign(stage.idClaims(changes))
        #expect(await self.outcome(of: token, at: stage, request) == word)
    }

    // MARK: Signature and algorithm

    @Test func `I1 a token of a key that the issuer does not publish is refused`() async throws {
        let stage = try Stage()
        let unnamed = SigningKey(stage.other, kid: nil)
        #expect(await self.outcome(of: try stage.other.sign(stage.idClaims()), at: stage) == "unknown-key")
        #expect(await self.outcome(of: try unnamed.sign(stage.idClaims()), at: stage) == "bad-signature")
        let posing = SigningKey(stage.other, kid: "one")
        #expect(await self.outcome(of: try posing.sign(stage.idClaims()), at: stage) == "bad-signature")
    }

    @Test func `J1 an ID token without a signature is refused even where the metadata offers none`()
        async throws
    {
        let stage = try Stage()
        let header = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        let token = header + "." + Base64URL.encode(stage.idClaims().serialized()) + "."
        #expect(await self.outcome(of: token, at: stage) == "unsupported-algorithm")
    }

    @Test func `J2 the issuer's public key is never a shared secret`() async throws {
        let rsa = try TestKeys.rsa.get()
        let stage = try Stage()
        try stage.remote.publish([rsa])
        let pem = Secret(try rsa.json.serialized())
        let forged = try JWS.sign(claims: stage.idClaims(), key: JWK(.symmetric(pem), kid: "rsa"), .hs256)
        #expect(await self.outcome(of: forged, at: stage) == "algorithm-not-allowed")
        #expect(await self.outcome(of: try rsa.sign(stage.idClaims()), at: stage) == "ok")
    }

    @Test func `I5 only RS256 is taken where the metadata names no algorithm`() async throws {
        let stage = try Stage()
        var metadata = stage.remote.metadata.object ?? [:]
        metadata["id_token_signing_alg_values_supported"] = nil
        stage.remote.answer("/.well-known/openid-configuration", .object(metadata))
        let token = try stage.key.sign(stage.idClaims())
        #expect(await self.outcome(of: token, at: stage) == "algorithm-not-allowed")
    }

    // B11: what makes one kind of token right makes it wrong as another.
    @Test(arguments: [("JWT", "ok"), ("at+jwt", "wrong-type"), ("logout+jwt", "wrong-type")])
    func `B10 another kind of token is not an ID token`(type: String, word: String) async throws {
        let stage = try Stage()
        let token = try stage.key.sign(stage.idClaims(), header: ["typ": .string(type)])
        #expect(await self.outcome(of: token, at: stage) == word)
    }

    @Test(arguments: [("", "malformed"), ("a.b", "malformed"), ("a.b.c.d.e", "unsupported-algorithm")])
    func `what is no token is refused`(text: String, word: String) async throws {
        #expect(await self.outcome(of: text, at: try Stage()) == word)
    }

    @Test func `an unknown key ID makes the keys be fetched once`() async throws {
        let stage = try Stage()
        await stage.issuer.start()
        try stage.remote.publish([stage.key, stage.other])
        #expect(await self.outcome(of: try stage.other.sign(stage.idClaims()), at: stage) == "ok")
        #expect(stage.remote.count("/jwks") == 2)
    }

    @Test func `a code's answer without an ID token is no login`() async throws {
        let stage = try Stage()
        stage.remote.answer("/token", ["access_token": "at-0", "token_type": "Bearer"])
        await #expect(throws: OIDCError.malformedAnswer(.token, "id_token is missing")) {
            try await stage.party.redeem(code: "c-0", of: self.request)
        }
    }

    // MARK: Refresh

    // V14
    @Test(
        arguments: [
            (["nonce": .null], "ok"), (["nonce": "n-0"], "ok"), (["nonce": "n-1"], "wrong-nonce"),
            (["sub": "bob"], "subject-mismatch"), (["iat": 1_699_999_949], "issued-too-long-ago"),
            (["iat": 1_699_999_950], "ok"), (["aud": "other"], "wrong-audience"),
        ] as [([String: JSONValue], String)]
    )
    func `A17 a refreshed ID token is about the same user`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try Stage()
        let token = try stage.key.sign(stage.idClaims(changes))
        stage.remote.answer(
            "/token",
            ["access_token": "at-1", "token_type": "bearer", "id_token": .string(token)]
        )
        let previous = PreviousIDToken(subject: "alice", issuedAt: 1_699_999_950, nonce: "n-0")
        do throws(OIDCError) {
            _ = try await stage.party.refresh("rt-0", previous: previous)
            #expect(word == "ok")
        } catch { #expect(error.reason == word) }
    }
}

extension SigningKey {
    /// The same key under another name.
    init(_ other: SigningKey, kid: String?) {
        self.key = JWK(other.key.material, kid: kid)
        self.algorithm = other.algorithm
    }
}
