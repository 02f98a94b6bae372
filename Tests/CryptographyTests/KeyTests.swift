// Keys: what is taken, what is refused (J5, B3, B4).
import Cryptography
import Testing

struct KeyTests {
    static let rsa: Result<PrivateKey, CryptoError> = Result { () throws(CryptoError) in
        try .generate(.rsa(bits: 2048))
    }

    /// A modulus of so many bits; no product of primes, which nobody checks at a public key.
    static func modulus(bits: Int, leading zeros: Int = 0) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: (bits + 7) / 8)
        bytes[0] = UInt8(truncatingIfNeeded: (1 << ((bits - 1) % 8 + 1)) - 1)
        return [UInt8](repeating: 0, count: zeros) + bytes
    }

    @Test(arguments: [2048, 2049, 3072, 4096, 8192])
    func `an RSA modulus within the bounds is taken`(bits: Int) throws {
        let key = try PublicKey(.rsa(modulus: Self.modulus(bits: bits), exponent: [1, 0, 1]))
        #expect(key.kind == .rsa(bits: bits))
    }

    @Test(arguments: [8, 512, 1024, 2047, 8193, 16384])
    func `an RSA modulus outside the bounds is refused`(bits: Int) {
        #expect(throws: CryptoError.modulusSize(bits: bits)) {
            try PublicKey(.rsa(modulus: Self.modulus(bits: bits), exponent: [1, 0, 1]))
        }
    }

    @Test func `leading zeros do not make a modulus longer`() throws {
        #expect(throws: CryptoError.modulusSize(bits: 1024)) {
            try PublicKey(.rsa(modulus: Self.modulus(bits: 1024, leading: 128), exponent: [3]))
        }
        let key = try PublicKey(.rsa(modulus: Self.modulus(bits: 2048, leading: 1), exponent: [0, 3]))
        #expect(key.components == .rsa(modulus: Self.modulus(bits: 2048), exponent: [3]))
        #expect(throws: CryptoError.modulusSize(bits: 0)) {
            try PublicKey(.rsa(modulus: [0, 0], exponent: [3]))
        }
    }

    @Test(arguments: [[], [0], [1], [0, 1], [2], [1, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0, 1]] as [[UInt8]])
    func `an RSA exponent that is even, one or huge is refused`(exponent: [UInt8]) {
        #expect(throws: CryptoError.publicExponent) {
            try PublicKey(.rsa(modulus: Self.modulus(bits: 2048), exponent: exponent))
        }
    }

    @Test func `an even RSA modulus is refused`() {
        var modulus = Self.modulus(bits: 2048)
        modulus[255] = 0xFE
        #expect(throws: CryptoError.malformedKey) { try PublicKey(.rsa(modulus: modulus, exponent: [3])) }
    }

    @Test(arguments: EllipticCurve.allCases)
    func `a point must be on its curve and of its length`(curve: EllipticCurve) throws {
        let key = try PrivateKey.generate(.elliptic(curve)).publicKey
        guard case .elliptic(_, let x, var y) = key.components else {
            Issue.record("no elliptic key")
            return
        }
        #expect(try PublicKey(.elliptic(curve, x: x, y: y)).components == key.components)
        let count = curve.coordinateByteCount
        #expect(throws: CryptoError.wrongLength(expected: count)) {
            try PublicKey(.elliptic(curve, x: Array(x.dropFirst()), y: y))
        }
        #expect(throws: CryptoError.wrongLength(expected: count)) {
            try PublicKey(.elliptic(curve, x: [0] + x, y: y))
        }
        #expect(throws: CryptoError.wrongLength(expected: count)) {
            try PublicKey(.elliptic(curve, x: x, y: []))
        }
        y[count - 1] ^= 1
        #expect(throws: CryptoError.pointNotOnCurve) { try PublicKey(.elliptic(curve, x: x, y: y)) }
        let zeros = [UInt8](repeating: 0, count: count)
        #expect(throws: CryptoError.pointNotOnCurve) { try PublicKey(.elliptic(curve, x: zeros, y: zeros)) }
        let ones = [UInt8](repeating: 0xFF, count: count)
        #expect(throws: CryptoError.pointNotOnCurve) { try PublicKey(.elliptic(curve, x: ones, y: ones)) }
    }

    @Test func `a point of another curve is refused`() throws {
        guard case .elliptic(_, let x, let y) = try PrivateKey.generate(.elliptic(.p256)).publicKey.components
        else {
            Issue.record("an elliptic key has elliptic components")
            return
        }
        #expect(throws: CryptoError.pointNotOnCurve) { try PublicKey(.elliptic(.secp256k1, x: x, y: y)) }
    }

    @Test(arguments: OctetCurve.allCases)
    func `a key of octets has its curve's length`(curve: OctetCurve) throws {
        let count = curve.keyByteCount
        let key = try PrivateKey.generate(.octets(curve)).publicKey
        guard case .octets(_, let bytes) = key.components else {
            Issue.record("a key of octets has octets")
            return
        }
        #expect(bytes.count == count)
        for wrong in [[], Array(bytes.dropLast()), bytes + [0]] {
            #expect(throws: CryptoError.wrongLength(expected: count)) {
                try PublicKey(.octets(curve, wrong))
            }
        }
    }

    @Test(arguments: [
        KeyKind.elliptic(.p256), .elliptic(.p384), .elliptic(.p521), .elliptic(.secp256k1),
        .octets(.ed25519), .octets(.ed448),
    ])
    func `a key survives PEM and its components`(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        #expect(key.kind == kind)
        let read = try PrivateKey(pem: key.pem())
        #expect(read.publicKey.components == key.publicKey.components)
        #expect(try PublicKey(pem: key.publicKey.pem()).components == key.publicKey.components)
        let made = try PrivateKey(key.publicKey.components, key.privateComponents())
        #expect(made.publicKey.components == key.publicKey.components)
    }

    @Test func `an RSA key survives PEM and its components`() throws {
        let key = try Self.rsa.get()
        #expect(try PrivateKey(pem: key.pem()).publicKey.components == key.publicKey.components)
        #expect(try PublicKey(pem: key.publicKey.pem()).components == key.publicKey.components)
        let made = try PrivateKey(key.publicKey.components, key.privateComponents())
        #expect(made.publicKey.components == key.publicKey.components)
    }

    @Test func `a private part of another key is refused`() throws {
        let one = try PrivateKey.generate(.elliptic(.p256))
        let other = try PrivateKey.generate(.elliptic(.p256))
        #expect(throws: CryptoError.self) {
            try PrivateKey(one.publicKey.components, other.privateComponents())
        }
        let edwards = try PrivateKey.generate(.octets(.ed25519))
        let stranger = try PrivateKey.generate(.octets(.ed25519))
        #expect(throws: CryptoError.malformedKey) {
            try PrivateKey(edwards.publicKey.components, stranger.privateComponents())
        }
        #expect(throws: CryptoError.malformedKey) {
            try PrivateKey(edwards.publicKey.components, one.privateComponents())
        }
    }

    @Test func `a text that is no key is refused`() throws {
        for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "key"] {
            #expect(throws: CryptoError.malformedKey) { try PublicKey(pem: text) }
            #expect(throws: CryptoError.malformedKey) { try PrivateKey(pem: Secret(utf8: text)) }
        }
        let pem = try PrivateKey.generate(.octets(.ed25519)).publicKey.pem()
        #expect(throws: CryptoError.malformedKey) { try PrivateKey(pem: Secret(utf8: pem)) }
    }

    @Test(arguments: [1024, 2047, 8193])
    func `no RSA key outside the bounds is made`(bits: Int) {
        #expect(throws: CryptoError.modulusSize(bits: bits)) { try PrivateKey.generate(.rsa(bits: bits)) }
    }
}
