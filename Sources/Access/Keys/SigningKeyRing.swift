// The keys that sign what we say of a user: when each is published, when it signs, when it is over.
package import Cryptography
import JOSE
package import JSON

/// One key that signs.
package struct SigningKey: Sendable {
    /// What `kid` says: sixteen hexadecimal digits of its thumbprint (RFC 7638).
    package let id: String
    /// Seconds since 1970 at which it was made, and published.
    package let createdAt: Double
    /// The public half as others get it (RFC 7517).
    package let publicJSON: JSONValue
    let key: JWK

    /// The algorithm of every key of ours: quick to sign, short.
    static let algorithm = Algorithm.es256

    /// A key that was made at `createdAt`; it has to be on P-256.
    package init(_ key: PrivateKey, createdAt: Double) throws(CryptoError) {
        guard key.kind == .elliptic(.p256) else { throw .wrongKeyKind }
        let bare = JWK(.privateKey(key))
        guard let print = Base64URL.decode(try bare.thumbprint()) else { throw .malformedKey }
        id = Hexadecimal.encode(print[..<8])
        self.createdAt = createdAt
        self.key = JWK(.privateKey(key), kid: id, algorithm: Self.algorithm.rawValue, use: "sig")
        guard let json = self.key.publicJSON else { throw .malformedKey }
        publicJSON = json
    }
}

/// The signing keys of a folder; what each of them does follows from their ages and the time alone, so that all
/// programs of one folder agree without a word.
///
/// A new key is published first and signs once whoever keeps our set has had the time to see it. The old one then
/// signs no more, and stays published until the last thing it signed has ended.
package struct SigningKeyRing: Sendable {
    /// What a key does at a moment.
    package enum State: Sendable, Equatable {
        /// Published, and signs from that moment on.
        case waits(until: Double)
        case signs
        /// Signs no more, and is published until then.
        case verifies(until: Double)
        /// Published no more: its file may go.
        case over
    }

    /// Seconds that others may keep the published set.
    package static let cacheSeconds = 300.0
    /// Seconds that a key is published before it signs: twice what others keep, for a program that looks late.
    package static let leadSeconds = 600.0
    /// The longest life of anything that is signed, in seconds.
    package static let longestSeconds = 3600.0
    /// Seconds by which clocks may differ.
    package static let leewaySeconds = 300.0
    /// Keys that may be published at a time.
    package static let maximumPublished = 8

    /// The oldest first, no two of one age; never empty.
    package let keys: [SigningKey]

    /// A ring of these keys.
    package init(_ keys: [SigningKey]) {
        precondition(!keys.isEmpty, "a ring has a key")
        self.keys = keys.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    /// A ring of one key that is kept nowhere: for commands that only look, and for tests.
    package static func unkept() throws(CryptoError) -> SigningKeyRing {
        SigningKeyRing([try SigningKey(.generate(.elliptic(.p256)), createdAt: 0)])
    }

    /// When a key begins to sign; the first one at once, since nobody has another.
    private func begins(_ place: Int) -> Double {
        keys[place].createdAt + (place == 0 ? 0 : Self.leadSeconds)
    }

    /// The key that signs at `now`.
    func signer(at now: Double) -> SigningKey { keys[signerPlace(at: now)] }

    private func signerPlace(at now: Double) -> Int {
        keys.indices.last { begins($0) <= now } ?? 0
    }

    /// What each key does at `now`, the oldest first.
    package func states(at now: Double) -> [(key: SigningKey, state: State)] {
        let signer = signerPlace(at: now)
        return keys.indices.map { place in
            guard place <= signer else { return (keys[place], .waits(until: begins(place))) }
            guard place < signer else { return (keys[place], .signs) }
            let end = begins(place + 1) + Self.longestSeconds + Self.leewaySeconds
            return (keys[place], now < end ? .verifies(until: end) : .over)
        }
    }

    /// The keys that others have to know at `now`.
    package func published(at now: Double) -> [SigningKey] {
        states(at: now).filter { $0.state != .over }.map(\.key)
    }
}
