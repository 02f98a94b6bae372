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
        guard let verification = key.verifications.take(key.handle, scheme) else { return false }
        defer { key.verifications.give(verification) }
        guard case .elliptic = key.kind else { return verification.isValid(signature, message) }
        guard let encoded = ECDSAEncoding(raw: signature) else { return false }
        return encoded.withDER { verification.isValid($0, message) }
    }

    /// Signs a message.
    package static func sign(
        _ message: Span<UInt8>,
        with key: PrivateKey,
        _ scheme: SignatureScheme
    ) throws(CryptoError) -> [UInt8] {
        guard let count = byteCount(key.kind, scheme) else { throw .wrongKeyKind }
        let context = try SignatureContext()
        try context.begin(key.handle, scheme)
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
    func begin(_ key: KeyHandle, _ scheme: SignatureScheme) throws(CryptoError) {
        var inner: OpaquePointer?
        let method = scheme.digest?.method
        guard unsafe EVP_DigestSignInit(handle, &inner, method?.pointer, nil, key.pointer) == 1 else {
            throw .last("signature")
        }
        if scheme.digest != nil {
            guard let inner = unsafe inner, unsafe scheme.set(on: inner) else { throw .last("signature") }
        }
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

/// JOSE's r‖s to libcrypto's DER and back.
struct ECDSAEncoding: ~Copyable {
    // As long as two numbers of P-521 and their frames can be.
    private var bytes = InlineArray<144, UInt8>(repeating: 0)
    private var count = 0

    /// Nothing if r or s is zero; libcrypto refuses what is not below the curve's order.
    init?(raw signature: Span<UInt8>) {
        let half = signature.count / 2
        let (r, s) = (signature.extracting(..<half), signature.extracting(half...))
        guard half <= 66, let rCount = Self.contentCount(r), let sCount = Self.contentCount(s) else {
            return nil
        }
        append(0x30)
        let body = rCount + sCount + 4
        if body > 127 { append(0x81) }
        append(UInt8(body))
        append(r, contentCount: rCount)
        append(s, contentCount: sCount)
    }

    /// Lends the encoding for the time of a call.
    func withDER<R>(_ body: (Span<UInt8>) -> R) -> R {
        body(bytes.span.extracting(first: count))
    }

    private mutating func append(_ byte: UInt8) {
        bytes[count] = byte
        count += 1
    }

    private mutating func append(_ number: Span<UInt8>, contentCount: Int) {
        append(0x02)
        append(UInt8(contentCount))
        if contentCount > number.count { append(0) }
        for index in max(0, number.count - contentCount)..<number.count { append(number[index]) }
    }

    /// How many bytes a number takes: as few as can be, with a zero in front where it would look negative.
    private static func contentCount(_ number: Span<UInt8>) -> Int? {
        var start = 0
        while start < number.count, number[start] == 0 { start += 1 }
        guard start < number.count else { return nil }
        return number.count - start + (number[start] & 0x80 == 0 ? 0 : 1)
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
