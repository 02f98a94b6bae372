// Tokens that a name and a secret were traded in for.
import Cryptography
import Synchronization

/// A bounded memory of grants' outcomes, by a keyed hash of everything that they depend on.
///
/// Only what the issuer said yes to is kept, so a wrong password is never taken for a right one, and neither the
/// password nor its plain hash is in memory.
final class GrantCache: Sendable {
    private struct Entry {
        let value: ProvenCredential
        let expires: Double
    }

    private let entries = Mutex<[[UInt8]: Entry]>([:])
    private let key: HMAC
    private let maximum: Int

    /// A cache of at most `maximum` outcomes.
    init(maximum: Int = 10_000) throws(CryptoError) {
        key = try HMAC(.sha256, key: .random(32))
        self.maximum = maximum
    }

    /// The keyed hash of these parts, each with its length before it.
    func key(for parts: [String]) throws(CryptoError) -> [UInt8] {
        try key.code(for: Array(SealedCookie.tuple(parts).utf8))
    }

    /// What is kept under `key`, unless it has expired.
    func value(_ key: [UInt8], at now: Double) -> ProvenCredential? {
        entries.withLock { entries in
            guard let entry = entries[key] else { return nil }
            if entry.expires > now { return entry.value }
            entries[key] = nil
            return nil
        }
    }

    /// Keeps `value` under `key`.
    func keep(_ value: ProvenCredential, _ key: [UInt8], until expires: Double, at now: Double) {
        entries.withLock { entries in
            if entries.count >= maximum {
                entries = entries.filter { $0.value.expires > now }
                // Still full: half of them go, whichever; the issuer is asked again.
                if entries.count >= maximum {
                    entries = Dictionary(
                        uniqueKeysWithValues: entries.dropFirst(maximum / 2).map { ($0.key, $0.value) }
                    )
                }
            }
            entries[key] = Entry(value: value, expires: expires)
        }
    }

    /// Forgets `key`.
    func forget(_ key: [UInt8]) {
        entries.withLock { $0[key] = nil }
    }
}
