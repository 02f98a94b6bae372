// Keys made once, and tokens made from them.
import Cryptography
import JOSE
import JSON

/// Keys and tokens for the tests.
enum Fixture {
    /// The moment at which tokens are judged.
    static let now = NumericDate(seconds: 1_800_000_000)

    /// A key for each kind, made once a run.
    static let keys: Result<[KeyKind: PrivateKey], CryptoError> = Result { () throws(CryptoError) in
        var keys: [KeyKind: PrivateKey] = [:]
        for kind in kinds { keys[kind] = try PrivateKey.generate(kind) }
        return keys
    }

    static let kinds: [KeyKind] =
        [.rsa(bits: 2048)] + EllipticCurve.allCases.map(KeyKind.elliptic)
        + OctetCurve.allCases.map(KeyKind.octets)

    static let secret = Secret([UInt8](0..<64))

    /// The private or shared key that signs with this algorithm.
    static func key(_ algorithm: Algorithm, kid: String? = "k") throws -> JWK {
        let kind: KeyKind
        switch algorithm.method {
        case .rsa: kind = .rsa(bits: 2048)
        case .elliptic(let curve, _): kind = .elliptic(curve)
        case .edwards: kind = .octets(.ed25519)
        case .hmac: return JWK(.symmetric(secret), kid: kid)
        }
        return JWK(.privateKey(try privateKey(kind)), kid: kid)
    }

    static func privateKey(_ kind: KeyKind) throws -> PrivateKey {
        guard let key = try keys.get()[kind] else { throw CryptoError.unsupportedKey }
        return key
    }

    /// The key as its verifier has it.
    static func verifier(_ algorithm: Algorithm, kid: String? = "k") throws -> JWK {
        let key = try key(algorithm, kid: kid)
        guard let publicKey = key.publicKey else { return key }
        return JWK(.publicKey(publicKey), kid: kid)
    }

    /// Claims that every rule takes, with some changed; `nil` leaves one out.
    static func claims(_ changes: [String: JSONValue?] = [:]) -> JSONValue {
        var claims: [String: JSONValue] = [
            "iss": "https://issuer", "sub": "alice", "aud": "api", "exp": .number(now.seconds + 100),
            "iat": .number(now.seconds - 10),
        ]
        for (name, value) in changes { claims[name] = value }
        return .object(claims)
    }

    static let expectations = TokenExpectations(issuers: ["https://issuer"], audiences: ["api"])

    /// A token of raw header and payload texts, signed by the key of an algorithm.
    static func token(
        header: String,
        payload: String,
        _ algorithm: Algorithm = .es256
    ) throws -> [UInt8] {
        try token(header: Array(header.utf8), payload: Array(payload.utf8), algorithm)
    }

    /// A token of raw header and payload, signed by the key of an algorithm.
    static func token(
        header: [UInt8],
        payload: [UInt8],
        _ algorithm: Algorithm = .es256
    ) throws -> [UInt8] {
        let signed = Array((Base64URL.encode(header) + "." + Base64URL.encode(payload)).utf8)
        let signature: [UInt8]
        switch (algorithm.method, try key(algorithm).material) {
        case (.hmac(let digest), .symmetric(let secret)):
            signature = try HMAC(digest, key: secret).code(for: signed)
        case (.rsa(let scheme), .privateKey(let key)), (.elliptic(_, let scheme), .privateKey(let key)):
            signature = try Signature.sign(signed.span, with: key, scheme)
        case (_, .privateKey(let key)): signature = try Signature.sign(signed.span, with: key, .edDSA)
        default: throw CryptoError.wrongKeyKind
        }
        return signed + Array(("." + Base64URL.encode(signature)).utf8)
    }

    /// Judges a token with the ES256 key.
    static func verify(
        _ token: [UInt8],
        keys: JWKSet? = nil,
        _ expectations: TokenExpectations = expectations
    ) throws -> VerifiedToken {
        try TokenVerifier.verify(
            token,
            keys: keys ?? JWKSet([verifier(.es256)]),
            expecting: expectations,
            at: now
        )
    }
}
