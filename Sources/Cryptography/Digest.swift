// SHA-2: digests and what is built on them.

internal import COpenSSL

/// A hash function of the SHA-2 family (FIPS 180-4).
package enum Digest: Sendable, CaseIterable {
    case sha256
    case sha384
    case sha512

    /// The number of bytes it gives.
    package var byteCount: Int {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// Hashes a message in one go.
    package func hash(_ message: Span<UInt8>) throws(CryptoError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: byteCount)
        let result = unsafe message.withUnsafeBytes { message in
            unsafe output.withUnsafeMutableBufferPointer { output in
                unsafe EVP_Digest(
                    message.baseAddress,
                    message.count,
                    output.baseAddress,
                    nil,
                    method.pointer,
                    nil
                )
            }
        }
        guard result == 1 else { throw .last("digest") }
        return output
    }

    /// Hashes an array of bytes in one go.
    package func hash(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try hash(message.span)
    }

    /// Hashes the UTF-8 of a text in one go.
    package func hash(utf8 text: String) throws(CryptoError) -> [UInt8] {
        try hash(Array(text.utf8))
    }

    /// libcrypto's method, fetched once a process.
    var method: DigestMethod {
        switch self {
        case .sha256: .sha256
        case .sha384: .sha384
        case .sha512: .sha512
        }
    }
}

/// SHA-256 with its size in the type.
package enum SHA256 {
    /// Hashes a message in one go.
    package static func hash(_ message: Span<UInt8>) throws(CryptoError) -> [32 of UInt8] {
        let bytes = try Digest.sha256.hash(message)
        return [32 of UInt8] { index in bytes[index] }
    }

    /// Hashes an array of bytes in one go.
    package static func hash(_ message: [UInt8]) throws(CryptoError) -> [32 of UInt8] {
        try hash(message.span)
    }
}

/// One of libcrypto's digest methods; they live as long as the process.
@safe struct DigestMethod: @unchecked Sendable {
    // SAFETY: a fetched method is immutable, counted atomically, and never freed here.
    let pointer: OpaquePointer?

    private init(_ name: String) {
        unsafe pointer = unsafe EVP_MD_fetch(nil, name, nil)
    }

    static let sha256 = DigestMethod("SHA2-256")
    static let sha384 = DigestMethod("SHA2-384")
    static let sha512 = DigestMethod("SHA2-512")
    static let sha1 = DigestMethod("SHA1")
}
