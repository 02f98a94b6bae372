// HMAC and what is derived with it.

internal import COpenSSL

/// A keyed hash (RFC 2104, FIPS 198-1).
package struct HMAC: Sendable {
    private let digest: Digest
    private let key: Secret

    /// Takes a key of at least one byte: libcrypto reads an empty one as "the key before" (J3).
    package init(_ digest: Digest, key: Secret) throws(CryptoError) {
        guard key.count > 0 else { throw .emptyKey }
        self.digest = digest
        self.key = key
    }

    /// The code of a message.
    package func code(for message: Span<UInt8>) throws(CryptoError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: digest.byteCount)
        let method = digest.method
        let done = key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe message.withUnsafeBufferPointer { message in
                    unsafe output.withUnsafeMutableBufferPointer { output in
                        unsafe COpenSSL.HMAC(
                            method.pointer,
                            key.baseAddress,
                            Int32(key.count),
                            message.baseAddress,
                            message.count,
                            output.baseAddress,
                            nil
                        ) != nil
                    }
                }
            }
        }
        guard done else { throw .last("hmac") }
        return output
    }

    /// The code of an array of bytes.
    package func code(for message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try code(for: message.span)
    }

    /// Says whether a code is that of a message; in constant time (J12), and a shortened one is not.
    package func isValid(_ code: Span<UInt8>, for message: Span<UInt8>) throws(CryptoError) -> Bool {
        let expected = try self.code(for: message)
        return equalInConstantTime(expected.span, code)
    }
}

/// Keys derived from a key (RFC 5869).
package enum HKDF {
    /// Derives `count` bytes, at most 8,160, for one purpose (`info`) with SHA-256.
    package static func sha256(
        _ key: Secret,
        salt: [UInt8] = [],
        info: String,
        count: Int
    ) throws(CryptoError) -> Secret {
        precondition(count > 0 && count <= 255 * 32, "HKDF gives at most 255 blocks")
        let salt = salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt
        let extract = try HMAC(.sha256, key: Secret(salt))
        var pseudorandom = try key.withBytes { key throws(CryptoError) in try extract.code(for: key) }
        defer { Secret.wipe(&pseudorandom) }
        let expand = try HMAC(.sha256, key: Secret(pseudorandom))
        var output: [UInt8] = []
        var block: [UInt8] = []
        defer {
            Secret.wipe(&output)
            Secret.wipe(&block)
        }
        var counter: UInt8 = 1
        while output.count < count {
            block = try expand.code(for: block + Array(info.utf8) + [counter])
            output += block
            counter &+= 1
        }
        return Secret(output.span.extracting(first: count))
    }
}
