// A wrapping key out of a password, with a bound to the work.

internal import Cryptography
internal import JSON

/// PBES2 (RFC 7518 §4.8): how often to iterate is said by the token, so it is bounded before any work is done (J7).
enum PasswordKey {
    /// From the least that RFC 7518 §4.8.1.2 recommends to some milliseconds of work.
    static let iterations = 1000...10_000

    /// Refuses a header without a salt of 8 bytes or a count within bounds.
    static func check(_ header: JSONObjectText) throws(TokenError) {
        guard let salt = header.string("p2s").flatMap({ Base64URL.decode($0) }), salt.count >= 8 else {
            throw .malformed(.headerMember("p2s"))
        }
        guard let count = header["p2c"]?.integer, iterations.contains(Int(count)) else {
            throw .malformed(.headerMember("p2c"))
        }
    }

    /// The key; its salt is the algorithm's name, a zero and the salt of the header.
    static func derive(
        _ password: Secret,
        _ header: JSONObjectText,
        _ digest: Digest,
        _ count: Int
    ) throws(CryptoError) -> Secret {
        guard let salt = header.string("p2s").flatMap({ Base64URL.decode($0) }),
            let name = header.string("alg"), let rounds = header["p2c"]?.integer,
            iterations.contains(Int(rounds))
        else { throw .malformedKey }
        return try PBKDF2.derive(
            password,
            salt: Array(name.utf8) + [0] + salt,
            iterations: Int(rounds),
            digest,
            count: count
        )
    }
}
