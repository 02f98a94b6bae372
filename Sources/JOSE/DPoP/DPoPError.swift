// Why a DPoP proof is not taken.

/// The rule of RFC 9449 that a proof breaks; carries nothing that the proof says.
package enum DPoPError: Error, Sendable, Equatable {
    /// The text is longer than this.
    case tooLarge(limit: Int)
    /// No JWT, or a header or claims that are not of their form.
    case malformed(String)
    /// The header marks something as critical.
    case criticalHeader
    /// `typ` is not `dpop+jwt`.
    case wrongType
    /// `alg` is none of those that are taken, or not the key's.
    case algorithmNotAllowed
    /// `jwk` is no public key that can be used.
    case unusableKey
    /// A claim is absent.
    case missingClaim(String)
    /// The token is bound to another key.
    case wrongKey
    /// `htm` is another method.
    case wrongMethod
    /// `htu` is another address.
    case wrongTarget
    /// `ath` is the hash of another token.
    case wrongToken
    /// `iat` is too long ago.
    case expired
    /// `iat` is too far ahead.
    case issuedInFuture
    /// `nonce` is absent, or none that is good now.
    case nonceRequired
    /// The signature is not that of `jwk`.
    case badSignature

    /// The stable word, the same in answers, logs and metrics.
    package var reason: String {
        switch self {
        case .tooLarge, .malformed, .criticalHeader, .missingClaim: "malformed-proof"
        case .wrongType: "wrong-proof-type"
        case .algorithmNotAllowed: "proof-algorithm-not-allowed"
        case .unusableKey: "unusable-proof-key"
        case .wrongKey: "wrong-proof-key"
        case .wrongMethod: "wrong-proof-method"
        case .wrongTarget: "wrong-proof-target"
        case .wrongToken: "wrong-proof-token"
        case .expired: "proof-expired"
        case .issuedInFuture: "proof-issued-in-future"
        case .nonceRequired: "proof-nonce-required"
        case .badSignature: "bad-proof-signature"
        }
    }

    /// The section that the rule comes from.
    package var rule: String {
        switch self {
        case .tooLarge, .malformed, .criticalHeader: "RFC 9449 §4.3 (2)"
        case .missingClaim: "RFC 9449 §4.3 (3)"
        case .wrongType: "RFC 9449 §4.3 (4)"
        case .algorithmNotAllowed: "RFC 9449 §4.3 (5)"
        case .badSignature: "RFC 9449 §4.3 (6)"
        case .unusableKey: "RFC 9449 §4.3 (7)"
        case .wrongMethod: "RFC 9449 §4.3 (8)"
        case .wrongTarget: "RFC 9449 §4.3 (9)"
        case .nonceRequired: "RFC 9449 §4.3 (10)"
        case .expired, .issuedInFuture: "RFC 9449 §4.3 (11)"
        case .wrongToken, .wrongKey: "RFC 9449 §4.3 (12)"
        }
    }

    /// A sentence for a person.
    package var detail: String {
        switch self {
        case .tooLarge(let limit): "the proof is longer than \(limit) bytes"
        case .malformed(let part): "the proof's \(part)"
        case .criticalHeader: "the proof's header marks as critical what is not understood here"
        case .wrongType: "the proof's typ is not dpop+jwt"
        case .algorithmNotAllowed: "the proof's algorithm is not in the list, or not that of its key"
        case .unusableKey: "the proof's jwk is no public key that can be used"
        case .missingClaim(let name): "the proof's claim \(name) is absent"
        case .wrongKey: "the token is bound to another key than the proof's"
        case .wrongMethod: "htm is not the request's method"
        case .wrongTarget: "htu is not the address by which the request was made"
        case .wrongToken: "ath is not the hash of the token"
        case .expired: "iat is longer ago than dpop_proof_lifetime allows"
        case .issuedInFuture: "iat is ahead of the clock"
        case .nonceRequired: "the proof has no nonce of ours that is good now"
        case .badSignature: "the proof's signature is not that of its key"
        }
    }
}
