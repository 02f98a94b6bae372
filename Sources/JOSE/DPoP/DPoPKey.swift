// The header of a DPoP proof: which key signs, and how.

internal import Cryptography
internal import JSON

/// What the header of a proof says, checked (RFC 9449 §4.2); the same for all proofs of a client that does not change.
///
/// Whoever keeps it spares reading the key and making it ready for libcrypto.
package final class DPoPKey: Sendable {
    let algorithm: Algorithm
    let key: JWK
    /// The key's thumbprint (RFC 7638), which a token that is bound to it names.
    package let thumbprint: String

    /// The algorithms that are taken, as a challenge lists them.
    package static let algorithms: [Algorithm] = [
        .es256, .es384, .es512, .edDSA, .ps256, .ps384, .ps512, .rs256, .rs384, .rs512,
    ]
    private static let taken = Set(algorithms)

    /// Reads the first part of a proof.
    package init(header text: Span<UInt8>) throws(DPoPError) {
        guard let octets = Base64URL.decode(text) else { throw .malformed("header is not base64url") }
        guard let header = try? JSONObjectText(octets), header.isString("alg") else {
            throw .malformed("header is not a JSON object with alg")
        }
        guard header.string("typ").map({ TokenType($0) }) == .proof else { throw .wrongType }
        do { try TokenHeader.checkCritical(header) } catch { throw .criticalHeader }
        do { algorithm = try TokenHeader.algorithm(header, allowed: Self.taken) } catch {
            throw .algorithmNotAllowed
        }
        guard let value = header["jwk"], value.object != nil else {
            throw .malformed("header has no jwk")
        }
        // A private or a shared key is none that a network may show (rule 7).
        do { key = try JWK(parsing: value, from: .network) } catch { throw .unusableKey }
        switch KeySelection.fit(key, algorithm) {
        case .fits: break
        case .otherAlgorithm: throw .algorithmNotAllowed
        case .notForThis: throw .unusableKey
        }
        do { thumbprint = try key.thumbprint() } catch { throw .unusableKey }
    }
}

extension TokenType {
    /// A DPoP proof (RFC 9449 §4.2).
    package static let proof = TokenType("dpop+jwt")
}
