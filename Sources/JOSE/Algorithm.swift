// The signature algorithms: one closed table.

package import Cryptography

/// A signature algorithm by its registered name; there is no `none` (RFC 7518 §3, RFC 8037 §3.1, RFC 8812 §3.2).
package enum Algorithm: String, Sendable, CaseIterable, Hashable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case es256K = "ES256K"
    case edDSA = "EdDSA"
    case hs256 = "HS256"
    case hs384 = "HS384"
    case hs512 = "HS512"

    /// How an algorithm works: which key it takes and what is done with it.
    package enum Method: Sendable, Hashable {
        /// A key of RSA, with this scheme.
        case rsa(SignatureScheme)
        /// A key on this one curve, with this scheme.
        case elliptic(EllipticCurve, SignatureScheme)
        /// A key on Ed25519 or Ed448.
        case edwards
        /// A shared secret at least as long as the digest.
        case hmac(Digest)
    }

    /// Its place in the table.
    var place: Int {
        switch self {
        case .rs256: 0
        case .rs384: 1
        case .rs512: 2
        case .ps256: 3
        case .ps384: 4
        case .ps512: 5
        case .es256: 6
        case .es384: 7
        case .es512: 8
        case .es256K: 9
        case .edDSA: 10
        case .hs256: 11
        case .hs384: 12
        case .hs512: 13
        }
    }

    /// The row of the table.
    package var method: Method {
        switch self {
        case .rs256: .rsa(.rsaPKCS1(.sha256))
        case .rs384: .rsa(.rsaPKCS1(.sha384))
        case .rs512: .rsa(.rsaPKCS1(.sha512))
        case .ps256: .rsa(.rsaPSS(.sha256))
        case .ps384: .rsa(.rsaPSS(.sha384))
        case .ps512: .rsa(.rsaPSS(.sha512))
        case .es256: .elliptic(.p256, .ecdsa(.sha256))
        case .es384: .elliptic(.p384, .ecdsa(.sha384))
        case .es512: .elliptic(.p521, .ecdsa(.sha512))
        case .es256K: .elliptic(.secp256k1, .ecdsa(.sha256))
        case .edDSA: .edwards
        case .hs256: .hmac(.sha256)
        case .hs384: .hmac(.sha384)
        case .hs512: .hmac(.sha512)
        }
    }

    /// Says whether signer and verifier share one secret; such an algorithm is taken only when it is named.
    package var isSymmetric: Bool {
        if case .hmac = method { true } else { false }
    }

    /// The algorithms with a public key: what is taken when nothing is said.
    package static let asymmetric = Set(allCases.filter { !$0.isSymmetric })

    /// The digest that `at_hash` and `c_hash` are made with (OIDC Core §3.1.3.6); nothing for EdDSA on Ed448.
    package var digest: Digest? {
        switch method {
        case .rsa(.rsaPKCS1(let digest)), .rsa(.rsaPSS(let digest)), .elliptic(_, .ecdsa(let digest)),
            .hmac(let digest):
            digest
        case .edwards: .sha512
        case .rsa, .elliptic: nil
        }
    }
}
