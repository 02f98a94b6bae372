// How we show an endpoint who we are: assertions, certificates, and nothing in two places.
import Cryptography
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct ClientAuthenticationTests {
    private static let good: JSONValue = ["access_token": "at", "token_type": "Bearer", "expires_in": 60]
    private static let certificate = FetchCertificate(chain: "CHAIN", key: "KEY")

    private func form(_ stage: Stage) -> [String: String] {
        let body = String(decoding: stage.remote.lastRequest?.body ?? [], as: UTF8.self)
        let pairs = body.split(separator: "&").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        return Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0.count > 1 ? $0[1] : "") })
    }

    private func authorization(_ stage: Stage) -> String? {
        stage.remote.lastRequest?.fields.first { $0.0 == "Authorization" }?.1
    }

    /// What an issuer does with an assertion: verifies it by the client's key, for itself alone.
    private func verified(
        _ stage: Stage,
        by key: JWK,
        _ algorithm: Algorithm,
        audience: String
    ) throws -> JSONValue {
        let text = try #require(self.form(stage)["client_assertion"])
        var expected = TokenExpectations(
            issuers: ["app"],
            audiences: [audience],
            algorithms: [algorithm]
        )
        expected.requiredClaims = ["jti", "sub", "iat"]
        return try TokenVerifier.verify(
            Array(text.utf8),
            keys: JWKSet([key]),
            expecting: expected,
            at: stage.now
        ).claims
    }

    // A15
    @Test(arguments: [Algorithm.es256, .rs256, .ps256])
    func `a private key signs an assertion that its public half proves`(algorithm: Algorithm) async throws {
        var stage = try Stage()
        let kind: KeyKind = algorithm == .es256 ? .elliptic(.p256) : .rsa(bits: 2048)
        let key = JWK(.privateKey(try PrivateKey.generate(kind)), kid: "mine")
        stage.party.authentication = .privateKeyJWT
        stage.party.assertions[.privateKeyJWT] = ClientAssertion(key: key, algorithm)
        stage.remote.answer("/token", Self.good)
        _ = try await stage.party.clientCredentials(scope: "")
        let publicKey = JWK(.publicKey(try #require(key.publicKey)), kid: "mine")
        let claims = try self.verified(stage, by: publicKey, algorithm, audience: stage.remote.issuer)
        #expect(claims["sub"] == "app")
        let ends = claims["exp"]?.number
        #expect(ends == stage.now.seconds + 60)
        #expect(claims["iat"]?.number == stage.now.seconds)
        let form = self.form(stage)
        #expect(form["client_id"] == "app")
        #expect(
            form["client_assertion_type"]
                == "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        )
        #expect(form["client_secret"] == nil)
        #expect(self.authorization(stage) == nil)
        _ = try await stage.party.clientCredentials(scope: "")
        let next = try self.verified(stage, by: publicKey, algorithm, audience: stage.remote.issuer)
        #expect(next["jti"] != claims["jti"])
    }

    @Test func `a secret signs and is not sent`() async throws {
        var stage = try Stage()
        let secret = "0123456789abcdef0123456789abcdef"
        stage.party = RelyingParty(
            issuer: stage.issuer,
            clientID: "app",
            clientSecret: Secret(utf8: secret)
        )
        stage.party.authentication = .secretJWT
        let key = JWK(.symmetric(Secret(utf8: secret)))
        stage.party.assertions[.secretJWT] = ClientAssertion(key: key, .hs256)
        stage.remote.answer("/token", Self.good)
        _ = try await stage.party.clientCredentials(scope: "")
        _ = try self.verified(stage, by: key, .hs256, audience: stage.remote.issuer)
        let body = String(decoding: stage.remote.lastRequest?.body ?? [], as: UTF8.self)
        #expect(!body.contains(secret))
        #expect(self.authorization(stage) == nil)
    }

    @Test func `an assertion is for the endpoint where that is asked for`() async throws {
        var stage = try Stage()
        stage.party.authentication = .privateKeyJWT
        stage.party.assertions[.privateKeyJWT] = ClientAssertion(key: stage.key.key, .es256, for: .endpoint)
        stage.remote.answer("/token", Self.good)
        _ = try await stage.party.clientCredentials(scope: "")
        let key = JWK(.publicKey(try #require(stage.key.key.publicKey)), kid: "one")
        _ = try self.verified(stage, by: key, .es256, audience: stage.remote.issuer + "/token")
        #expect(throws: TokenError.wrongAudience) {
            try self.verified(stage, by: key, .es256, audience: stage.remote.issuer)
        }
    }

    @Test func `a key and an algorithm that do not belong together are seen before`() throws {
        let short = JWK(.symmetric(Secret(utf8: "0123456789abcdef0123456789abcde")))
        #expect(throws: CryptoError.self) { try ClientAssertion(key: short, .hs256).check() }
        let enough = JWK(.symmetric(Secret(utf8: "0123456789abcdef0123456789abcdef")))
        try ClientAssertion(key: enough, .hs256).check()
        #expect(throws: CryptoError.self) { try ClientAssertion(key: enough, .hs384).check() }
        let key = JWK(.privateKey(try PrivateKey.generate(.elliptic(.p256))))
        #expect(throws: CryptoError.self) { try ClientAssertion(key: key, .es384).check() }
        #expect(throws: CryptoError.self) { try ClientAssertion(key: key, .rs256).check() }
        #expect(throws: CryptoError.self) { try ClientAssertion(key: key, .hs256).check() }
        #expect(ClientAssertion.usualAlgorithm(of: key) == .es256)
        let named = JWK(.privateKey(try PrivateKey.generate(.rsa(bits: 2048))), algorithm: "PS384")
        #expect(ClientAssertion.usualAlgorithm(of: named) == .ps384)
    }

    @Test(arguments: [ClientAuthentication.tls, .selfSignedTLS])
    func `a certificate is shown at the endpoint for it, with the client's name`(
        method: ClientAuthentication
    ) async throws {
        var stage = try Stage()
        stage.party.authentication = method
        stage.party.certificate = Self.certificate
        stage.remote.answer("/token", Self.good)
        _ = try await stage.party.clientCredentials(scope: "")
        #expect(stage.remote.lastRequest?.url == stage.remote.issuer + "/token")
        #expect(stage.remote.lastRequest?.certificate == Self.certificate)
        #expect(self.form(stage) == ["grant_type": "client_credentials", "client_id": "app"])
        #expect(self.authorization(stage) == nil)
    }

    // RFC 8705 §5
    @Test func `an alias of the metadata is for clients with a certificate alone`() async throws {
        var stage = try Stage()
        var metadata = try #require(stage.remote.metadata.object)
        metadata["mtls_endpoint_aliases"] = ["token_endpoint": .string(stage.remote.issuer + "/mtls")]
        stage.remote.answer("/.well-known/openid-configuration", .object(metadata))
        stage.remote.answer("/token", Self.good)
        stage.remote.answer("/mtls", Self.good)
        _ = try await stage.party.clientCredentials(scope: "")
        #expect(stage.remote.lastRequest?.url == stage.remote.issuer + "/token")
        #expect(stage.remote.lastRequest?.certificate == nil)
        stage.party.authentication = .tls
        stage.party.certificate = Self.certificate
        _ = try await stage.party.clientCredentials(scope: "")
        #expect(stage.remote.lastRequest?.url == stage.remote.issuer + "/mtls")
        let own = try Stage { $0.aliases.token = "https://id.example/own" }
        own.remote.answer("/.well-known/openid-configuration", .object(metadata))
        own.remote.answer("/own", Self.good)
        var party = own.party
        party.authentication = .tls
        party.certificate = Self.certificate
        _ = try await party.clientCredentials(scope: "")
        #expect(own.remote.lastRequest?.url == "https://id.example/own")
    }

    @Test func `without a key or a certificate, or without TLS, nobody is asked`() async throws {
        var stage = try Stage()
        stage.remote.answer("/token", Self.good)
        for method in [ClientAuthentication.privateKeyJWT, .secretJWT, .tls] {
            stage.party.authentication = method
            await #expect(throws: OIDCError.self) { try await stage.party.clientCredentials(scope: "") }
        }
        stage.party.certificate = Self.certificate
        let plain = stage.party
        #expect(throws: OIDCError.self) { try plain.proof(.tls, for: "http://127.0.0.1/token") }
        #expect(stage.remote.count("/token") == 0)
    }

    @Test func `whether the issuer's certificate is verified is the certificate's to say`() async throws {
        var stage = try Stage()
        stage.remote.answer("/token", Self.good)
        stage.party.authentication = .tls
        for verifies in [true, false] {
            stage.party.certificate = FetchCertificate(chain: "C", key: "K", verifiesServer: verifies)
            _ = try await stage.party.clientCredentials(scope: "")
            #expect(stage.remote.lastRequest?.policy.verifiesTLS == verifies)
        }
    }

    @Test func `a certificate's text tells nothing of its key`() {
        let all = "\(Self.certificate) \(String(reflecting: Self.certificate)) \(dumped(Self.certificate))"
        #expect(!all.contains("KEY"))
        #expect(!all.contains("75, 69, 89"))
    }

    private func dumped(_ value: some Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }
}
