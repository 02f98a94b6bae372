// Nonces for DPoP proofs: made and known again without any memory.
import Cryptography
import JOSE

/// Nonces that the gateway gives out (RFC 9449 §9): the number of a span of time and its code under a key of ours.
///
/// Nothing is stored: whoever has the same `keys_dir` knows them again, and each key that still opens cookies still
/// proves its nonces. One is good for the rest of its span and for the next.
struct ProofNonces: Sendable {
    /// How a nonce stands to the moment.
    enum Age: Sendable, Equatable {
        case current
        /// Still good, and soon no longer.
        case former
    }

    private let keys: [HMAC]
    private let spanSeconds: Double
    private static let codeBytes = 16

    /// Nonces that are good for `seconds`, or half of that at least.
    init(_ ring: SealingKeyRing, seconds: Double) throws(CryptoError) {
        var keys: [HMAC] = []
        for key in ring.keys {
            let derived = try HKDF.sha256(key.secret, info: "gatehouse DPoP nonce", count: 32)
            keys.append(try HMAC(.sha256, key: derived))
        }
        self.keys = keys
        spanSeconds = max(1, seconds / 2)
    }

    /// The nonce that is given out now; nil if it cannot be made.
    func current(at now: Double) -> String? {
        let span = span(at: now)
        guard let key = keys.first, let code = try? key.code(for: message(span)) else { return nil }
        return Base64URL.encode(Self.octets(span) + code[..<Self.codeBytes])
    }

    /// Whether a nonce is ours and good now.
    func age(of nonce: String, at now: Double) -> Age? {
        guard let octets = Base64URL.decode(nonce), octets.count == 8 + Self.codeBytes else { return nil }
        let span = octets[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let current = self.span(at: now)
        // A replica's clock may be ahead of ours by a little.
        guard span == current || span == current &- 1 || span == current &+ 1 else { return nil }
        let found = Array(octets[8...])
        for key in keys {
            guard let code = try? key.code(for: message(span)) else { return nil }
            if equalInConstantTime(Array(code[..<Self.codeBytes]), found) {
                return span == current &- 1 ? .former : .current
            }
        }
        return nil
    }

    private func span(at now: Double) -> UInt64 {
        UInt64(exactly: (max(0, now) / spanSeconds).rounded(.down)) ?? 0
    }

    private func message(_ span: UInt64) -> [UInt8] {
        Self.octets(span) + Self.octets(spanSeconds.bitPattern)
    }

    private static func octets(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
    }
}
