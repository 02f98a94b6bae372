// Every way to encrypt a token, there and back (J7, B3, B5).
import Cryptography
import JSON
import Testing

@testable import JOSE

struct JWEWaysTests {
    static let text = Array("Live long and prosper.".utf8)

    /// The keys that a way takes, with what they are.
    static func keys(_ management: KeyManagement, _ encryption: ContentEncryption) throws -> [JWK] {
        func secret(_ count: Int) throws -> JWK { JWK(.symmetric(try .random(count)), kid: "k") }
        switch management.method {
        case .direct: return [try secret(encryption.keyByteCount)]
        case .wrap(let count), .gcmWrap(let count): return [try secret(count)]
        case .password: return [JWK(.symmetric(Secret(utf8: "correct horse battery staple")), kid: "k")]
        case .rsa, .rsaPKCS1: return [JWK(.privateKey(try Fixture.privateKey(.rsa(bits: 2048))), kid: "k")]
        case .agree:
            let kinds: [KeyKind] = [
                .elliptic(.p256), .elliptic(.p384), .elliptic(.p521), .octets(.x25519), .octets(.x448),
            ]
            return try kinds.map { JWK(.privateKey(try Fixture.privateKey($0)), kid: "k") }
        }
    }

    @Test(arguments: KeyManagement.allCases, ContentEncryption.allCases)
    func `what is encrypted opens, by its own way alone, and no other key opens it (J7)`(
        management: KeyManagement,
        encryption: ContentEncryption
    ) throws {
        for key in try Self.keys(management, encryption) {
            let token = Array(try JWE.encrypt(Self.text, to: key, management, encryption).utf8)
            let content = try JWE.open(
                token,
                keys: JWKSet([key]),
                allowed: [management],
                encryptions: [encryption]
            )
            #expect(content.plaintext == Self.text && content.provesSender == management.provesSender)
            for other in try Self.others(key) {
                #expect(throws: TokenError.decryptionFailed) {
                    try JWE.open(token, keys: JWKSet([other]), allowed: [management])
                }
            }
            #expect(throws: TokenError.algorithmNotAllowed) {
                try JWE.open(
                    token,
                    keys: JWKSet([key]),
                    allowed: Set(KeyManagement.allCases).subtracting([management])
                )
            }
            #expect(throws: TokenError.algorithmNotAllowed) {
                try JWE.open(
                    token,
                    keys: JWKSet([key]),
                    allowed: [management],
                    encryptions: Set(ContentEncryption.allCases).subtracting([encryption])
                )
            }
        }
    }

    /// A key of the same kind with the same name.
    private static func others(_ key: JWK) throws -> [JWK] {
        switch key.material {
        case .symmetric(let secret): return [JWK(.symmetric(try .random(secret.count)), kid: "k")]
        case .privateKey(let key):
            // A key of RSA takes long to make; one is shown in `JWETests`.
            if case .rsa = key.kind { return [] }
            return [JWK(.privateKey(try .generate(key.kind)), kid: "k")]
        case .publicKey: return []
        }
    }

    @Test(arguments: KeyManagement.allCases)
    func `RSA1_5 and PBES2 are taken only when they are named (J7)`(management: KeyManagement) throws {
        let key = try #require(Self.keys(management, .a256GCM).first)
        let claims = Fixture.claims()
        let inner = Array(try JWS.sign(claims: claims, key: Fixture.key(.es256, kid: nil), .es256).utf8)
        let token = Array(try JWE.encrypt(inner, to: key, management, .a256GCM).utf8)
        func judge(_ expectations: TokenExpectations) throws -> VerifiedToken {
            try TokenVerifier.verifyAny(
                token,
                keys: JWKSet([key, Fixture.verifier(.es256, kid: nil)]),
                expecting: expectations,
                at: Fixture.now
            )
        }
        if management.isOnlyByName {
            #expect(throws: TokenError.algorithmNotAllowed) { try judge(Fixture.expectations) }
        } else {
            #expect(try judge(Fixture.expectations).claims == claims)
        }
        var named = Fixture.expectations
        named.allow(["ES256", management.rawValue])
        #expect(try judge(named).claims == claims)
    }

    @Test(
        arguments: [
            (#""p2s":"MDEyMzQ1Njc","p2c":1000"#, .decryptionFailed),
            (#""p2s":"MDEyMzQ1Njc","p2c":10000"#, .decryptionFailed),
            (#""p2s":"MDEyMzQ1Njc","p2c":999"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":10001"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":2147483648000"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":99999999999999999999"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":-1"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":1e3"#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc","p2c":"1000""#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Njc""#, .malformed(.headerMember("p2c"))),
            (#""p2s":"MDEyMzQ1Ng","p2c":1000"#, .malformed(.headerMember("p2s"))),
            (#""p2s":"MDEyMzQ1Njc=","p2c":1000"#, .malformed(.headerMember("p2s"))),
            (#""p2c":1000"#, .malformed(.headerMember("p2s"))),
        ] as [(String, TokenError)]
    )
    func `the work that a token asks of a password is bounded (J7)`(members: String, error: TokenError) throws
    {
        let header = #"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM",\#(members)}"#
        let parts = [[UInt8](repeating: 1, count: 40), [UInt8](repeating: 2, count: 12), [3], Self.tag]
        let token = ([Array(header.utf8)] + parts).map { Base64URL.encode($0) }.joined(separator: ".")
        #expect(throws: error) {
            try JWE.open(
                Array(token.utf8),
                keys: JWKSet([JWK(.symmetric(try .random(32)))]),
                allowed: [.pbes2HS512A256KW]
            )
        }
    }

    static let tag = [UInt8](repeating: 4, count: 16)

    @Test func `a key of one use that is on no curve, or of a small order, agrees on nothing (B3)`() throws {
        let x25519 = JWK(.privateKey(try Fixture.privateKey(.octets(.x25519))))
        let p256 = JWK(.privateKey(try Fixture.privateKey(.elliptic(.p256))))
        let zero = Base64URL.encode([UInt8](repeating: 0, count: 32))
        let one = Base64URL.encode([1] + [UInt8](repeating: 0, count: 31))
        let keys: [(JWK, JSONValue?)] = [
            (x25519, ["kty": "OKP", "crv": "X25519", "x": .string(zero)]),
            (x25519, ["kty": "OKP", "crv": "X25519", "x": .string(one)]),
            (x25519, ["kty": "OKP", "crv": "X448", "x": .string(zero)]),
            (p256, ["kty": "EC", "crv": "P-256", "x": .string(zero), "y": .string(zero)]),
            (p256, ["kty": "EC", "crv": "P-256", "x": .string(one), "y": .string(one)]),
            (p256, JWK(.publicKey(try Fixture.privateKey(.elliptic(.secp256k1)).publicKey)).publicJSON),
            (p256, JWK(.publicKey(try Fixture.privateKey(.elliptic(.p384)).publicKey)).publicJSON),
            (p256, nil), (p256, "x"), (p256, [:]),
        ]
        for (key, sender) in keys {
            var header: [String: JSONValue] = ["alg": "ECDH-ES", "enc": "A256GCM"]
            header["epk"] = sender
            let parts = [[], [UInt8](repeating: 2, count: 12), [3], Self.tag]
            let all = [JSONValue.object(header).serialized()] + parts
            let token = all.map { Base64URL.encode($0) }.joined(separator: ".")
            #expect(throws: TokenError.decryptionFailed) {
                try JWE.open(Array(token.utf8), keys: JWKSet([key]))
            }
        }
    }

    @Test func `a payload as it is, is taken only where that is asked for (J6)`() throws {
        let secret = JWK(.symmetric(Fixture.secret))
        var expectations = Fixture.expectations
        expectations.algorithms = [.hs256]
        func verify(_ header: String, _ payload: String, _ form: TokenForm.Payload) throws -> [UInt8] {
            let signed = Base64URL.encode(Array(header.utf8)) + "." + payload
            let code = try HMAC(.sha256, key: Fixture.secret).code(for: Array(signed.utf8))
            let token = try UnverifiedToken(
                parsing: Array((signed + "." + Base64URL.encode(code)).utf8),
                form: TokenForm(payload: form)
            )
            return try TokenVerifier.verifySignature(
                token,
                keys: JWKSet([secret]),
                expecting: expectations
            ).bytes
        }
        let unencoded = #"{"alg":"HS256","b64":false,"crit":["b64"]}"#
        #expect(try verify(unencoded, "$-02", .bytesOrUnencoded) == Array("$-02".utf8))
        #expect(try verify(#"{"alg":"HS256"}"#, "JC4wMg", .bytesOrUnencoded) == Array("$.02".utf8))
        #expect(throws: TokenError.malformed(.encoding(part: "payload"))) {
            try verify(unencoded, "$-02", .bytes)
        }
        #expect(throws: TokenError.criticalHeader) { try verify(unencoded, "JC4wMg", .bytes) }
        #expect(throws: TokenError.criticalHeader) { try verify(unencoded, "e30", .claims) }
        for header in [
            #"{"alg":"HS256","b64":false}"#, #"{"alg":"HS256","b64":false,"crit":["b64","b64"]}"#,
            #"{"alg":"HS256","b64":false,"crit":["b64","x"],"x":1}"#,
            #"{"alg":"HS256","b64":0,"crit":["b64"]}"#,
            #"{"alg":"HS256","b64":true,"crit":["b64"]}"#, #"{"alg":"HS256","crit":["b64"]}"#,
        ] {
            #expect(throws: TokenError.criticalHeader) { try verify(header, "JC4wMg", .bytesOrUnencoded) }
            #expect(throws: TokenError.malformed(.encoding(part: "payload"))) {
                try verify(header, "$-02", .bytesOrUnencoded)
            }
        }
    }
}
