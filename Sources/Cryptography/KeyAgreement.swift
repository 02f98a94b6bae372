// Keys for keys: AES key wrap, RSA-OAEP, Diffie-Hellman; and AES-CBC with HMAC.

internal import COpenSSL

/// A key wrapped under a key (RFC 3394).
package enum AESKeyWrap {
    /// Wraps a key under a key of 16, 24 or 32 bytes.
    package static func wrap(_ key: Secret, under wrapping: Secret) throws(CryptoError) -> [UInt8] {
        guard key.count >= 16, key.count % 8 == 0 else { throw .wrongLength(expected: 16) }
        let context = try CipherContext()
        try context.begin(.wrap(keyCount: wrapping.count), encrypts: true, key: wrapping, nonce: Span())
        var bytes = key.copy()
        defer { Secret.wipe(&bytes) }
        return try context.update(bytes.span)
    }

    /// Unwraps a key; `CryptoError.notAuthentic` if it was altered.
    package static func unwrap(
        _ wrapped: Span<UInt8>,
        under wrapping: Secret
    ) throws(CryptoError) -> Secret {
        guard wrapped.count >= 24, wrapped.count % 8 == 0 else { throw .notAuthentic }
        let context = try CipherContext()
        try context.begin(.wrap(keyCount: wrapping.count), encrypts: false, key: wrapping, nonce: Span())
        do {
            var bytes = try context.update(wrapped)
            defer { Secret.wipe(&bytes) }
            return Secret(bytes)
        } catch { throw .notAuthentic }
    }
}

/// RSAES-OAEP (RFC 8017 §7.1).
package enum RSAOAEP {
    /// The digest, for the label and for MGF1 alike.
    package enum Hash: Sendable {
        case sha1
        case sha256

        var method: DigestMethod {
            switch self {
            case .sha1: .sha1
            case .sha256: .sha256
            }
        }
    }

    /// Encrypts a short secret.
    package static func encrypt(
        _ secret: Secret,
        to key: PublicKey,
        _ hash: Hash
    ) throws(CryptoError) -> [UInt8] {
        var bytes = secret.copy()
        defer { Secret.wipe(&bytes) }
        return try RSAEncryption.run(bytes.span, key.kind, key.handle, .oaep(hash), encrypts: true)
    }

    /// Decrypts; every failure is `CryptoError.notAuthentic`.
    package static func decrypt(
        _ ciphertext: Span<UInt8>,
        with key: PrivateKey,
        _ hash: Hash
    ) throws(CryptoError) -> Secret {
        do {
            var bytes = try RSAEncryption.run(ciphertext, key.kind, key.handle, .oaep(hash), encrypts: false)
            defer { Secret.wipe(&bytes) }
            return Secret(bytes)
        } catch { throw .notAuthentic }
    }
}

/// A secret that two keys share (NIST SP 800-56A; RFC 7748).
package enum DiffieHellman {
    /// The shared secret; both keys must be on one curve, the peer's was checked when it was made (B3).
    package static func secret(
        _ key: PrivateKey,
        with peer: PublicKey
    ) throws(CryptoError) -> Secret {
        guard key.kind == peer.kind else { throw .wrongKeyKind }
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.handle.pointer, nil) else {
            throw .last("agreement")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        var count = 0
        guard unsafe EVP_PKEY_derive_init(context) == 1,
            unsafe EVP_PKEY_derive_set_peer(context, peer.handle.pointer) == 1,
            unsafe EVP_PKEY_derive(context, nil, &count) == 1
        else { throw .last("agreement") }
        var output = [UInt8](repeating: 0, count: count)
        defer { Secret.wipe(&output) }
        let result = unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe EVP_PKEY_derive(context, output.baseAddress, &count)
        }
        guard result == 1 else { throw .last("agreement") }
        return Secret(output.span.extracting(first: count))
    }
}

/// AES-CBC authenticated by HMAC (RFC 7518 §5.2): the first half of the key is the MAC's.
package enum AESCBCHMAC {
    /// Encrypts under a nonce of 16 random bytes; the key has 32, 48 or 64 bytes.
    package static func seal(
        _ plaintext: Span<UInt8>,
        key: Secret,
        nonce: Span<UInt8>,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        let parts = try Parts(key)
        let context = try CipherContext()
        try context.begin(
            .cbc(keyCount: parts.cipherKey.count),
            encrypts: true,
            key: parts.cipherKey,
            nonce: nonce
        )
        let first = try context.update(plaintext)
        let ciphertext = first + (try context.finish())
        return (ciphertext, try parts.tag(ciphertext.span, nonce, data))
    }

    /// Checks the tag, then decrypts; every failure is `CryptoError.notAuthentic`.
    package static func open(
        _ ciphertext: Span<UInt8>,
        tag: Span<UInt8>,
        key: Secret,
        nonce: Span<UInt8>,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        guard nonce.count == 16 else { throw .notAuthentic }
        let parts = try Parts(key)
        let expected = try parts.tag(ciphertext, nonce, data)
        guard equalInConstantTime(expected.span, tag) else { throw .notAuthentic }
        do {
            let context = try CipherContext()
            try context.begin(
                .cbc(keyCount: parts.cipherKey.count),
                encrypts: false,
                key: parts.cipherKey,
                nonce: nonce
            )
            let first = try context.update(ciphertext)
            return first + (try context.finish())
        } catch { throw .notAuthentic }
    }

    private struct Parts {
        let digest: Digest
        let macKey: Secret
        let cipherKey: Secret

        init(_ key: Secret) throws(CryptoError) {
            switch key.count {
            case 32: digest = .sha256
            case 48: digest = .sha384
            case 64: digest = .sha512
            default: throw .wrongLength(expected: 32)
            }
            let half = key.count / 2
            macKey = key.withBytes { Secret($0.extracting(first: half)) }
            cipherKey = key.withBytes { Secret($0.extracting(last: half)) }
        }

        /// RFC 7518 §5.2.2.1: the data, the nonce, the ciphertext, the data's length in bits; half of the code.
        func tag(
            _ ciphertext: Span<UInt8>,
            _ nonce: Span<UInt8>,
            _ data: Span<UInt8>
        ) throws(CryptoError) -> [UInt8] {
            var message: [UInt8] = []
            for part in [0, 1, 2] {
                let bytes = part == 0 ? data : part == 1 ? nonce : ciphertext
                for index in bytes.indices { message.append(bytes[index]) }
            }
            let bits = UInt64(data.count) * 8
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                message.append(UInt8(truncatingIfNeeded: bits >> shift))
            }
            let code = try HMAC(digest, key: macKey).code(for: message)
            return Array(code[..<(code.count / 2)])
        }
    }
}
