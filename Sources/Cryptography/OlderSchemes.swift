// What is still asked for and is used only by name: RSAES-PKCS1-v1_5, and keys out of passwords.

internal import COpenSSL

/// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
package enum RSAPKCS1 {
    /// Encrypts a short secret.
    package static func encrypt(_ secret: Secret, to key: PublicKey) throws(CryptoError) -> [UInt8] {
        var bytes = secret.copy()
        defer { Secret.wipe(&bytes) }
        return try run(bytes.span, key.kind, key.handle, encrypts: true)
    }

    /// Decrypts; the caller goes on with a random secret where this throws, and tells nobody which (RFC 8017 §7.2.2).
    package static func decrypt(
        _ ciphertext: Span<UInt8>,
        with key: PrivateKey
    ) throws(CryptoError) -> Secret {
        do {
            var bytes = try run(ciphertext, key.kind, key.handle, encrypts: false)
            defer { Secret.wipe(&bytes) }
            return Secret(bytes)
        } catch { throw .notAuthentic }
    }

    private static func run(
        _ input: Span<UInt8>,
        _ kind: KeyKind,
        _ key: KeyHandle,
        encrypts: Bool
    ) throws(CryptoError) -> [UInt8] {
        guard case .rsa(let bits) = kind else { throw .wrongKeyKind }
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
            throw .last("rsa")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        let begun = unsafe encrypts ? EVP_PKEY_encrypt_init(context) : EVP_PKEY_decrypt_init(context)
        guard begun == 1, unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 else {
            throw .last("rsa")
        }
        var output = [UInt8](repeating: 0, count: (bits + 7) / 8)
        defer { Secret.wipe(&output) }
        var count = output.count
        let result = unsafe input.withUnsafeBufferPointer { input in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe encrypts
                    ? EVP_PKEY_encrypt(context, output.baseAddress, &count, input.baseAddress, input.count)
                    : EVP_PKEY_decrypt(context, output.baseAddress, &count, input.baseAddress, input.count)
            }
        }
        guard result == 1 else { throw .last("rsa") }
        return Array(output[..<count])
    }
}

/// PBKDF2 with HMAC (RFC 8018 §5.2).
package enum PBKDF2 {
    /// Derives `count` bytes; the work grows with `iterations`, which the caller bounds.
    package static func derive(
        _ password: Secret,
        salt: [UInt8],
        iterations: Int,
        _ digest: Digest,
        count: Int
    ) throws(CryptoError) -> Secret {
        precondition(iterations > 0 && iterations < 1 << 24 && count > 0 && count <= 64)
        var output = [UInt8](repeating: 0, count: count)
        defer { Secret.wipe(&output) }
        let method = digest.method
        let result = password.withBytes { password in
            unsafe password.withUnsafeBytes { password in
                unsafe output.withUnsafeMutableBufferPointer { output in
                    unsafe PKCS5_PBKDF2_HMAC(
                        password.baseAddress?.assumingMemoryBound(to: CChar.self),
                        Int32(password.count),
                        salt,
                        Int32(salt.count),
                        Int32(iterations),
                        method.pointer,
                        Int32(count),
                        output.baseAddress
                    )
                }
            }
        }
        guard result == 1 else { throw .last("pbkdf2") }
        return Secret(output)
    }
}
