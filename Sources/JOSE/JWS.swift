// A JWS: its signature checked, and made.

package import Cryptography
package import JSON

/// A signature over bytes in the compact form (RFC 7515 §7.1).
package enum JWS {
    /// Checks one signature with one key; the key must fit the algorithm (`KeySelection.fit`).
    static func isValid(
        _ token: borrowing UnverifiedToken,
        _ key: JWK.Material,
        _ algorithm: Algorithm
    ) -> Bool {
        isValid(token.signature.span, of: token.signed.span, key, algorithm)
    }

    /// Checks the signature of these bytes with one key; the key must fit the algorithm.
    static func isValid(
        _ signature: Span<UInt8>,
        of signed: Span<UInt8>,
        _ key: JWK.Material,
        _ algorithm: Algorithm
    ) -> Bool {
        switch (algorithm.method, key) {
        case (.hmac(let digest), .symmetric(let secret)):
            guard let hmac = try? HMAC(digest, key: secret) else { return false }
            return (try? hmac.isValid(signature, for: signed)) ?? false
        case (.rsa(let scheme), .publicKey(let key)), (.elliptic(_, let scheme), .publicKey(let key)):
            return Signature.verify(signature, of: signed, by: key, scheme)
        case (.rsa(let scheme), .privateKey(let key)), (.elliptic(_, let scheme), .privateKey(let key)):
            return Signature.verify(signature, of: signed, by: key.publicKey, scheme)
        case (.edwards, .publicKey(let key)):
            return Signature.verify(signature, of: signed, by: key, .edDSA)
        case (.edwards, .privateKey(let key)):
            return Signature.verify(signature, of: signed, by: key.publicKey, .edDSA)
        case (.hmac, _), (_, .symmetric): return false
        }
    }

    /// Signs a payload; the header gets the algorithm and the key's name.
    package static func sign(
        _ payload: [UInt8],
        key: JWK,
        _ algorithm: Algorithm,
        header: [String: JSONValue] = [:]
    ) throws(CryptoError) -> String {
        var header = header
        header["alg"] = .string(algorithm.rawValue)
        if let kid = key.kid { header["kid"] = .string(kid) }
        let signed =
            Base64URL.encode(JSONValue.object(header).serialized()) + "." + Base64URL.encode(payload)
        let signature = try signature(Array(signed.utf8).span, key, algorithm)
        return signed + "." + Base64URL.encode(signature)
    }

    /// Signs claims as a JWT.
    package static func sign(
        claims: JSONValue,
        key: JWK,
        _ algorithm: Algorithm,
        header: [String: JSONValue] = [:]
    ) throws(CryptoError) -> String {
        try sign(claims.serialized(), key: key, algorithm, header: header)
    }

    private static func signature(
        _ signed: Span<UInt8>,
        _ key: JWK,
        _ algorithm: Algorithm
    ) throws(CryptoError) -> [UInt8] {
        switch (algorithm.method, key.material) {
        case (.hmac(let digest), .symmetric(let secret)):
            guard secret.count >= digest.byteCount else { throw .wrongLength(expected: digest.byteCount) }
            return try HMAC(digest, key: secret).code(for: signed)
        case (.rsa(let scheme), .privateKey(let key)):
            return try Signature.sign(signed, with: key, scheme)
        case (.elliptic(let curve, let scheme), .privateKey(let key)):
            guard key.kind == .elliptic(curve) else { throw .wrongKeyKind }
            return try Signature.sign(signed, with: key, scheme)
        case (.edwards, .privateKey(let key)):
            return try Signature.sign(signed, with: key, .edDSA)
        case (.hmac, _), (_, .symmetric), (_, .publicKey): throw .wrongKeyKind
        }
    }
}
