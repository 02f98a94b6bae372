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

    /// The places of a few keys in a set.
    struct Candidates {
        fileprivate(set) var count = 0
        fileprivate(set) var places = InlineArray<4, Int>(repeating: 0)
    }

    /// The keys that fit: of those that the token names or, if it names none, any.
    static func candidates(
        of set: JWKSet,
        kid: String?,
        _ algorithm: Algorithm
    ) throws(TokenError) -> Candidates {
        var found = Candidates()
        var isOfOther = true
        var isNone = true
        func look(at place: Int) throws(TokenError) {
            isNone = false
            switch set.fits[place].fit(algorithm) {
            case .fits:
                // More than are tried: which others fit does not matter.
                guard found.count < limit else { throw .ambiguousKey(limit: limit) }
                found.places[found.count] = place
                found.count += 1
            case .otherAlgorithm: break
            case .notForThis: isOfOther = false
            }
        }
        if let kid {
            for place in set.places(of: kid) { try look(at: place) }
        } else {
            for place in set.keys.indices { try look(at: place) }
        }
        guard found.count > 0 else {
            if isOfOther, !isNone { throw .algorithmNotAllowed }
            throw .unknownKey
        }
        return found
    }

    /// How one key stands to every algorithm, found out when its set is made.
    struct Fits: Sendable {
        private var fitting: UInt32 = 0
        private var forOthers: UInt32 = 0

        init(_ key: JWK) {
            for algorithm in Algorithm.allCases {
                switch KeySelection.fit(key, algorithm) {
                case .fits: fitting |= Self.bit(algorithm)
                case .otherAlgorithm: forOthers |= Self.bit(algorithm)
                case .notForThis: break
                }
            }
        }

        func fit(_ algorithm: Algorithm) -> Fit {
            if fitting & Self.bit(algorithm) != 0 { return .fits }
            return forOthers & Self.bit(algorithm) != 0 ? .otherAlgorithm : .notForThis
        }

        private static func bit(_ algorithm: Algorithm) -> UInt32 { 1 << UInt32(algorithm.place) }
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
