// A secret: wiped when its life ends, shown nowhere, compared in constant time.

internal import COpenSSL

/// Bytes that must not be seen: a key, a password, a client secret.
///
/// It has no description of its content; `==` takes the same time wherever the bytes differ.
@safe
package final class Secret: @unchecked Sendable, Equatable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    // SAFETY: written once in the initialiser, before the object is shared, and only read after that.
    private let storage: UnsafeMutableBufferPointer<UInt8>

    /// Copies the bytes; the caller's copy stays the caller's.
    package init(_ bytes: Span<UInt8>) {
        unsafe storage = .allocate(capacity: bytes.count)
        for index in bytes.indices { unsafe storage[index] = bytes[index] }
    }

    /// Copies the bytes; the caller's copy stays the caller's.
    package convenience init(_ bytes: [UInt8]) {
        self.init(bytes.span)
    }

    /// Copies the UTF-8 of a text.
    package convenience init(utf8 text: String) {
        self.init(Array(text.utf8))
    }

    /// Draws a new secret of this many bytes.
    package static func random(_ count: Int) throws(CryptoError) -> Secret {
        var bytes = try Random.bytes(count)
        defer { wipe(&bytes) }
        return Secret(bytes)
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// The number of bytes.
    package var count: Int { unsafe storage.count }

    /// Lends the bytes for the time of a call.
    package func withBytes<R, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        let bytes = unsafe Span(_unsafeElements: UnsafeBufferPointer(storage))
        return try body(bytes)
    }

    /// Gives a copy of the bytes: for what takes nothing else, such as a request's body.
    package func copy() -> [UInt8] {
        unsafe Array(storage)
    }

    /// Compares in constant time.
    package static func == (one: Secret, other: Secret) -> Bool {
        one.withBytes { one in other.withBytes { other in equalInConstantTime(one, other) } }
    }

    /// A fixed text, nothing of the content.
    package var description: String { "(secret)" }
    /// A fixed text, nothing of the content.
    package var debugDescription: String { "(secret)" }
    /// A mirror that shows nothing.
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Overwrites bytes that were secret.
    static func wipe(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count)
        }
    }
}

/// Says whether two byte strings are equal; takes the same time wherever they differ (J12).
///
/// Their lengths are not hidden.
package func equalInConstantTime(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
    guard one.count == other.count else { return false }
    guard one.count > 0 else { return true }
    return unsafe one.withUnsafeBytes { one in
        unsafe other.withUnsafeBytes { other in
            unsafe CRYPTO_memcmp(one.baseAddress, other.baseAddress, one.count) == 0
        }
    }
}

/// Says whether two arrays of bytes are equal; takes the same time wherever they differ (J12).
package func equalInConstantTime(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    equalInConstantTime(one.span, other.span)
}
