// Signatures: RSA, RSA-PSS, ECDSA, EdDSA.

internal import COpenSSL

/// How a signature is made.
package enum SignatureScheme: Sendable, Hashable {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    case rsaPKCS1(Digest)
    /// RSASSA-PSS, MGF1 with the same digest, a salt as long as the digest (RFC 8017 §8.1).
    case rsaPSS(Digest)
    /// ECDSA with the signature as r and s, each as long as the curve's field (RFC 7518 §3.4).
    case ecdsa(Digest)
    /// EdDSA (RFC 8032).
    case edDSA
}

/// Makes and checks signatures.
package enum Signature {
    /// Says whether a signature over a message was made with the private part of a key.
    ///
    /// Anything but a yes of libcrypto is a no (J5): a key of another kind, a signature of another length, an error.
    package static func verify(
        _ signature: Span<UInt8>,
        of message: Span<UInt8>,
        by key: PublicKey,
        _ scheme: SignatureScheme
    ) -> Bool {
        guard let count = byteCount(key.kind, scheme), signature.count == count else { return false }
        guard case .elliptic = key.kind else {
            return isValid(signature, message, key, scheme)
        }
        guard let encoded = ECDSAEncoding.der(fromRaw: signature) else { return false }
        return isValid(encoded.span, message, key, scheme)
    }

    /// Signs a message.
    package static func sign(
        _ message: Span<UInt8>,
        with key: PrivateKey,
        _ scheme: SignatureScheme
    ) throws(CryptoError) -> [UInt8] {
        guard let count = byteCount(key.kind, scheme) else { throw .wrongKeyKind }
        let context = try SignatureContext()
        try context.begin(key.handle, scheme, verifies: false)
        let signature = try context.sign(message, capacity: count + 16)
        guard case .elliptic(let curve) = key.kind else { return signature }
        return try ECDSAEncoding.raw(fromDER: signature, curve)
    }

    /// The length of a signature; nothing if the scheme does not fit the key.
    private static func byteCount(_ kind: KeyKind, _ scheme: SignatureScheme) -> Int? {
        switch (kind, scheme) {
        case (.rsa(let bits), .rsaPKCS1), (.rsa(let bits), .rsaPSS): (bits + 7) / 8
        case (.elliptic(let curve), .ecdsa): curve.coordinateByteCount * 2
        case (.octets(let curve), .edDSA): curve.signatureByteCount
        case (.rsa, _), (.elliptic, _), (.octets, _): nil
        }
    }

    private static func isValid(
        _ signature: Span<UInt8>,
        _ message: Span<UInt8>,
        _ key: PublicKey,
        _ scheme: SignatureScheme
    ) -> Bool {
        guard let context = try? SignatureContext() else { return false }
        do { try context.begin(key.handle, scheme, verifies: true) } catch { return false }
        return context.verify(signature, message)
    }
}

/// Owns an `EVP_MD_CTX` for one signature.
@safe private struct SignatureContext: ~Copyable {
    private let handle: OpaquePointer

    init() throws(CryptoError) {
        guard let handle = unsafe EVP_MD_CTX_new() else { throw .last("signature") }
        unsafe self.handle = unsafe handle
    }

    deinit { unsafe EVP_MD_CTX_free(handle) }

    /// Sets key, digest and padding.
    ///
    /// The salt's length is the digest's, never found out from the signature (J5).
    func begin(_ key: KeyHandle, _ scheme: SignatureScheme, verifies: Bool) throws(CryptoError) {
        var inner: OpaquePointer?
        let method = scheme.digest?.method
        let result =
            verifies
            ? unsafe EVP_DigestVerifyInit(handle, &inner, method?.pointer, nil, key.pointer)
            : unsafe EVP_DigestSignInit(handle, &inner, method?.pointer, nil, key.pointer)
        guard result == 1 else { throw .last("signature") }
        switch scheme {
        case .rsaPKCS1:
            guard unsafe EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PADDING) == 1 else {
                throw .last("signature")
            }
        case .rsaPSS:
            guard unsafe EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING) == 1,
                unsafe EVP_PKEY_CTX_set_rsa_mgf1_md(inner, method?.pointer) == 1,
                unsafe EVP_PKEY_CTX_set_rsa_pss_saltlen(inner, RSA_PSS_SALTLEN_DIGEST) == 1
            else { throw .last("signature") }
        case .ecdsa, .edDSA: break
        }
    }

    /// Only 1 is yes; 0 is a wrong signature, a negative number an error (J5).
    func verify(_ signature: Span<UInt8>, _ message: Span<UInt8>) -> Bool {
        let result = unsafe signature.withUnsafeBufferPointer { signature in
            unsafe message.withUnsafeBufferPointer { message in
                unsafe EVP_DigestVerify(
                    handle,
                    signature.baseAddress,
                    signature.count,
                    message.baseAddress,
                    message.count
                )
            }
        }
        if result != 1 { ERR_clear_error() }
        return result == 1
    }

    func sign(_ message: Span<UInt8>, capacity: Int) throws(CryptoError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: capacity)
        var count = capacity
        let result = unsafe message.withUnsafeBufferPointer { message in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe EVP_DigestSign(handle, output.baseAddress, &count, message.baseAddress, message.count)
            }
        }
        guard result == 1 else { throw .last("signature") }
        return Array(output[..<count])
    }
}

extension SignatureScheme {
    /// The digest of the message; EdDSA has its own inside.
    fileprivate var digest: Digest? {
        switch self {
        case .rsaPKCS1(let digest), .rsaPSS(let digest), .ecdsa(let digest): digest
        case .edDSA: nil
        }
    }
}

/// JOSE's r‖s to libcrypto's DER and back.
enum ECDSAEncoding {
    /// Nothing if r or s is zero; libcrypto refuses what is not below the curve's order.
    static func der(fromRaw signature: Span<UInt8>) -> [UInt8]? {
        let half = signature.count / 2
        guard let r = integer(signature.extracting(..<half)), let s = integer(signature.extracting(half...))
        else { return nil }
        let body = r + s
        return body.count < 128
            ? [0x30, UInt8(body.count)] + body : [0x30, 0x81, UInt8(body.count)] + body
    }

    private static func integer(_ number: Span<UInt8>) -> [UInt8]? {
        var start = 0
        while start < number.count, number[start] == 0 { start += 1 }
        guard start < number.count else { return nil }
        var bytes: [UInt8] = number[start] & 0x80 == 0 ? [] : [0]
        for index in start..<number.count { bytes.append(number[index]) }
        return [0x02, UInt8(bytes.count)] + bytes
    }

    static func raw(fromDER signature: [UInt8], _ curve: EllipticCurve) throws(CryptoError) -> [UInt8] {
        let count = curve.coordinateByteCount
        let parsed = unsafe signature.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            return unsafe d2i_ECDSA_SIG(nil, &start, bytes.count)
        }
        guard let parsed = unsafe parsed else { throw .last("signature") }
        defer { unsafe ECDSA_SIG_free(parsed) }
        var raw = [UInt8](repeating: 0, count: count * 2)
        let written = unsafe raw.withUnsafeMutableBufferPointer { raw in
            guard let start = raw.baseAddress else { return false }
            return unsafe BN_bn2binpad(ECDSA_SIG_get0_r(parsed), start, Int32(count)) == Int32(count)
                && BN_bn2binpad(ECDSA_SIG_get0_s(parsed), start + count, Int32(count)) == Int32(count)
        }
        guard written else { throw .last("signature") }
        return raw
    }
}
