// Seal and open: AES in Galois/Counter mode.

internal import COpenSSL

/// A key of 256 bits for AES-GCM.
package struct SymmetricKey: Sendable, Equatable {
    let secret: Secret

    /// Takes 32 bytes, no more, no less.
    package init(_ secret: Secret) throws(CryptoError) {
        guard secret.count == 32 else { throw .wrongLength(expected: 32) }
        self.secret = secret
    }

    /// Draws a new key.
    package static func generate() throws(CryptoError) -> SymmetricKey {
        try SymmetricKey(.random(32))
    }

    /// The key's bytes.
    package var bytes: Secret { secret }
}

/// AES-256-GCM with a fresh random nonce for each seal (NIST SP 800-38D).
package enum AES256GCM {
    private static let nonceCount = 12
    private static let tagCount = 16

    /// Encrypts and authenticates.
    ///
    /// - Parameter data: what is authenticated and not encrypted: the purpose, the name, the key's id.
    /// - Returns: 12 bytes of nonce, the ciphertext, 16 bytes of tag.
    package static func seal(
        _ plaintext: Span<UInt8>,
        key: SymmetricKey,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        let nonce = try Random.bytes(nonceCount)
        let box = try AESGCM.seal(plaintext, key: key.secret, nonce: nonce.span, authenticating: data)
        return nonce + box.ciphertext + box.tag
    }

    /// Encrypts and authenticates arrays of bytes.
    package static func seal(
        _ plaintext: [UInt8],
        key: SymmetricKey,
        authenticating data: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        try seal(plaintext.span, key: key, authenticating: data.span)
    }

    /// Decrypts what `seal` made, under the same key and with the same data, else `CryptoError.notAuthentic`.
    package static func open(
        _ sealed: Span<UInt8>,
        key: SymmetricKey,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        guard sealed.count >= nonceCount + tagCount else { throw .notAuthentic }
        let end = sealed.count - tagCount
        return try AESGCM.open(
            sealed.extracting(nonceCount..<end),
            tag: sealed.extracting(end...),
            key: key.secret,
            nonce: sealed.extracting(..<nonceCount),
            authenticating: data
        )
    }

    /// Decrypts arrays of bytes.
    package static func open(
        _ sealed: [UInt8],
        key: SymmetricKey,
        authenticating data: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        try open(sealed.span, key: key, authenticating: data.span)
    }
}

/// AES-GCM with nonce and tag apart, for the formats that name them (JWE), keys of 16, 24 or 32 bytes.
package enum AESGCM {
    /// Encrypts under a nonce that must never have been used with this key.
    package static func seal(
        _ plaintext: Span<UInt8>,
        key: Secret,
        nonce: Span<UInt8>,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> (ciphertext: [UInt8], tag: [UInt8]) {
        let context = try CipherContext()
        try context.begin(.gcm(keyCount: key.count), encrypts: true, key: key, nonce: nonce)
        try context.authenticate(data)
        let ciphertext = try context.update(plaintext)
        try context.finish()
        return (ciphertext, try context.tag())
    }

    /// Decrypts; the tag must be whole: 16 bytes.
    package static func open(
        _ ciphertext: Span<UInt8>,
        tag: Span<UInt8>,
        key: Secret,
        nonce: Span<UInt8>,
        authenticating data: Span<UInt8>
    ) throws(CryptoError) -> [UInt8] {
        guard tag.count == 16, nonce.count == 12 else { throw .notAuthentic }
        let context = try CipherContext()
        try context.begin(.gcm(keyCount: key.count), encrypts: false, key: key, nonce: nonce)
        try context.authenticate(data)
        var plaintext = try context.update(ciphertext)
        do {
            try context.expect(tag: tag)
            try context.finish()
        } catch {
            Secret.wipe(&plaintext)
            throw .notAuthentic
        }
        return plaintext
    }
}

/// One of libcrypto's ciphers, fetched once a process.
@safe struct CipherMethod: @unchecked Sendable {
    // SAFETY: a fetched cipher is immutable, counted atomically, and never freed here.
    let pointer: OpaquePointer?

    private init(_ name: String) {
        unsafe pointer = unsafe EVP_CIPHER_fetch(nil, name, nil)
    }

    private static let gcm128 = CipherMethod("AES-128-GCM")
    private static let gcm192 = CipherMethod("AES-192-GCM")
    private static let gcm256 = CipherMethod("AES-256-GCM")
    private static let cbc128 = CipherMethod("AES-128-CBC")
    private static let cbc192 = CipherMethod("AES-192-CBC")
    private static let cbc256 = CipherMethod("AES-256-CBC")
    private static let wrap128 = CipherMethod("AES-128-WRAP")
    private static let wrap192 = CipherMethod("AES-192-WRAP")
    private static let wrap256 = CipherMethod("AES-256-WRAP")

    static func gcm(keyCount: Int) throws(CryptoError) -> CipherMethod {
        try choose(keyCount, gcm128, gcm192, gcm256)
    }

    static func cbc(keyCount: Int) throws(CryptoError) -> CipherMethod {
        try choose(keyCount, cbc128, cbc192, cbc256)
    }

    static func wrap(keyCount: Int) throws(CryptoError) -> CipherMethod {
        try choose(keyCount, wrap128, wrap192, wrap256)
    }

    private static func choose(
        _ keyCount: Int,
        _ small: CipherMethod,
        _ middle: CipherMethod,
        _ large: CipherMethod
    ) throws(CryptoError) -> CipherMethod {
        switch keyCount {
        case 16: small
        case 24: middle
        case 32: large
        default: throw .wrongLength(expected: 32)
        }
    }
}

/// Owns an `EVP_CIPHER_CTX` for one message.
@safe struct CipherContext: ~Copyable {
    private let handle: OpaquePointer

    init() throws(CryptoError) {
        guard let handle = unsafe EVP_CIPHER_CTX_new() else { throw .last("cipher") }
        unsafe self.handle = unsafe handle
    }

    deinit { unsafe EVP_CIPHER_CTX_free(handle) }

    /// Sets the cipher, the direction, the key and, where the cipher has one, the nonce.
    func begin(
        _ method: CipherMethod,
        encrypts: Bool,
        key: Secret,
        nonce: Span<UInt8>
    ) throws(CryptoError) {
        unsafe EVP_CIPHER_CTX_set_flags(handle, Int32(EVP_CIPHER_CTX_FLAG_WRAP_ALLOW))
        let length = unsafe Int(EVP_CIPHER_get_iv_length(method.pointer))
        guard nonce.isEmpty || nonce.count == length else { throw .wrongLength(expected: length) }
        let result = key.withBytes { key in
            unsafe key.withUnsafeBufferPointer { key in
                unsafe nonce.withUnsafeBufferPointer { nonce in
                    unsafe EVP_CipherInit_ex2(
                        handle,
                        method.pointer,
                        key.baseAddress,
                        nonce.baseAddress,
                        encrypts ? 1 : 0,
                        nil
                    )
                }
            }
        }
        guard result == 1 else { throw .last("cipher") }
    }

    /// Takes in what is authenticated and not encrypted.
    func authenticate(_ data: Span<UInt8>) throws(CryptoError) {
        var written: Int32 = 0
        guard data.count > 0 else { return }
        let result = unsafe data.withUnsafeBufferPointer { data in
            unsafe EVP_CipherUpdate(handle, nil, &written, data.baseAddress, Int32(data.count))
        }
        guard result == 1 else { throw .last("cipher") }
    }

    /// Encrypts or decrypts; gives what is ready.
    func update(_ input: Span<UInt8>) throws(CryptoError) -> [UInt8] {
        guard input.count > 0 else { return [] }
        guard input.count < Int(Int32.max) - 64 else { throw .wrongLength(expected: Int(Int32.max) - 64) }
        var output = [UInt8](repeating: 0, count: input.count + 32)
        var written: Int32 = 0
        let result = unsafe input.withUnsafeBufferPointer { input in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe EVP_CipherUpdate(
                    handle,
                    output.baseAddress,
                    &written,
                    input.baseAddress,
                    Int32(input.count)
                )
            }
        }
        guard result == 1 else { throw .last("cipher") }
        output.removeLast(output.count - Int(written))
        return output
    }

    /// Ends the message; gives the last block of a block mode.
    @discardableResult func finish() throws(CryptoError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: 32)
        var written: Int32 = 0
        let result = unsafe output.withUnsafeMutableBufferPointer { output in
            unsafe EVP_CipherFinal_ex(handle, output.baseAddress, &written)
        }
        guard result == 1 else { throw .last("cipher") }
        return Array(output[..<Int(written)])
    }

    /// The tag of what was encrypted: 16 bytes.
    func tag() throws(CryptoError) -> [UInt8] {
        var tag = [UInt8](repeating: 0, count: 16)
        let result = unsafe tag.withUnsafeMutableBytes { tag in
            unsafe EVP_CIPHER_CTX_ctrl(handle, Int32(EVP_CTRL_AEAD_GET_TAG), 16, tag.baseAddress)
        }
        guard result == 1 else { throw .last("cipher") }
        return tag
    }

    /// Names the tag that what is decrypted must have.
    func expect(tag: Span<UInt8>) throws(CryptoError) {
        var copy = [UInt8](repeating: 0, count: tag.count)
        for index in tag.indices { copy[index] = tag[index] }
        let result = unsafe copy.withUnsafeMutableBytes { tag in
            unsafe EVP_CIPHER_CTX_ctrl(
                handle,
                Int32(EVP_CTRL_AEAD_SET_TAG),
                Int32(tag.count),
                tag.baseAddress
            )
        }
        guard result == 1 else { throw .last("cipher") }
    }
}
