// RSA's encryption, under either padding (RFC 8017 §7).

internal import COpenSSL

/// One way through libcrypto for both paddings.
enum RSAEncryption {
    /// How a secret is padded.
    enum Padding {
        case pkcs1
        case oaep(RSAOAEP.Hash)
    }

    /// Encrypts, or decrypts; what is left over of the output is wiped.
    static func run(
        _ input: Span<UInt8>,
        _ kind: KeyKind,
        _ key: KeyHandle,
        _ padding: Padding,
        encrypts: Bool
    ) throws(CryptoError) -> [UInt8] {
        guard case .rsa(let bits) = kind else { throw .wrongKeyKind }
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil) else {
            throw .last("rsa")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        let begun = unsafe encrypts ? EVP_PKEY_encrypt_init(context) : EVP_PKEY_decrypt_init(context)
        guard begun == 1 else { throw .last("rsa") }
        let isSet =
            switch padding {
            case .pkcs1: unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
            case .oaep(let hash):
                unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1
                    && EVP_PKEY_CTX_set_rsa_oaep_md(context, hash.method.pointer) == 1
                    && EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash.method.pointer) == 1
            }
        guard isSet else { throw .last("rsa") }
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
