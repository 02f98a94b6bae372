// The calls on spans, for arrays: an expectation cannot hold a span.
import Cryptography

extension Signature {
    static func verify(
        _ signature: [UInt8],
        of message: [UInt8],
        by key: PublicKey,
        _ scheme: SignatureScheme
    ) -> Bool {
        verify(signature.span, of: message.span, by: key, scheme)
    }

    static func sign(
        _ message: [UInt8],
        with key: PrivateKey,
        _ scheme: SignatureScheme
    ) throws(CryptoError) -> [UInt8] {
        try sign(message.span, with: key, scheme)
    }
}

extension HMAC {
    func isValid(_ code: [UInt8], for message: [UInt8]) throws(CryptoError) -> Bool {
        try isValid(code.span, for: message.span)
    }
}

extension AESKeyWrap {
    static func unwrap(_ wrapped: [UInt8], under wrapping: Secret) throws(CryptoError) -> Secret {
        try unwrap(wrapped.span, under: wrapping)
    }
}

extension RSAOAEP {
    static func decrypt(
        _ ciphertext: [UInt8],
        with key: PrivateKey,
        _ hash: Hash
    ) throws(CryptoError) -> Secret {
        try decrypt(ciphertext.span, with: key, hash)
    }
}
