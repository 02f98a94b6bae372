// The encryption algorithms: two closed tables.

internal import Cryptography

/// How the content key of a JWE is found, by its registered name (RFC 7518 §4, RFC 8037 §3.2).
///
/// RSA1_5 and PBES2 are taken only when they are named: the one leaks by its errors, the other lets a stranger choose
/// our work.
package enum KeyManagement: String, Sendable, CaseIterable, Hashable {
    case direct = "dir"
    case a128KW = "A128KW"
    case a192KW = "A192KW"
    case a256KW = "A256KW"
    case a128GCMKW = "A128GCMKW"
    case a192GCMKW = "A192GCMKW"
    case a256GCMKW = "A256GCMKW"
    case rsaOAEP = "RSA-OAEP"
    case rsaOAEP256 = "RSA-OAEP-256"
    case ecdhES = "ECDH-ES"
    case ecdhESA128KW = "ECDH-ES+A128KW"
    case ecdhESA192KW = "ECDH-ES+A192KW"
    case ecdhESA256KW = "ECDH-ES+A256KW"
    case rsa1_5 = "RSA1_5"
    case pbes2HS256A128KW = "PBES2-HS256+A128KW"
    case pbes2HS384A192KW = "PBES2-HS384+A192KW"
    case pbes2HS512A256KW = "PBES2-HS512+A256KW"

    /// What is taken when nothing is said.
    package static let usual = Set(allCases.filter { !$0.isOnlyByName })

    /// Whether it is taken only when it is named.
    package var isOnlyByName: Bool {
        switch method {
        case .rsaPKCS1, .password: true
        case .direct, .wrap, .gcmWrap, .rsa, .agree: false
        }
    }

    /// How it works.
    enum Method {
        /// The shared secret is the content key.
        case direct
        /// The content key is wrapped under a shared secret of this many bytes.
        case wrap(keyCount: Int)
        /// The content key is sealed under a shared secret of this many bytes.
        case gcmWrap(keyCount: Int)
        case rsa(RSAOAEP.Hash)
        /// The content key is agreed upon, or wrapped under a key of this many bytes that is.
        case agree(wrapKeyCount: Int?)
        case rsaPKCS1
        /// The content key is wrapped under a key of this many bytes that is derived from a password.
        case password(Digest, wrapKeyCount: Int)
    }

    var method: Method {
        switch self {
        case .direct: .direct
        case .a128KW: .wrap(keyCount: 16)
        case .a192KW: .wrap(keyCount: 24)
        case .a256KW: .wrap(keyCount: 32)
        case .a128GCMKW: .gcmWrap(keyCount: 16)
        case .a192GCMKW: .gcmWrap(keyCount: 24)
        case .a256GCMKW: .gcmWrap(keyCount: 32)
        case .rsaOAEP: .rsa(.sha1)
        case .rsaOAEP256: .rsa(.sha256)
        case .ecdhES: .agree(wrapKeyCount: nil)
        case .ecdhESA128KW: .agree(wrapKeyCount: 16)
        case .ecdhESA192KW: .agree(wrapKeyCount: 24)
        case .ecdhESA256KW: .agree(wrapKeyCount: 32)
        case .rsa1_5: .rsaPKCS1
        case .pbes2HS256A128KW: .password(.sha256, wrapKeyCount: 16)
        case .pbes2HS384A192KW: .password(.sha384, wrapKeyCount: 24)
        case .pbes2HS512A256KW: .password(.sha512, wrapKeyCount: 32)
        }
    }

    /// Says whether whoever encrypted must have known our secret; a public key proves no sender.
    package var provesSender: Bool {
        switch method {
        case .direct, .wrap, .gcmWrap, .password: true
        case .rsa, .agree, .rsaPKCS1: false
        }
    }
}

/// How the content of a JWE is encrypted, by its registered name (RFC 7518 §5).
package enum ContentEncryption: String, Sendable, CaseIterable, Hashable {
    case a128CBCHS256 = "A128CBC-HS256"
    case a192CBCHS384 = "A192CBC-HS384"
    case a256CBCHS512 = "A256CBC-HS512"
    case a128GCM = "A128GCM"
    case a192GCM = "A192GCM"
    case a256GCM = "A256GCM"

    /// The number of bytes of the content key.
    var keyByteCount: Int {
        switch self {
        case .a128GCM: 16
        case .a192GCM: 24
        case .a128CBCHS256, .a256GCM: 32
        case .a192CBCHS384: 48
        case .a256CBCHS512: 64
        }
    }

    /// Says whether it is one of AES in Galois/Counter mode.
    var isGCM: Bool {
        switch self {
        case .a128GCM, .a192GCM, .a256GCM: true
        case .a128CBCHS256, .a192CBCHS384, .a256CBCHS512: false
        }
    }

    /// Opens a content; the lengths of nonce and tag are fixed, so none can be cut short (J7).
    func open(
        _ token: JWE.Parts,
        key: Secret
    ) throws(CryptoError) -> [UInt8] {
        guard key.count == keyByteCount else { throw .notAuthentic }
        return if isGCM {
            try AESGCM.open(
                token.ciphertext.span,
                tag: token.tag.span,
                key: key,
                nonce: token.nonce.span,
                authenticating: token.authenticated.span
            )
        } else {
            try AESCBCHMAC.open(
                token.ciphertext.span,
                tag: token.tag.span,
                key: key,
                nonce: token.nonce.span,
                authenticating: token.authenticated.span
            )
        }
    }
}
