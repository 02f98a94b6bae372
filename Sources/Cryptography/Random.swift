// Random bytes, from libcrypto's generator alone.

internal import COpenSSL

/// Unpredictable bytes.
package enum Random {
    /// Draws this many bytes; fails where the system gives no randomness, and never returns weaker ones.
    package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        precondition(count >= 0 && count <= Int(Int32.max), "a count of random bytes is not negative")
        var bytes = [UInt8](repeating: 0, count: count)
        let result = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
            unsafe RAND_bytes(buffer.baseAddress, Int32(count))
        }
        guard count == 0 || result == 1 else { throw .last("random") }
        return bytes
    }
}
