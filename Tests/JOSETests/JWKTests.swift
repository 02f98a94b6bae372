// Keys as JSON: what is taken from an issuer, and from the operator (J3, J5, J11).
import Cryptography
import JOSE
import JSON
import Testing

struct JWKTests {
    /// The public key of a kind as JSON, with some members changed; `nil` leaves one out.
    static func json(_ kind: KeyKind, _ changes: [String: JSONValue?] = [:]) throws -> JSONValue {
        let key = JWK(.publicKey(try Fixture.privateKey(kind).publicKey), kid: "k")
        guard var members = key.publicJSON?.object else { throw CryptoError.unsupportedKey }
        for (name, value) in changes { members[name] = value }
        return .object(members)
    }

    @Test(arguments: Fixture.kinds)
    func `a key survives JSON`(kind: KeyKind) throws {
        let key = try JWK(parsing: Self.json(kind), from: .network)
        #expect(key.publicKey?.components == (try Fixture.privateKey(kind).publicKey.components))
        let secret = try JWK(.privateKey(Fixture.privateKey(kind)), kid: "k").secretJSON()
        let read = try JWK(parsing: secret, from: .configuration)
        guard case .privateKey(let privateKey) = read.material else {
            Issue.record("no private key")
            return
        }
        #expect(privateKey.publicKey.components == key.publicKey?.components)
    }

    @Test(arguments: Fixture.kinds)
    func `a private key from the network is refused (J11)`(kind: KeyKind) throws {
        let secret = try JWK(.privateKey(Fixture.privateKey(kind)), kid: "k").secretJSON()
        #expect(throws: JWKError.notPublic) { try JWK(parsing: secret, from: .network) }
    }

    @Test func `a shared key from the network is refused (J11)`() throws {
        let key: JSONValue = ["kty": "oct", "k": .string(Base64URL.encode([UInt8](repeating: 7, count: 64)))]
        #expect(throws: JWKError.notPublic) { try JWK(parsing: key, from: .network) }
        _ = try JWK(parsing: key, from: .configuration)
    }

    @Test(
        arguments: [
            (0, nil, JWKError.malformed(member: "k")), (15, nil, .tooShort), (31, "HS256", .tooShort),
            (47, "HS384", .tooShort), (63, "HS512", .tooShort),
        ] as [(Int, String?, JWKError)]
    )
    func `a shared key that is too short is refused (J3, B4)`(
        count: Int,
        algorithm: String?,
        error: JWKError
    ) throws {
        var key: [String: JSONValue] = [
            "kty": "oct", "k": .string(Base64URL.encode([UInt8](repeating: 7, count: count))),
        ]
        if let algorithm { key["alg"] = .string(algorithm) }
        #expect(throws: error) { try JWK(parsing: .object(key), from: .configuration) }
        guard count > 0 else { return }
        key["k"] = .string(Base64URL.encode([UInt8](repeating: 7, count: count + 1)))
        _ = try JWK(parsing: .object(key), from: .configuration)
    }

    static let malformed: [(KeyKind, [String: JSONValue?], JWKError)] = [
        (.elliptic(.p256), ["x": 5], .malformed(member: "x")),
        (.elliptic(.p256), ["x": nil], .malformed(member: "x")),
        (.elliptic(.p256), ["x": "!!"], .malformed(member: "x")),
        (.elliptic(.p256), ["x": "AA"], .refused(.wrongLength(expected: 32))),
        (
            .elliptic(.p256), ["y": .string(Base64URL.encode([UInt8](repeating: 1, count: 32)))],
            .refused(.pointNotOnCurve)
        ),
        (.elliptic(.p256), ["crv": "P-384"], .refused(.wrongLength(expected: 48))),
        (.elliptic(.p256), ["crv": "P-257"], .foreign),
        (.elliptic(.p256), ["kty": "ec"], .foreign),
        (.elliptic(.p256), ["kty": nil], .malformed(member: "kty")),
        (.elliptic(.p256), ["kty": 1], .malformed(member: "kty")),
        (.elliptic(.p256), ["kid": 1], .malformed(member: "kid")),
        (.elliptic(.p256), ["use": ["sig"]], .malformed(member: "use")),
        (.elliptic(.p256), ["alg": 1], .malformed(member: "alg")),
        (.elliptic(.p256), ["key_ops": "verify"], .malformed(member: "key_ops")),
        (.elliptic(.p256), ["key_ops": ["verify", "verify"]], .malformed(member: "key_ops")),
        (.octets(.ed25519), ["x": "AAAA"], .refused(.wrongLength(expected: 32))),
        (.octets(.ed25519), ["crv": "Ed448"], .refused(.wrongLength(expected: 57))),
        (.rsa(bits: 2048), ["e": "AQ"], .refused(.publicExponent)),
        (.rsa(bits: 2048), ["e": "Ag"], .refused(.publicExponent)),
        (.rsa(bits: 2048), ["e": "AQAA"], .refused(.publicExponent)),
        (.rsa(bits: 2048), ["n": "AQAB"], .refused(.modulusSize(bits: 17))),
        (.rsa(bits: 2048), ["n": ""], .malformed(member: "n")),
    ]

    @Test(arguments: malformed)
    func `a malformed key is refused with its fault (J5)`(
        kind: KeyKind,
        changes: [String: JSONValue?],
        error: JWKError
    ) throws {
        let json = try Self.json(kind, changes)
        #expect(throws: error) { try JWK(parsing: json, from: .network) }
    }

    @Test func `one bad key leaves the others usable, a foreign kind is no fault (J11)`() throws {
        let set = try JWKSet(
            parsing: [
                "keys": [
                    Self.json(.elliptic(.p256), ["x": 1]), ["kty": "PQ", "crv": "x"], 5,
                    Self.json(.elliptic(.p384)), Self.json(.rsa(bits: 2048), ["e": "Ag"]),
                ]
            ],
            from: .network
        )
        #expect(set.keys.map(\.publicKey?.kind) == [.elliptic(.p384)])
        #expect(set.rejected.map(\.index) == [0, 2, 4])
        #expect(
            set.rejected.map(\.error) == [
                .malformed(member: "x"), .malformed(member: ""), .refused(.publicExponent),
            ]
        )
    }

    @Test(arguments: [[:], ["keys": 5], ["keys": [:]], []] as [JSONValue])
    func `what is no set is refused`(value: JSONValue) {
        #expect(throws: JWKSetError.malformed) { try JWKSet(parsing: value, from: .network) }
    }

    @Test func `one key stands for a set where the operator writes it`() throws {
        let key = try Self.json(.octets(.ed25519))
        #expect(try JWKSet(parsing: key, from: .configuration).contains(kid: "k"))
        #expect(throws: JWKSetError.malformed) { try JWKSet(parsing: key, from: .network) }
    }

    @Test func `a set has at most 1,024 keys (J11)`() throws {
        let key = try Self.json(.octets(.ed25519))
        let full = JSONValue.array(Array(repeating: key, count: 1024))
        #expect(try JWKSet(parsing: ["keys": full], from: .network).keys.count == 1024)
        let more = JSONValue.array(Array(repeating: key, count: 1025))
        #expect(throws: JWKSetError.tooManyKeys(limit: 1024)) {
            try JWKSet(parsing: ["keys": more], from: .network)
        }
    }

    @Test func `keys are found by name, byte for byte (B9)`() throws {
        let key = try Self.json(.octets(.ed25519), ["kid": "\u{E9}"])
        let set = try JWKSet(parsing: ["keys": [key]], from: .network)
        #expect(set.contains(kid: "\u{E9}"))
        #expect(!set.contains(kid: "e\u{301}"))
        #expect(!set.contains(kid: ""))
    }
}
