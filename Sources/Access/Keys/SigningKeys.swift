// What signs in our name, shared by all workers and all plans.
import Cryptography
import JOSE
import JSON
import Synchronization

/// The signing keys of the running program: one ring at a time, taken anew when the folder has changed.
///
/// Its lock is asked for a signature or for the published set, never for a request whose signature is known.
package final class SigningKeys: Sendable {
    /// What `iss` says in all that is signed.
    package let issuer: String
    private let ring: Mutex<SigningKeyRing>
    private let changes = Atomic<UInt64>(0)

    /// Signs with the keys of `ring`, as `issuer`.
    package init(_ ring: SigningKeyRing, issuer: String) {
        self.issuer = issuer
        self.ring = Mutex(ring)
    }

    /// Rises with each change of the keys: what was signed before may be by one that was taken back.
    var version: UInt64 { changes.load(ordering: .relaxed) }

    /// The keys as they are now.
    package var current: SigningKeyRing { ring.withLock { $0 } }

    /// Takes a ring; says whether it differs from the one before.
    @discardableResult
    package func take(_ newer: SigningKeyRing) -> Bool {
        let isNew = ring.withLock { ring in
            let isNew = ring.keys.map(\.id) != newer.keys.map(\.id)
            ring = newer
            return isNew
        }
        if isNew { changes.add(1, ordering: .relaxed) }
        return isNew
    }

    /// Signs claims as a JWT of the kind `type`, with the key that signs at `now`.
    func sign(
        _ claims: [String: JSONValue],
        type: String,
        at now: Double
    ) throws(CryptoError) -> String {
        let key = current.signer(at: now).key
        var claims = claims
        claims["iss"] = .string(issuer)
        return try JWS.sign(
            claims: .object(claims),
            key: key,
            SigningKey.algorithm,
            header: ["typ": .string(type)]
        )
    }

    /// The set that others verify with at `now` (RFC 7517 §5).
    func document(at now: Double) -> [UInt8] {
        let keys = current.published(at: now).map(\.publicJSON)
        return JSONValue.object(["keys": .array(keys)]).serialized()
    }
}
