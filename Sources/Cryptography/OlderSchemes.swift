// What is still asked for and is used only by name: RSAES-PKCS1-v1_5, and keys out of passwords.

internal import COpenSSL

/// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
package enum RSAPKCS1 {
    /// Encrypts a short secret.
    package static func encrypt(_ secret: Secret, to key: PublicKey) throws(CryptoError) -> [UInt8] {
        var bytes = secret.copy()
        defer { Secret.wipe(&bytes) }
        return try RSAEncryption.run(bytes.span, key.kind, key.handle, .pkcs1, encrypts: true)
    }

    /// Decrypts; the caller goes on with a random secret where this throws, and tells nobody which (RFC 8017 §7.2.2).
    package static func decrypt(
        _ ciphertext: Span<UInt8>,
        with key: PrivateKey
    ) throws(CryptoError) -> Secret {
        do {
            var bytes = try RSAEncryption.run(ciphertext, key.kind, key.handle, .pkcs1, encrypts: false)
            defer { Secret.wipe(&bytes) }
            return Secret(bytes)
        } catch { throw .notAuthentic }
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
