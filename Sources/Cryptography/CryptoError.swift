// What can go wrong with a key, a signature or a seal; carries no caller's data.

internal import COpenSSL

/// Why an operation of cryptography failed.
package enum CryptoError: Error, Sendable, Equatable {
    /// The text or the components are no key of a supported kind.
    case malformedKey
    /// The key is of a kind or a size that is not supported.
    case unsupportedKey
    /// The octets or the text are no X.509 certificate.
    case malformedCertificate
    /// The RSA modulus is outside 2048 to 8192 bits.
    case modulusSize(bits: Int)
    /// The RSA public exponent is even, below 3 or beyond 64 bits.
    case publicExponent
    /// The point is not on its curve, or is the point at infinity.
    case pointNotOnCurve
    /// A key, a nonce or a salt has the wrong number of bytes.
    case wrongLength(expected: Int)
    /// A MAC key is empty.
    case emptyKey
    /// What was sealed was altered, or sealed under another key.
    case notAuthentic
    /// The operation does not fit the key's kind.
    case wrongKeyKind
    /// libcrypto refused; its reason code, nothing of the input.
    case library(operation: String, code: Int)

    /// Takes the oldest error of libcrypto's queue and clears the queue: an error left behind is found by the
    /// next, innocent caller.
    static func last(_ operation: StaticString) -> CryptoError {
        let code = copenssl_error_reason(ERR_get_error())
        ERR_clear_error()
        return .library(operation: "\(operation)", code: Int(code))
    }
}
