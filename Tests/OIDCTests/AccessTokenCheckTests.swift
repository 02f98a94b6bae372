// The rules on bearer tokens.
import Cryptography
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct AccessTokenCheckTests {
    let stage: Stage

    init() async throws {
        self.stage = try Stage()
        await self.stage.issuer.start()
    }

    private var check: AccessTokenCheck {
        AccessTokenCheck(issuer: self.stage.issuer, audiences: ["app", "api"])
    }

    private func word(
        _ token: String,
        _ check: AccessTokenCheck? = nil
    ) async -> String {
        do throws(AccessTokenError) {
            _ = try await (check ?? self.check).check(Array(token.utf8), at: self.stage.now)
            return "ok"
        } catch { return error.reason }
    }

    @Test(
        arguments: [
            ([:], "ok"), (["iss": "https://evil.example"], "wrong-issuer"), (["iss": .null], "missing-claim"),
            (["aud": "other"], "wrong-audience"), (["aud": .null], "missing-claim"),
            (["aud": ["x", "api"]], "ok"),
            (["aud": "app api"], "wrong-audience"), (["exp": 1_700_000_000], "expired"),
            (["exp": 1_700_000_000.5], "ok"), (["exp": .null], "missing-claim"),
            (["nbf": 1_700_000_001], "not-yet-valid"), (["nbf": 1_700_000_000], "ok"),
        ] as [([String: JSONValue], String)]
    )
    func `J9 a bearer token is judged by every rule`(changes: [String: JSONValue], word: String) async throws
    {
        let token = try self.stage.key.sign(self.stage.accessClaims(changes))
        #expect(await self.word(token) == word)
    }

    // B11: what makes one kind of token right makes it wrong as another.
    // V10
    @Test(
        arguments: [
            (["at_hash": "x"], nil, "wrong-type"), (["c_hash": "x"], nil, "wrong-type"),
            (["s_hash": "x"], nil, "wrong-type"), (["events": [:]], nil, "wrong-type"),
            (["typ": "ID"], nil, "wrong-type"), (["typ": "Refresh"], nil, "wrong-type"),
            (["typ": "Logout"], nil, "wrong-type"), (["typ": "Bearer"], nil, "ok"),
            (["nonce": "n"], nil, "ok"), (["nonce": "n", "scope": .null], nil, "wrong-type"),
            (["nonce": "n", "scope": .null, "scp": "a"], nil, "ok"),
            (["nonce": "n", "scope": .null, "client_id": "a"], nil, "ok"), (["scope": .null], nil, "ok"),
            (["at_hash": "x", "nonce": "n"], "at+jwt", "ok"), ([:], "logout+jwt", "wrong-type"),
            ([:], "JWT", "ok"),
        ] as [([String: JSONValue], String?, String)]
    )
    func `B10 an ID token is no bearer token`(
        changes: [String: JSONValue],
        type: String?,
        word: String
    ) async throws {
        let header: [String: JSONValue] = type.map { ["typ": .string($0)] } ?? [:]
        let token = try self.stage.key.sign(self.stage.accessClaims(changes), header: header)
        #expect(await self.word(token) == word)
    }

    @Test func `a token that is bound to a key is refused without its proof`() async throws {
        let token = try self.stage.key.sign(self.stage.accessClaims(["cnf": ["jkt": "x"]]))
        #expect(await self.word(token) == "proof-required")
        var lax = self.check
        lax.ignoresConfirmation = true
        #expect(await self.word(token, lax) == "ok")
    }

    @Test func `without audiences none is asked for`() async throws {
        let token = try self.stage.key.sign(self.stage.accessClaims(["aud": .null]))
        #expect(await self.word(token, AccessTokenCheck(issuer: self.stage.issuer, audiences: nil)) == "ok")
    }

    @Test func `the leeway is none unless it is given`() async throws {
        let token = try self.stage.key.sign(self.stage.accessClaims(["exp": 1_699_999_999]))
        #expect(await self.word(token) == "expired")
        var lax = self.check
        lax.leeway = 2
        #expect(await self.word(token, lax) == "ok")
    }

    // MARK: Keys

    /// The check of the stage's issuer, and of another one besides.
    private func check(allowing remote: ScriptedIssuer) async throws -> AccessTokenCheck {
        let clock = self.stage.clock
        let directory = IssuerDirectory(
            client: remote,
            dataDirectory: nil,
            clock: { clock.now },
            events: remote
        )
        let second = try directory.issuer(for: IssuerSettings(issuer: remote.issuer))
        await second.start()
        return AccessTokenCheck(issuer: self.stage.issuer, allowed: [second], audiences: ["app"])
    }

    @Test func `B7 each issuer is proven by its own keys alone`() async throws {
        let remote = try ScriptedIssuer("https://two.example", keys: [self.stage.other])
        let check = try await self.check(allowing: remote)
        let own = self.stage.accessClaims()
        let others = self.stage.accessClaims(["iss": "https://two.example"])
        #expect(await self.word(try self.stage.key.sign(own), check) == "ok")
        #expect(await self.word(try self.stage.other.sign(others), check) == "ok")
        #expect(await self.word(try self.stage.other.sign(own), check) == "unknown-key")
        #expect(await self.word(try self.stage.key.sign(others), check) == "unknown-key")
        let posing = SigningKey(self.stage.other, kid: "one")
        #expect(await self.word(try posing.sign(own), check) == "bad-signature")
        #expect(await self.word(try self.stage.other.sign(others)) == "unknown-key")
    }

    @Test func `B7 B1 an issuer's algorithms are those of its own keys, whatever another one has`()
        async throws
    {
        let rsa = try TestKeys.rsa.get()
        let remote = try ScriptedIssuer("https://two.example", keys: [SigningKey(rsa, kid: "one")])
        let check = try await self.check(allowing: remote)
        let others = self.stage.accessClaims(["iss": "https://two.example"])
        #expect(await self.word(try SigningKey(rsa, kid: "one").sign(others), check) == "ok")
        // The name of a key that both have, and the algorithm that the other one has.
        #expect(await self.word(try self.stage.key.sign(others), check) == "algorithm-not-allowed")
        #expect(
            await self.word(try SigningKey(rsa, kid: "one").sign(self.stage.accessClaims()), check)
                == "algorithm-not-allowed"
        )
        let rules = check.report(on: Array(try self.stage.key.sign(others).utf8), at: self.stage.now)
        #expect(rules.first { $0.outcome == .failed }?.name == "algorithm")
    }

    @Test func `a report says of each rule what it says, the kind of token last`() async throws {
        let report = { (changes: [String: JSONValue]) throws -> [String] in
            let token = Array(try self.stage.key.sign(self.stage.accessClaims(changes)).utf8)
            let rules = self.check.report(on: token, at: self.stage.now)
            #expect(rules.last?.name == "kind of token")
            return rules.filter { $0.outcome == .failed }.map(\.name) + [rules.last?.outcome.rawValue ?? ""]
        }
        #expect(try report([:]) == ["passed"])
        #expect(try report(["at_hash": "x"]) == ["kind of token", "failed"])
        #expect(try report(["exp": 1]) == ["expiry", "not reached"])
        #expect(try report(["cnf": ["jkt": "x"]]) == ["passed"])
    }

    @Test func `a token of nobody we know never makes the keys be fetched`() async throws {
        let claims = self.stage.accessClaims(["iss": "https://evil.example"])
        #expect(await self.word(try self.stage.other.sign(claims)) == "unknown-key")
        #expect(self.stage.remote.count("/jwks") == 1)
    }

    @Test func `an unknown key is looked for once, and found after a rotation`() async throws {
        let token = try self.stage.other.sign(self.stage.accessClaims())
        let bytes = Array(token.utf8)
        guard case .needsKeys(let issuer, _) = try self.check.verdict(on: bytes, at: self.stage.now) else {
            Issue.record("accepted")
            return
        }
        #expect(issuer === self.stage.issuer)
        #expect(await self.word(token) == "unknown-key")
        try self.stage.remote.publish([self.stage.key, self.stage.other])
        #expect(await self.word(token) == "unknown-key")
        self.stage.clock.advance(by: 30)
        #expect(await self.word(token) == "ok")
        #expect(self.stage.remote.count("/jwks") == 3)
    }

    @Test func `J10 no key at all is the issuer's failure, not the caller's`() async throws {
        let stage = try Stage()
        stage.remote.fail("/.well-known/openid-configuration", .timedOut)
        let check = AccessTokenCheck(issuer: stage.issuer, audiences: ["app"])
        let token = Array(try stage.key.sign(stage.accessClaims()).utf8)
        let error = OIDCError.unreachable(.discovery, .timedOut)
        await #expect(throws: AccessTokenError.unavailable(error)) {
            try await check.check(token, at: stage.now)
        }
        stage.remote.answer("/.well-known/openid-configuration", stage.remote.metadata)
        stage.clock.advance(by: 1)
        _ = try await check.check(token, at: stage.now)
    }

    @Test func `J1 J2 neither no signature nor the public key as a secret is taken`() async throws {
        let header = Base64URL.encode(Array(#"{"alg":"none"}"#.utf8))
        let payload = Base64URL.encode(self.stage.accessClaims().serialized())
        #expect(await self.word("\(header).\(payload).") == "unsupported-algorithm")
        let secret = Secret(try self.stage.key.json.serialized())
        let forged = try JWS.sign(
            claims: self.stage.accessClaims(),
            key: JWK(.symmetric(secret), kid: "one"),
            .hs256
        )
        #expect(await self.word(forged) == "algorithm-not-allowed")
    }

    @Test(arguments: [
        ("", "malformed"), ("opaque", "malformed"), ("a.b.c.d.e", "unsupported-algorithm"),
        (String(repeating: "a", count: 16_385), "too-large"),
    ])
    func `J8 what is no token is refused by its form`(text: String, word: String) async {
        #expect(await self.word(text) == word)
    }
}
