// Private keys: generated, read from PEM or components, kept by libcrypto.

internal import COpenSSL

/// The private parts of a key beside its public ones.
package enum PrivateComponents: Sendable {
    /// The private exponent, the two primes, their exponents and the coefficient; big endian.
    case rsa(d: Secret, p: Secret, q: Secret, dp: Secret, dq: Secret, qi: Secret)
    /// The scalar, as long as the curve's field.
    case elliptic(Secret)
    case octets(Secret)
}

/// A key that signs or decrypts; libcrypto wipes it when its life ends.
package final class PrivateKey: Sendable {
    let handle: KeyHandle
    /// The key that verifies what this one signs.
    package let publicKey: PublicKey

    /// What the key is.
    package var kind: KeyKind { publicKey.kind }

    private init(_ handle: KeyHandle) throws(CryptoError) {
        self.handle = handle
        publicKey = try PublicKey(PublicComponents(of: handle))
    }

    /// Makes a new key; RSA of 2048 to 8192 bits with the exponent 65537.
    package static func generate(_ kind: KeyKind) throws(CryptoError) -> PrivateKey {
        let type: String
        switch kind {
        case .rsa(let bits):
            guard RSARules.bits.contains(bits) else { throw .modulusSize(bits: bits) }
            type = "RSA"
        case .elliptic: type = "EC"
        case .octets(let curve): type = curve.rawValue
        }
        guard let context = unsafe EVP_PKEY_CTX_new_from_name(nil, type, nil) else { throw .last("generate") }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        guard unsafe EVP_PKEY_keygen_init(context) == 1 else { throw .last("generate") }
        switch kind {
        case .rsa(let bits):
            guard unsafe EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits)) == 1 else {
                throw .last("generate")
            }
        case .elliptic(let curve):
            guard unsafe EVP_PKEY_CTX_set_group_name(context, curve.groupName) == 1 else {
                throw .last("generate")
            }
        case .octets: break
        }
        var key: OpaquePointer?
        guard unsafe EVP_PKEY_generate(context, &key) == 1, let key = unsafe key else {
            throw .last("generate")
        }
        return try PrivateKey(unsafe KeyHandle(owning: key))
    }

    /// Reads an unencrypted private key in PEM (PKCS #8, RFC 5958, or the older forms).
    package convenience init(pem: Secret) throws(CryptoError) {
        let bio = try MemoryBIO.reading(pem.copy())
        // An empty passphrase: without one libcrypto would ask at the terminal.
        var passphrase: [CChar] = [0]
        let read = unsafe PEM_read_bio_PrivateKey(bio.pointer, nil, nil, &passphrase)
        guard let key = unsafe read else {
            ERR_clear_error()
            throw .malformedKey
        }
        let handle = unsafe KeyHandle(owning: key)
        guard unsafe handle.passes({ unsafe EVP_PKEY_pairwise_check($0) }) else { throw .malformedKey }
        try self.init(handle)
    }

    /// Checks and takes the components; the private ones must belong to the public ones.
    package convenience init(
        _ publicComponents: PublicComponents,
        _ privateComponents: PrivateComponents
    ) throws(CryptoError) {
        _ = try PublicKey(publicComponents)
        let handle: KeyHandle
        switch (publicComponents, privateComponents) {
        case (.rsa(let n, let e), .rsa(let d, let p, let q, let dp, let dq, let qi)):
            var parameters = try ParameterBuilder()
            try parameters.add("n", number: n.span)
            try parameters.add("e", number: e.span)
            for (name, part) in [
                ("d", d), ("rsa-factor1", p), ("rsa-factor2", q), ("rsa-exponent1", dp),
                ("rsa-exponent2", dq),
                ("rsa-coefficient1", qi),
            ] { try parameters.add(name, secretNumber: part) }
            handle = try KeyHandle(type: "RSA", isPrivate: true, parameters: parameters)
        case (.elliptic(let curve, let x, let y), .elliptic(let scalar)):
            guard scalar.count == curve.coordinateByteCount else {
                throw .wrongLength(expected: curve.coordinateByteCount)
            }
            var parameters = try ParameterBuilder()
            try parameters.add("group", text: curve.groupName)
            try parameters.add("pub", octets: ([4] + x + y).span)
            try parameters.add("priv", secretNumber: scalar)
            handle = try KeyHandle(type: "EC", isPrivate: true, parameters: parameters)
        case (.octets(let curve, let point), .octets(let seed)):
            handle = try Self.octets(curve, point: point, seed: seed)
        case (.rsa, _), (.elliptic, _), (.octets, _): throw .malformedKey
        }
        guard unsafe handle.passes({ unsafe EVP_PKEY_pairwise_check($0) }) else { throw .malformedKey }
        try self.init(handle)
    }

    private static func octets(
        _ curve: OctetCurve,
        point: [UInt8],
        seed: Secret
    ) throws(CryptoError) -> KeyHandle {
        guard seed.count == curve.keyByteCount else { throw .wrongLength(expected: curve.keyByteCount) }
        let key = unsafe seed.withBytes { seed in
            unsafe seed.withUnsafeBufferPointer { seed in
                unsafe EVP_PKEY_new_raw_private_key_ex(nil, curve.rawValue, nil, seed.baseAddress, seed.count)
            }
        }
        guard let key = unsafe key else { throw .last("key") }
        let handle = unsafe KeyHandle(owning: key)
        guard try handle.rawPublicKey() == point else { throw .malformedKey }
        return handle
    }

    /// The key as unencrypted PKCS #8 in PEM; keep it where only its owner reads.
    package func pem() throws(CryptoError) -> Secret {
        let bio = try MemoryBIO()
        let result = unsafe PEM_write_bio_PKCS8PrivateKey(bio.pointer, handle.pointer, nil, nil, 0, nil, nil)
        guard result == 1 else { throw .last("pem") }
        var bytes = bio.bytes
        defer { Secret.wipe(&bytes) }
        return Secret(bytes)
    }

    /// The private parts of the key; for a JWK that is kept secret, and for tests.
    package func privateComponents() throws(CryptoError) -> PrivateComponents {
        switch publicKey.kind {
        case .rsa:
            .rsa(
                d: Secret(try handle.number("d")),
                p: Secret(try handle.number("rsa-factor1")),
                q: Secret(try handle.number("rsa-factor2")),
                dp: Secret(try handle.number("rsa-exponent1")),
                dq: Secret(try handle.number("rsa-exponent2")),
                qi: Secret(try handle.number("rsa-coefficient1"))
            )
        case .elliptic(let curve):
            .elliptic(Secret(try handle.number("priv", count: curve.coordinateByteCount)))
        case .octets: .octets(Secret(try handle.rawPrivateKey()))
        }
    }
}

extension ParameterBuilder {
    /// Adds a number that is a secret.
    mutating func add(_ name: String, secretNumber: Secret) throws(CryptoError) {
        var bytes = secretNumber.copy()
        defer { Secret.wipe(&bytes) }
        try add(name, number: bytes.span)
    }
}
