// Public keys: made from components or PEM, checked once, then immutable.

internal import COpenSSL

/// A curve for ECDSA and ECDH.
package enum EllipticCurve: Sendable, Hashable, CaseIterable {
    case p256
    case p384
    case p521
    case secp256k1

    /// The number of bytes of a coordinate, and of r and s in a signature.
    package var coordinateByteCount: Int {
        switch self {
        case .p256, .secp256k1: 32
        case .p384: 48
        case .p521: 66
        }
    }

    /// libcrypto's name.
    var groupName: String {
        switch self {
        case .p256: "prime256v1"
        case .p384: "secp384r1"
        case .p521: "secp521r1"
        case .secp256k1: "secp256k1"
        }
    }
}

/// A curve whose keys are plain byte strings (RFC 8032, RFC 7748).
package enum OctetCurve: String, Sendable, Hashable, CaseIterable {
    case ed25519 = "ED25519"
    case ed448 = "ED448"
    case x25519 = "X25519"
    case x448 = "X448"

    /// The number of bytes of a public or a private key.
    package var keyByteCount: Int {
        switch self {
        case .ed25519, .x25519: 32
        case .ed448: 57
        case .x448: 56
        }
    }

    /// The number of bytes of a signature; none for key agreement.
    package var signatureByteCount: Int? {
        switch self {
        case .ed25519: 64
        case .ed448: 114
        case .x25519, .x448: nil
        }
    }
}

/// What a key is.
package enum KeyKind: Sendable, Hashable {
    case rsa(bits: Int)
    case elliptic(EllipticCurve)
    case octets(OctetCurve)
}

/// The public parts of a key, as RFC 7518 §6 and RFC 8037 §2 name them.
package enum PublicComponents: Sendable, Hashable {
    /// Big endian; leading zeros do not count.
    case rsa(modulus: [UInt8], exponent: [UInt8])
    /// Each coordinate as long as the curve's field.
    case elliptic(EllipticCurve, x: [UInt8], y: [UInt8])
    case octets(OctetCurve, [UInt8])
}

/// A public key that was checked: RSA of 2048 to 8192 bits with an odd exponent of 3 or more, a point on its
/// curve, or a byte string of its curve's length (J5).
package final class PublicKey: Sendable {
    let handle: KeyHandle
    /// What verifies with it, ready for the next signature.
    let verifications = VerificationPool()
    /// What the key is.
    package let kind: KeyKind
    /// What it is made of; RSA numbers without leading zeros.
    package let components: PublicComponents

    /// Checks and takes the components.
    package init(_ components: PublicComponents) throws(CryptoError) {
        switch components {
        case .rsa(let modulus, let exponent):
            let modulus = Array(modulus.drop { $0 == 0 })
            let exponent = Array(exponent.drop { $0 == 0 })
            kind = .rsa(bits: try RSARules.check(modulus: modulus, exponent: exponent))
            self.components = .rsa(modulus: modulus, exponent: exponent)
            var parameters = try ParameterBuilder()
            try parameters.add("n", number: modulus.span)
            try parameters.add("e", number: exponent.span)
            handle = try KeyHandle(type: "RSA", isPrivate: false, parameters: parameters)
        case .elliptic(let curve, let x, let y):
            kind = .elliptic(curve)
            self.components = components
            let count = curve.coordinateByteCount
            guard x.count == count, y.count == count else { throw .wrongLength(expected: count) }
            var parameters = try ParameterBuilder()
            try parameters.add("group", text: curve.groupName)
            try parameters.add("pub", octets: ([4] + x + y).span)
            do {
                handle = try KeyHandle(type: "EC", isPrivate: false, parameters: parameters)
            } catch { throw .pointNotOnCurve }
            guard unsafe handle.passes({ unsafe EVP_PKEY_public_check($0) }) else { throw .pointNotOnCurve }
        case .octets(let curve, let bytes):
            kind = .octets(curve)
            self.components = components
            guard bytes.count == curve.keyByteCount else { throw .wrongLength(expected: curve.keyByteCount) }
            let key = unsafe EVP_PKEY_new_raw_public_key_ex(nil, curve.rawValue, nil, bytes, bytes.count)
            guard let key = unsafe key else { throw .last("key") }
            handle = unsafe KeyHandle(owning: key)
        }
    }

    /// Reads a `PUBLIC KEY` in PEM (RFC 7468 §13), with the same checks.
    package convenience init(pem: String) throws(CryptoError) {
        let bio = try MemoryBIO.reading(Array(pem.utf8))
        guard let key = unsafe PEM_read_bio_PUBKEY(bio.pointer, nil, nil, nil) else {
            ERR_clear_error()
            throw .malformedKey
        }
        try self.init(PublicComponents(of: unsafe KeyHandle(owning: key)))
    }

    /// The key as `PUBLIC KEY` in PEM.
    package func pem() throws(CryptoError) -> String {
        let bio = try MemoryBIO()
        guard unsafe PEM_write_bio_PUBKEY(bio.pointer, handle.pointer) == 1 else { throw .last("pem") }
        return String(decoding: bio.bytes, as: UTF8.self)
    }
}

/// What an RSA public key must be (J5, B4).
enum RSARules {
    static let bits = 2048...8192

    /// Checks numbers without leading zeros; gives the size of the modulus in bits.
    static func check(modulus: [UInt8], exponent: [UInt8]) throws(CryptoError) -> Int {
        guard let first = modulus.first, let last = modulus.last else { throw .modulusSize(bits: 0) }
        let size = modulus.count * 8 - first.leadingZeroBitCount
        guard bits.contains(size) else { throw .modulusSize(bits: size) }
        guard last & 1 == 1 else { throw .malformedKey }
        guard let end = exponent.last, end & 1 == 1, exponent.count <= 8, exponent != [1] else {
            throw .publicExponent
        }
        return size
    }
}

extension PublicComponents {
    /// Reads the components of a key of libcrypto's.
    init(of handle: KeyHandle) throws(CryptoError) {
        if handle.isA("RSA") {
            self = .rsa(modulus: try handle.number("n"), exponent: try handle.number("e"))
        } else if handle.isA("EC") {
            let name = handle.groupName
            guard let curve = EllipticCurve.allCases.first(where: { $0.groupName == name }) else {
                throw .unsupportedKey
            }
            let count = curve.coordinateByteCount
            self = .elliptic(
                curve,
                x: try handle.number("qx", count: count),
                y: try handle.number("qy", count: count)
            )
        } else if let curve = OctetCurve.allCases.first(where: { handle.isA($0.rawValue) }) {
            self = .octets(curve, try handle.rawPublicKey())
        } else {
            throw .unsupportedKey
        }
    }
}

/// Owns a BIO in memory for reading and writing PEM.
@safe struct MemoryBIO: ~Copyable {
    let pointer: OpaquePointer

    /// For writing; the memory is of libcrypto's secure heap where there is one.
    init() throws(CryptoError) {
        guard let bio = unsafe BIO_new(BIO_s_secmem()) else { throw .last("bio") }
        unsafe pointer = unsafe bio
    }

    /// For reading a copy of these bytes.
    static func reading(_ bytes: [UInt8]) throws(CryptoError) -> MemoryBIO {
        let bio = try MemoryBIO()
        try bio.write(bytes)
        return bio
    }

    deinit { unsafe BIO_free(pointer) }

    private func write(_ bytes: [UInt8]) throws(CryptoError) {
        guard bytes.count < 1 << 20,
            unsafe BIO_write(pointer, bytes, Int32(bytes.count)) == Int32(bytes.count)
        else { throw .malformedKey }
    }

    /// What was written.
    var bytes: [UInt8] {
        var start: UnsafeMutablePointer<CChar>?
        let count = unsafe copenssl_bio_bytes(pointer, &start)
        guard let start = unsafe start, count > 0 else { return [] }
        return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
    }
}
