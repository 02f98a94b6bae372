// Which key judges a token (J2, J3, J11, B1, B9).
import Cryptography
import JOSE
import JSON
import Testing

struct KeySelectionTests {
    let token: [UInt8]
    let named: [UInt8]

    init() throws {
        token = Array(
            try JWS.sign(claims: Fixture.claims(), key: Fixture.key(.es256, kid: nil), .es256).utf8
        )
        named = Array(try JWS.sign(claims: Fixture.claims(), key: Fixture.key(.es256), .es256).utf8)
    }

    func key(
        kid: String? = "k",
        algorithm: String? = nil,
        use: String? = nil,
        operations: [String]? = nil
    ) throws -> JWK {
        JWK(
            .publicKey(try Fixture.privateKey(.elliptic(.p256)).publicKey),
            kid: kid,
            algorithm: algorithm,
            use: use,
            operations: operations
        )
    }

    func stranger(kid: String? = nil, _ kind: KeyKind = .elliptic(.p256)) throws -> JWK {
        JWK(.publicKey(try PrivateKey.generate(kind).publicKey), kid: kid)
    }

    @Test func `a key that is not for verifying is none (J11)`() throws {
        for good in [
            try key(algorithm: "ES256"), try key(use: "sig"), try key(operations: ["verify"]),
            try key(operations: ["sign", "verify"]),
            try key(algorithm: "ES256", use: "sig", operations: ["verify"]),
        ] {
            _ = try Fixture.verify(token, keys: JWKSet([good]))
            _ = try Fixture.verify(named, keys: JWKSet([good]))
        }
        for (bad, error) in [
            (try key(use: "enc"), .unknownKey), (try key(use: ""), .unknownKey),
            (try key(use: "SIG"), .unknownKey),
            (try key(operations: []), .unknownKey), (try key(operations: ["sign"]), .unknownKey),
            (try key(operations: ["encrypt", "deriveKey"]), .unknownKey),
            (try key(use: "sig", operations: ["sign"]), .unknownKey),
            (try key(algorithm: "ES384"), .algorithmNotAllowed),
            (try key(algorithm: "es256"), .algorithmNotAllowed),
            (try key(algorithm: "ECDH-ES"), .algorithmNotAllowed),
        ] as [(JWK, TokenError)] {
            #expect(throws: error) { try Fixture.verify(token, keys: JWKSet([bad])) }
            #expect(throws: error) { try Fixture.verify(named, keys: JWKSet([bad])) }
        }
    }

    @Test func `a name that is present must name a key (J10, B9)`() throws {
        #expect(throws: TokenError.unknownKey) { try Fixture.verify(named, keys: .empty) }
        #expect(throws: TokenError.unknownKey) { try Fixture.verify(token, keys: .empty) }
        #expect(throws: TokenError.unknownKey) {
            try Fixture.verify(named, keys: JWKSet([key(kid: "other")]))
        }
        #expect(throws: TokenError.unknownKey) { try Fixture.verify(named, keys: JWKSet([key(kid: nil)])) }
        #expect(throws: TokenError.badSignature) {
            try Fixture.verify(named, keys: JWKSet([stranger(kid: "k"), key(kid: "other")]))
        }
        #expect(throws: TokenError.algorithmNotAllowed) {
            try Fixture.verify(
                named,
                keys: JWKSet([stranger(kid: "k", .elliptic(.p384)), key(kid: "other")])
            )
        }
    }

    @Test func `two keys of one name are both tried (J11)`() throws {
        _ = try Fixture.verify(named, keys: JWKSet([stranger(kid: "k"), key(), stranger(kid: "k")]))
        _ = try Fixture.verify(named, keys: JWKSet([stranger(kid: "k", .octets(.ed25519)), key()]))
    }

    @Test func `without a name at most four keys are tried`() throws {
        let three = [try stranger(), try stranger(), try stranger()]
        _ = try Fixture.verify(token, keys: JWKSet(three + [key()]))
        #expect(throws: TokenError.ambiguousKey(limit: 4)) {
            try Fixture.verify(token, keys: JWKSet(three + [stranger(), key()]))
        }
        #expect(throws: TokenError.badSignature) {
            try Fixture.verify(token, keys: JWKSet(three + [stranger()]))
        }
        // Keys that do not fit do not count.
        let others = try (0..<9).map { _ in try stranger(.octets(.ed25519)) }
        _ = try Fixture.verify(token, keys: JWKSet(others + [key()]))
        // A name settles it.
        _ = try Fixture.verify(named, keys: JWKSet(three + [stranger(), stranger(), key()]))
    }

    @Test func `a public key is never a MAC's secret (J2)`() throws {
        let rsa = try Fixture.privateKey(.rsa(bits: 2048)).publicKey
        guard case .rsa(let modulus, _) = rsa.components else {
            Issue.record("an RSA key has RSA components")
            return
        }
        let jwk = JWK(.publicKey(rsa), kid: "k")
        let pem = try rsa.pem()
        let json = (jwk.publicJSON ?? .null).serialized()
        for secret in [
            Array(pem.utf8), Array(pem.utf8.dropLast()), modulus, json,
            Array(Base64URL.encode(modulus).utf8),
        ] {
            for algorithm in [Algorithm.hs256, .hs384, .hs512] {
                let forged = try JWS.sign(
                    claims: Fixture.claims(),
                    key: JWK(.symmetric(Secret(secret)), kid: "k"),
                    algorithm
                )
                for algorithms in [Algorithm.asymmetric, [.rs256, algorithm], Set(Algorithm.allCases)] {
                    var expectations = Fixture.expectations
                    expectations.algorithms = algorithms
                    #expect(throws: TokenError.algorithmNotAllowed) {
                        try Fixture.verify(Array(forged.utf8), keys: JWKSet([jwk]), expectations)
                    }
                }
            }
        }
    }

    @Test func `a shared key judges only algorithms that are named and not longer than it is (J3)`() throws {
        let half = JWK(.symmetric(Secret([UInt8](repeating: 7, count: 32))), kid: "k")
        let token = Array(try JWS.sign(claims: Fixture.claims(), key: half, .hs256).utf8)
        #expect(throws: TokenError.algorithmNotAllowed) { try Fixture.verify(token, keys: JWKSet([half])) }
        var expectations = Fixture.expectations
        expectations.algorithms = [.hs256, .hs384]
        _ = try Fixture.verify(token, keys: JWKSet([half]), expectations)
        let header = #"{"alg":"HS384","kid":"k"}"#
        let longer = try Fixture.token(header: header, payload: Fixture.claims().serializedString, .hs384)
        #expect(throws: TokenError.unknownKey) {
            try Fixture.verify(longer, keys: JWKSet([half]), expectations)
        }
        #expect(throws: TokenError.badSignature) {
            try Fixture.verify(
                longer,
                keys: JWKSet([JWK(.symmetric(Secret([UInt8](repeating: 7, count: 48))), kid: "k")]),
                expectations
            )
        }
    }

    @Test func `a signature of another form is refused (J5)`() throws {
        let parts = String(decoding: token, as: UTF8.self).split(separator: ".").map(String.init)
        let signed = parts[0] + "." + parts[1] + "."
        let raw = try #require(Base64URL.decode(parts[2]))
        // DER in place of r and s, by hand: both are positive integers of 33 bytes at most.
        func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] { [2, 33, 0] + bytes }
        let der = [0x30, 70] + integer(raw[..<32]) + integer(raw[32...])
        let zeros = [UInt8](repeating: 0, count: 64)
        for signature in [
            [], [0], zeros, der, raw + [0], Array(raw.dropLast()), raw + raw, Array(raw.reversed()),
            [UInt8](repeating: 0xFF, count: 64), Array(raw[32...] + raw[..<32]),
            Array(zeros[..<32] + raw[32...]),
            Array(raw[..<32] + zeros[..<32]),
        ] as [[UInt8]] {
            #expect(throws: TokenError.badSignature) {
                try Fixture.verify(Array((signed + Base64URL.encode(signature)).utf8))
            }
        }
    }

    @Test func `a signature of one algorithm is none of another (B1)`() throws {
        let payload = Fixture.claims().serializedString
        for (header, algorithm) in [
            ("RS256", Algorithm.ps256), ("PS256", .rs256), ("RS256", .rs384), ("PS512", .ps256),
        ] {
            let token = try Fixture.token(header: "{\"alg\":\"\(header)\"}", payload: payload, algorithm)
            #expect(throws: TokenError.badSignature) {
                try Fixture.verify(token, keys: JWKSet([Fixture.verifier(.rs256)]))
            }
        }
    }
}
