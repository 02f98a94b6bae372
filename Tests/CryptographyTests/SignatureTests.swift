// Signatures: each scheme, and what forgers send (J5).
import Cryptography
import Testing

struct SignatureTests {
    static let schemes: [(KeyKind, SignatureScheme, Int)] = [
        (.rsa(bits: 2048), .rsaPKCS1(.sha256), 256), (.rsa(bits: 2048), .rsaPKCS1(.sha384), 256),
        (.rsa(bits: 2048), .rsaPKCS1(.sha512), 256), (.rsa(bits: 2048), .rsaPSS(.sha256), 256),
        (.rsa(bits: 2048), .rsaPSS(.sha384), 256), (.rsa(bits: 2048), .rsaPSS(.sha512), 256),
        (.elliptic(.p256), .ecdsa(.sha256), 64), (.elliptic(.p384), .ecdsa(.sha384), 96),
        (.elliptic(.p521), .ecdsa(.sha512), 132), (.elliptic(.secp256k1), .ecdsa(.sha256), 64),
        (.octets(.ed25519), .edDSA, 64), (.octets(.ed448), .edDSA, 114),
    ]

    static func key(_ kind: KeyKind) throws -> PrivateKey {
        if case .rsa = kind { return try KeyTests.rsa.get() }
        return try .generate(kind)
    }

    @Test(arguments: schemes)
    func `a signature is that of its message, its key and its scheme alone`(
        kind: KeyKind,
        scheme: SignatureScheme,
        count: Int
    ) throws {
        let key = try Self.key(kind)
        let message = Array("message".utf8)
        let signature = try Signature.sign(message, with: key, scheme)
        #expect(signature.count == count)
        #expect(Signature.verify(signature, of: message, by: key.publicKey, scheme))
        #expect(!Signature.verify(signature, of: Array("massage".utf8), by: key.publicKey, scheme))
        let other = try PrivateKey.generate(kind).publicKey
        #expect(!Signature.verify(signature, of: message, by: other, scheme))
        for (otherKind, otherScheme, _) in Self.schemes where otherScheme != scheme || otherKind != kind {
            guard otherKind == kind else { continue }
            #expect(!Signature.verify(signature, of: message, by: key.publicKey, otherScheme))
        }
    }

    @Test(arguments: schemes)
    func `no altered, shortened or lengthened signature is taken`(
        kind: KeyKind,
        scheme: SignatureScheme,
        count: Int
    ) throws {
        let key = try Self.key(kind)
        let message = Array("message".utf8)
        let signature = try Signature.sign(message, with: key, scheme)
        var forged: [[UInt8]] = [
            [], [0], signature + [0], [0] + signature, Array(signature.dropLast()),
            Array(signature.dropFirst()), [UInt8](repeating: 0, count: count),
            [UInt8](repeating: 0xFF, count: count), signature + signature,
        ]
        for index in stride(from: 0, to: count, by: 7) {
            var altered = signature
            altered[index] ^= 0x10
            forged.append(altered)
        }
        for signature in forged {
            #expect(!Signature.verify(signature, of: message, by: key.publicKey, scheme))
        }
    }

    @Test(arguments: schemes)
    func `a prepared verification judges each signature anew (J5)`(
        kind: KeyKind,
        scheme: SignatureScheme,
        count: Int
    ) throws {
        let key = try Self.key(kind)
        let others = Self.schemes.filter { $0.0 == kind && $0.1 != scheme }.map(\.1)
        for round in 0..<4 {
            let message = [UInt8](repeating: UInt8(round), count: round * 1000)
            let signature = try Signature.sign(message, with: key, scheme)
            var altered = signature
            altered[count / 2] ^= 1
            #expect(Signature.verify(signature, of: message, by: key.publicKey, scheme))
            #expect(!Signature.verify(altered, of: message, by: key.publicKey, scheme))
            #expect(!Signature.verify(signature, of: message + [0], by: key.publicKey, scheme))
            #expect(Signature.verify(signature, of: message, by: key.publicKey, scheme))
            for other in others {
                #expect(!Signature.verify(signature, of: message, by: key.publicKey, other))
            }
        }
    }

    @Test(arguments: schemes)
    func `many verify with one key at once, and each gets its own verdict`(
        kind: KeyKind,
        scheme: SignatureScheme,
        count: Int
    ) async throws {
        let key = try Self.key(kind)
        let wrong = await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var wrong = 0
                    let message = [UInt8](repeating: UInt8(task), count: 100 + task)
                    guard let signature = try? Signature.sign(message, with: key, scheme) else { return 1 }
                    var altered = signature
                    altered[count / 2] ^= 1
                    for _ in 0..<20 {
                        let (good, bad) = (
                            Signature.verify(signature, of: message, by: key.publicKey, scheme),
                            Signature.verify(altered, of: message, by: key.publicKey, scheme)
                        )
                        if !good || bad { wrong += 1 }
                    }
                    return wrong
                }
            }
            return await group.reduce(0, +)
        }
        #expect(wrong == 0)
    }

    @Test func `r and s must be from 1 to the order less 1 (CVE-2022-21449)`() throws {
        let key = try PrivateKey.generate(.elliptic(.p256))
        let message = Array("message".utf8)
        let order = hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551")
        let zero = [UInt8](repeating: 0, count: 32)
        let one = [UInt8](repeating: 0, count: 31) + [1]
        let signature = try Signature.sign(message, with: key, .ecdsa(.sha256))
        let r = Array(signature[..<32])
        let s = Array(signature[32...])
        for (r, s) in [
            (zero, zero), (zero, s), (r, zero), (order, s), (r, order), (order, order), (zero, one),
            (one, zero),
            (one, one), (order, zero),
        ] {
            #expect(!Signature.verify((r + s), of: message, by: key.publicKey, .ecdsa(.sha256)))
        }
        #expect(Signature.verify((r + s), of: message, by: key.publicKey, .ecdsa(.sha256)))
    }

    @Test func `Ed25519 gives the answer of RFC 8032 §7.1 and refuses a greater S`() throws {
        let seed = Secret(hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
        let point = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        let key = try PrivateKey(.octets(.ed25519, point), .octets(seed))
        let expected = hex(
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f
            b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        )
        #expect(try Signature.sign([], with: key, .edDSA) == expected)
        #expect(Signature.verify(expected, of: [], by: key.publicKey, .edDSA))
        // S + L verifies by the equation and must be refused (RFC 8032 §5.1.7).
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        var greater = expected
        var carry = 0
        for index in 0..<32 {
            let sum = Int(expected[32 + index]) + Int(order[index]) + carry
            greater[32 + index] = UInt8(sum & 0xFF)
            carry = sum >> 8
        }
        #expect(!Signature.verify(greater, of: [], by: key.publicKey, .edDSA))
    }

    @Test func `a scheme that does not fit the key signs nothing`() throws {
        let key = try PrivateKey.generate(.elliptic(.p256))
        #expect(throws: CryptoError.wrongKeyKind) { try Signature.sign([], with: key, .edDSA) }
        #expect(throws: CryptoError.wrongKeyKind) {
            try Signature.sign([], with: key, .rsaPKCS1(.sha256))
        }
        let agreement = try PrivateKey.generate(.octets(.x25519))
        #expect(throws: CryptoError.wrongKeyKind) { try Signature.sign([], with: agreement, .edDSA) }
    }

    @Test func `both sides of an agreement find one secret`() throws {
        for kind in [KeyKind.elliptic(.p256), .elliptic(.p521), .octets(.x25519), .octets(.x448)] {
            let one = try PrivateKey.generate(kind)
            let other = try PrivateKey.generate(kind)
            let secret = try DiffieHellman.secret(one, with: other.publicKey)
            #expect(try DiffieHellman.secret(other, with: one.publicKey) == secret)
        }
        let one = try PrivateKey.generate(.elliptic(.p256))
        let other = try PrivateKey.generate(.elliptic(.p384))
        #expect(throws: CryptoError.wrongKeyKind) { try DiffieHellman.secret(one, with: other.publicKey) }
    }

    @Test func `RSA-OAEP opens what it sealed and nothing else`() throws {
        let key = try KeyTests.rsa.get()
        let secret = try Secret.random(32)
        let sealed = try RSAOAEP.encrypt(secret, to: key.publicKey, .sha256)
        #expect(try RSAOAEP.decrypt(sealed, with: key, .sha256) == secret)
        #expect(throws: CryptoError.notAuthentic) { try RSAOAEP.decrypt(sealed, with: key, .sha1) }
    }
}
