// Which keys of a set may verify a token.

internal import Cryptography

/// Finds the keys that may verify a token; never more than a few.
enum KeySelection {
    /// How many keys are tried for one token at most.
    static let limit = 4

    /// How a key stands to an algorithm.
    enum Fit {
        case fits
        /// The key is of another kind, or for another algorithm.
        case otherAlgorithm
        /// The key is not for verifying, or too short.
        case notForThis
    }

    /// Whether a key that fits is the one: of those that the token names or, if it names none, any.
    static func anyKey(
        of set: JWKSet,
        kid: String?,
        _ algorithm: Algorithm,
        _ isTheOne: (borrowing JWK) -> Bool
    ) throws(TokenError) -> Bool {
        let candidates = kid.map { set.places(of: $0) } ?? set.keys.indices.map { $0 }
        var fitting = InlineArray<4, Int>(repeating: 0)
        var count = 0
        var isOfOther = !candidates.isEmpty
        for place in candidates {
            switch fit(set.keys[place], algorithm) {
            case .fits:
                // More than are tried: which others fit does not matter.
                guard count < limit else { throw .ambiguousKey(limit: limit) }
                fitting[count] = place
                count += 1
            case .otherAlgorithm: continue
            case .notForThis: isOfOther = false
            }
        }
        guard count > 0 else {
            if isOfOther { throw .algorithmNotAllowed }
            throw .unknownKey
        }
        for place in 0..<count where isTheOne(set.keys[fitting[place]]) { return true }
        return false
    }

    /// Key and algorithm are one value: a public key is never a MAC's secret (J2), a short secret never a key (J3).
    static func fit(_ key: JWK, _ algorithm: Algorithm) -> Fit {
        if let named = key.algorithm, !isSame(named, algorithm) { return .otherAlgorithm }
        switch (algorithm.method, key.material) {
        case (.hmac(let digest), .symmetric(let secret)):
            guard secret.count >= digest.byteCount else { return .notForThis }
        case (.hmac, _), (_, .symmetric): return .otherAlgorithm
        case (.rsa, _):
            guard case .rsa = key.publicKey?.kind else { return .otherAlgorithm }
        case (.elliptic(let curve, _), _):
            guard key.publicKey?.kind == .elliptic(curve) else { return .otherAlgorithm }
        case (.edwards, _):
            guard case .octets(let curve) = key.publicKey?.kind, curve.signatureByteCount != nil else {
                return .otherAlgorithm
            }
        }
        guard key.use == nil || key.use == "sig" else { return .notForThis }
        guard key.operations?.contains("verify") ?? true else { return .notForThis }
        return .fits
    }

    /// A key may call itself by the names of RFC 9864, which say the curve too.
    private static func isSame(_ name: String, _ algorithm: Algorithm) -> Bool {
        name == algorithm.rawValue || (algorithm == .edDSA && (name == "Ed25519" || name == "Ed448"))
    }
}
