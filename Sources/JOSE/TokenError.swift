// Why a token is refused: one case a rule, with its section; never the token's text.

/// Why a token is refused.
///
/// The first rule that fails gives the case, in this order: size, form, JSON; critical header; algorithm; key;
/// signature; type; claims present and well-formed; issuer; audience; expiry; not before; issued at.
package enum TokenError: Error, Sendable, Equatable {
    /// The text is longer than this many bytes.
    case tooLarge(limit: Int)
    /// The text is no token of the compact form.
    case malformed(Malformation)
    /// The header asks for something that we do not do.
    case criticalHeader
    /// The algorithm is unknown, or `none`, or the token is encrypted where no encrypted one is taken.
    case unsupportedAlgorithm
    /// The algorithm is known, but not listed or not the key's.
    case algorithmNotAllowed
    /// No key of the set may verify this token: the caller may fetch the keys anew, once.
    case unknownKey
    /// More keys than this fit a token that names none.
    case ambiguousKey(limit: Int)
    case badSignature
    case decryptionFailed
    /// The `typ` is not one that is taken here.
    case wrongType
    case missingClaim(String)
    case malformedClaim(String)
    case wrongIssuer
    case wrongAudience
    /// Expired so many seconds ago, the leeway not counted.
    case expired(since: Double)
    /// Valid only in so many seconds, the leeway not counted.
    case notYetValid(in: Double)
    /// Issued so many seconds after now.
    case issuedInFuture(by: Double)

    /// What is wrong with the form of a token.
    package enum Malformation: Sendable, Equatable {
        /// Not three parts, or five.
        case parts
        /// This part is no canonical base64url.
        case encoding(part: String)
        /// The header is no JSON object by the strict rules.
        case header
        /// The header lacks this member, or it is of the wrong type.
        case headerMember(String)
        /// The payload is no JSON object by the strict rules.
        case payload
    }
}

extension TokenError {
    /// The stable word of the contract, the same in answers, logs and metrics.
    package var reason: String {
        switch self {
        case .tooLarge: "too-large"
        case .malformed: "malformed"
        case .criticalHeader: "critical-header"
        case .unsupportedAlgorithm: "unsupported-algorithm"
        case .algorithmNotAllowed: "algorithm-not-allowed"
        case .unknownKey: "unknown-key"
        case .ambiguousKey: "ambiguous-key"
        case .badSignature: "bad-signature"
        case .decryptionFailed: "decryption-failed"
        case .wrongType: "wrong-type"
        case .missingClaim: "missing-claim"
        case .malformedClaim: "malformed-claim"
        case .wrongIssuer: "wrong-issuer"
        case .wrongAudience: "wrong-audience"
        case .expired: "expired"
        case .notYetValid: "not-yet-valid"
        case .issuedInFuture: "issued-in-future"
        }
    }

    /// The section that the rule comes from.
    package var rule: String {
        switch self {
        case .tooLarge: "RFC 8725 §3.3"
        case .malformed(.parts): "RFC 7515 §7.1"
        case .malformed(.encoding): "RFC 7515 §2"
        case .malformed(.header): "RFC 7515 §4"
        case .malformed(.headerMember("kid")): "RFC 7515 §4.1.4"
        case .malformed(.headerMember("typ")): "RFC 7515 §4.1.9"
        case .malformed(.headerMember("p2s")), .malformed(.headerMember("p2c")): "RFC 7518 §4.8.1"
        case .malformed(.headerMember): "RFC 7515 §4.1.1"
        case .malformed(.payload): "RFC 7519 §7.2"
        case .criticalHeader: "RFC 7515 §4.1.11"
        case .unsupportedAlgorithm, .algorithmNotAllowed: "RFC 8725 §3.1"
        case .unknownKey: "RFC 7515 §4.1.4"
        case .ambiguousKey: "RFC 7515 §6"
        case .badSignature: "RFC 7515 §5.2"
        case .decryptionFailed: "RFC 7516 §5.2"
        case .wrongType: "RFC 8725 §3.11"
        case .missingClaim(let name), .malformedClaim(let name): Self.section(of: name)
        case .wrongIssuer: Self.section(of: "iss")
        case .wrongAudience: Self.section(of: "aud")
        case .expired: Self.section(of: "exp")
        case .notYetValid: Self.section(of: "nbf")
        case .issuedInFuture: Self.section(of: "iat")
        }
    }

    private static func section(of claim: String) -> String {
        switch claim {
        case "iss": "RFC 7519 §4.1.1"
        case "sub": "RFC 7519 §4.1.2"
        case "aud": "RFC 7519 §4.1.3"
        case "exp": "RFC 7519 §4.1.4"
        case "nbf": "RFC 7519 §4.1.5"
        case "iat": "RFC 7519 §4.1.6"
        case "jti": "RFC 7519 §4.1.7"
        default: "RFC 7519 §4"
        }
    }

    /// A sentence for a person; carries nothing that the token said.
    package var detail: String {
        switch self {
        case .tooLarge(let limit): "the token is longer than \(limit) bytes"
        case .malformed(let form): form.detail
        case .criticalHeader: "the header marks as critical what is not understood here"
        case .unsupportedAlgorithm: "the algorithm is none of those that are supported"
        case .algorithmNotAllowed: "the algorithm is not in the allowed list, or not that of the key"
        case .unknownKey: "no key of the set may verify this token"
        case .ambiguousKey(let limit): "the token names no key, and more than \(limit) keys fit"
        case .badSignature: "the signature is not that of the key"
        case .decryptionFailed: "the token does not open with the key"
        case .wrongType: "the type of the token is not the one that is wanted here"
        case .missingClaim(let name): "the claim \(name) is absent"
        case .malformedClaim(let name): "the claim \(name) is of the wrong type"
        case .wrongIssuer: "the issuer is not the one that is wanted here"
        case .wrongAudience: "the token is not meant for this audience"
        case .expired(let seconds): "the token expired \(Self.text(seconds)) s ago"
        case .notYetValid(let seconds): "the token is valid only in \(Self.text(seconds)) s"
        case .issuedInFuture(let seconds): "the token says it was issued \(Self.text(seconds)) s from now"
        }
    }

    private static func text(_ seconds: Double) -> String {
        abs(seconds) < 1e15 && seconds == seconds.rounded() ? "\(Int64(seconds))" : "\(seconds)"
    }
}

extension TokenError.Malformation {
    fileprivate var detail: String {
        switch self {
        case .parts: "the token is not three parts between dots"
        case .encoding(let part): "the \(part) is not base64url without padding"
        case .header: "the header is not a JSON object"
        case .headerMember(let name): "the header's \(name) is absent or not of its form"
        case .payload: "the payload is not a JSON object"
        }
    }
}
