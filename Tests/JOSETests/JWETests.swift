// Encrypted tokens: ours for cookies, and others' (J7, B3, B5, S3).
import Cryptography
import JOSE
import JSON
import Testing

struct JWETests {
    let key: SymmetricKey
    let text = Array("claims".utf8)

    init() throws { key = try .generate() }

    @Test func `what is sealed opens under its key alone`() throws {
        let token = Array(try JWE.seal(text, key: key, header: ["typ": "session"]).utf8)
        let content = try JWE.open(token, key: key)
        #expect(content.plaintext == text)
        #expect(content.header == ["alg": "dir", "enc": "A256GCM", "typ": "session"])
        #expect(throws: TokenError.decryptionFailed) { try JWE.open(token, key: .generate()) }
    }

    @Test func `no altered part opens (S3)`() throws {
        let parts = try JWE.seal(text, key: key).split(separator: ".", omittingEmptySubsequences: false)
            .map(String.init)
        for index in [2, 3, 4] {
            var bytes = try #require(Base64URL.decode(parts[index]))
            bytes[0] ^= 1
            var changed = parts
            changed[index] = Base64URL.encode(bytes)
            #expect(throws: TokenError.decryptionFailed) {
                try JWE.open(Array(changed.joined(separator: ".").utf8), key: key)
            }
            changed[index] = Base64URL.encode(Array(bytes.dropLast()))
            #expect(throws: TokenError.decryptionFailed) {
                try JWE.open(Array(changed.joined(separator: ".").utf8), key: key)
            }
            changed[index] = ""
            #expect(throws: TokenError.decryptionFailed) {
                try JWE.open(Array(changed.joined(separator: ".").utf8), key: key)
            }
        }
        var changed = parts
        changed[1] = "AAAA"
        #expect(throws: TokenError.decryptionFailed) {
            try JWE.open(Array(changed.joined(separator: ".").utf8), key: key)
        }
        changed = parts
        changed[0] = Base64URL.encode(Array(#"{"enc":"A256GCM","alg":"dir"}"#.utf8))
        #expect(throws: TokenError.decryptionFailed) {
            try JWE.open(Array(changed.joined(separator: ".").utf8), key: key)
        }
    }

    @Test(arguments: [
        (#"{"alg":"dir","enc":"A128GCM"}"#, TokenError.algorithmNotAllowed),
        (#"{"alg":"A256KW","enc":"A256GCM"}"#, .algorithmNotAllowed),
        (#"{"alg":"RSA1_5","enc":"A256GCM"}"#, .algorithmNotAllowed),
        (#"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":1000000000}"#, .algorithmNotAllowed),
        (#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#, .unsupportedAlgorithm),
        (#"{"alg":"dir","enc":"A256GCM","crit":["x"]}"#, .criticalHeader),
        (#"{"alg":"dir","enc":"A256GCM","kid":"x"}"#, .unknownKey),
        (#"{"alg":"dir"}"#, .malformed(.headerMember("enc"))),
        (#"{"enc":"A256GCM"}"#, .malformed(.headerMember("alg"))), ("[]", .malformed(.header)),
    ])
    func `a header outside the rules is refused before any key is used (J7, B5)`(
        header: String,
        error: TokenError
    ) throws {
        let parts = try JWE.seal(text, key: key).split(separator: ".", omittingEmptySubsequences: false)
        let token = Base64URL.encode(Array(header.utf8)) + "." + parts[1...].joined(separator: ".")
        #expect(throws: error) { try JWE.open(Array(token.utf8), key: key) }
    }

    /// Encrypts as another party would, for the ways that this module only opens.
    func encrypt(
        _ plaintext: [UInt8],
        header: [String: JSONValue],
        encryptedKey: [UInt8],
        contentKey: Secret
    )
        throws -> [UInt8]
    {
        let head = Base64URL.encode(JSONValue.object(header).serialized())
        let nonce = try Random.bytes(12)
        let box = try AESGCM.seal(
            plaintext.span,
            key: contentKey,
            nonce: nonce.span,
            authenticating: Array(head.utf8).span
        )
        let parts = [encryptedKey, nonce, box.ciphertext, box.tag].map { Base64URL.encode($0) }
        return Array(([head] + parts).joined(separator: ".").utf8)
    }

    func sealed(toRSA plaintext: [UInt8]) throws -> [UInt8] {
        let contentKey = try Secret.random(32)
        let rsa = try Fixture.privateKey(.rsa(bits: 2048)).publicKey
        return try encrypt(
            plaintext,
            header: ["alg": "RSA-OAEP-256", "enc": "A256GCM"],
            encryptedKey: RSAOAEP.encrypt(contentKey, to: rsa, .sha256),
            contentKey: contentKey
        )
    }

    @Test func `a token under a public key is taken only around a signed one (J7)`() throws {
        let rsa = JWK(.privateKey(try Fixture.privateKey(.rsa(bits: 2048))))
        let keys = JWKSet([rsa, try Fixture.verifier(.es256)])
        func judge(_ token: [UInt8]) throws -> VerifiedToken {
            try TokenVerifier.verifyAny(
                token,
                keys: keys,
                expecting: Fixture.expectations,
                at: Fixture.now
            )
        }
        #expect(throws: TokenError.badSignature) {
            try judge(sealed(toRSA: Fixture.claims().serialized()))
        }
        let inner = Array(try JWS.sign(claims: Fixture.claims(), key: Fixture.key(.es256), .es256).utf8)
        #expect(try judge(sealed(toRSA: inner)).claims == Fixture.claims())
        let forged = try JWS.sign(
            claims: Fixture.claims(),
            key: JWK(.privateKey(.generate(.elliptic(.p256)))),
            .es256
        )
        #expect(throws: TokenError.badSignature) { try judge(sealed(toRSA: Array(forged.utf8))) }
        #expect(throws: TokenError.unsupportedAlgorithm) {
            try judge(sealed(toRSA: Array("eyJhbGciOiJub25lIn0.e30.".utf8)))
        }
    }

    @Test func `plain claims are taken under a shared key, and judged (J7)`() throws {
        let keys = JWKSet([JWK(.symmetric(key.bytes))])
        func judge(_ claims: JSONValue) throws -> VerifiedToken {
            let token = Array(try JWE.seal(claims.serialized(), key: key).utf8)
            return try TokenVerifier.verifyAny(
                token,
                keys: keys,
                expecting: Fixture.expectations,
                at: Fixture.now
            )
        }
        #expect(try judge(Fixture.claims()).claims == Fixture.claims())
        #expect(throws: TokenError.wrongIssuer) { try judge(Fixture.claims(["iss": "x"])) }
        #expect(throws: TokenError.malformed(.payload)) { try judge([]) }
    }

    @Test func `a token of five parts is refused where none is wanted, before it is decoded (J7)`() throws {
        #expect(throws: TokenError.unsupportedAlgorithm) {
            try Fixture.verify(Array(JWE.seal(text, key: key).utf8))
        }
        #expect(throws: TokenError.unsupportedAlgorithm) { try Fixture.verify(Array("!.!.!.!.!".utf8)) }
    }

    @Test func `a key that is not for decrypting is none`() throws {
        let token = try sealed(toRSA: text)
        let key = try Fixture.privateKey(.rsa(bits: 2048))
        #expect(try JWE.open(token, keys: JWKSet([JWK(.privateKey(key), use: "enc")])).plaintext == text)
        for (bad, error) in [
            (JWK(.privateKey(key), use: "sig"), .unknownKey), (JWK(.publicKey(key.publicKey)), .unknownKey),
            (JWK(.privateKey(key), operations: ["sign"]), .unknownKey),
            (JWK(.privateKey(key), algorithm: "RSA-OAEP"), .algorithmNotAllowed),
            (JWK(.symmetric(.init([UInt8](repeating: 1, count: 32)))), .algorithmNotAllowed),
            (JWK(.privateKey(try .generate(.rsa(bits: 2048)))), .decryptionFailed),
        ] as [(JWK, TokenError)] {
            #expect(throws: error) { try JWE.open(token, keys: JWKSet([bad])) }
        }
    }
}
