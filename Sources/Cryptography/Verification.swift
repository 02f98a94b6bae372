// Prepared verifications: what libcrypto need not set up anew for each signature.

internal import COpenSSL
internal import Synchronization

/// What a verification with one key and one scheme needs of libcrypto, made ready once and used again.
///
/// RSA and ECDSA: the message is hashed here, and `EVP_PKEY_verify` judges the digest in a context that keeps key,
/// padding and digest. EdDSA hashes inside: its context begins anew with what it has.
@safe final class Verification {
    let scheme: SignatureScheme
    private let digestContext: OpaquePointer
    /// Owned where the scheme has a digest of its own message; else the digest context's.
    private let keyContext: OpaquePointer?
    private let digest: Digest?

    /// Sets key, digest and padding.
    ///
    /// The salt's length is the digest's, never found out from the signature (J5).
    init(_ key: KeyHandle, _ scheme: SignatureScheme) throws(CryptoError) {
        self.scheme = scheme
        digest = scheme.digest
        guard let digestContext = unsafe EVP_MD_CTX_new() else { throw .last("signature") }
        unsafe self.digestContext = unsafe digestContext
        guard let digest = scheme.digest else {
            unsafe keyContext = nil
            guard unsafe EVP_DigestVerifyInit(digestContext, nil, nil, nil, key.pointer) == 1 else {
                throw .last("signature")
            }
            return
        }
        unsafe keyContext = unsafe EVP_PKEY_CTX_new_from_pkey(nil, key.pointer, nil)
        guard unsafe EVP_DigestInit_ex(digestContext, digest.method.pointer, nil) == 1,
            let keyContext = unsafe keyContext, unsafe EVP_PKEY_verify_init(keyContext) == 1,
            unsafe scheme.set(on: keyContext),
            unsafe EVP_PKEY_CTX_set_signature_md(keyContext, digest.method.pointer) == 1
        else { throw .last("signature") }
    }

    deinit {
        unsafe EVP_PKEY_CTX_free(keyContext)
        unsafe EVP_MD_CTX_free(digestContext)
    }

    /// Only 1 is yes; 0 is a wrong signature, a negative number an error (J5).
    func isValid(_ signature: Span<UInt8>, _ message: Span<UInt8>) -> Bool {
        let result =
            if let digest { judge(signature, message, digest) } else { judge(signature, message) }
        if result != 1 { ERR_clear_error() }
        return result == 1
    }

    private func judge(_ signature: Span<UInt8>, _ message: Span<UInt8>, _ digest: Digest) -> Int32 {
        var hash = InlineArray<64, UInt8>(repeating: 0)
        var bytes = hash.mutableSpan
        return unsafe bytes.withUnsafeMutableBufferPointer { hash in
            let isHashed = unsafe message.withUnsafeBufferPointer { message in
                // No method: the one of before, whose state is laid out already.
                unsafe EVP_DigestInit_ex(digestContext, nil, nil) == 1
                    && EVP_DigestUpdate(digestContext, message.baseAddress, message.count) == 1
                    && EVP_DigestFinal_ex(digestContext, hash.baseAddress, nil) == 1
            }
            guard isHashed else { return 0 }
            return unsafe signature.withUnsafeBufferPointer { signature in
                unsafe EVP_PKEY_verify(
                    keyContext,
                    signature.baseAddress,
                    signature.count,
                    hash.baseAddress,
                    digest.byteCount
                )
            }
        }
    }

    private func judge(_ signature: Span<UInt8>, _ message: Span<UInt8>) -> Int32 {
        guard unsafe EVP_DigestVerifyInit(digestContext, nil, nil, nil, nil) == 1 else { return 0 }
        return unsafe signature.withUnsafeBufferPointer { signature in
            unsafe message.withUnsafeBufferPointer { message in
                unsafe EVP_DigestVerify(
                    digestContext,
                    signature.baseAddress,
                    signature.count,
                    message.baseAddress,
                    message.count
                )
            }
        }
    }
}

extension SignatureScheme {
    /// The digest of the message; EdDSA has its own inside.
    var digest: Digest? {
        switch self {
        case .rsaPKCS1(let digest), .rsaPSS(let digest), .ecdsa(let digest): digest
        case .edDSA: nil
        }
    }

    /// Sets the padding; `RSA_PSS_SALTLEN_DIGEST` and never AUTO, which takes the length that a stranger chose.
    func set(on context: OpaquePointer) -> Bool {
        switch self {
        case .rsaPKCS1: unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .rsaPSS(let digest):
            unsafe EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest.method.pointer) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        case .ecdsa, .edDSA: true
        }
    }
}

/// The prepared verifications of one key that nobody uses at this moment.
///
/// A context must not be used twice at once, and keys are shared by all event loops. So whoever verifies takes one out
/// of its place, atomically and without a lock, and puts it back; who finds none makes one. A key that is used with one
/// scheme, as keys are, never makes more than run at once.
final class VerificationPool: Sendable {
    // SAFETY: each holds a retained pointer or zero, which only the exchange moves: who took it out alone has it.
    private let first = Atomic<UInt>(0)
    private let second = Atomic<UInt>(0)
    private let third = Atomic<UInt>(0)
    private let fourth = Atomic<UInt>(0)

    init() {}

    deinit {
        for place in 0..<4 { _ = exchange(place, nil) }
    }

    /// One of this scheme; nothing where libcrypto cannot make one.
    func take(_ key: KeyHandle, _ scheme: SignatureScheme) -> Verification? {
        for place in 0..<4 {
            if let found = exchange(place, nil), found.scheme == scheme { return found }
        }
        return try? Verification(key, scheme)
    }

    /// Keeps one for the next; whom it displaces goes to the next place.
    func give(_ verification: Verification) {
        var displaced: Verification? = verification
        for place in 0..<4 where displaced != nil { displaced = exchange(place, displaced) }
    }

    private func exchange(_ place: Int, _ verification: Verification?) -> Verification? {
        let given = verification.map { unsafe UInt(bitPattern: Unmanaged.passRetained($0).toOpaque()) } ?? 0
        let taken =
            switch place {
            case 0: first.exchange(given, ordering: .acquiringAndReleasing)
            case 1: second.exchange(given, ordering: .acquiringAndReleasing)
            case 2: third.exchange(given, ordering: .acquiringAndReleasing)
            default: fourth.exchange(given, ordering: .acquiringAndReleasing)
            }
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: taken) else { return nil }
        return unsafe Unmanaged<Verification>.fromOpaque(pointer).takeRetainedValue()
    }
}
