// Digests, HMAC, HKDF and randomness by known answers.
import Cryptography
import Testing

struct DigestTests {
    @Test func `SHA-2 gives the answers of FIPS 180-4`() throws {
        let message = Array("abc".utf8)
        let short = hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(try Digest.sha256.hash(message) == short)
        let fixed = try SHA256.hash(message)
        #expect(fixed.indices.map { fixed[$0] } == short)
        #expect(
            try Digest.sha384.hash(message)
                == hex(
                    """
                    cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
                    8086072ba1e7cc2358baeca134c825a7
                    """
                )
        )
        #expect(
            try Digest.sha512.hash(message)
                == hex(
                    """
                    ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                    """
                )
        )
        #expect(
            try Digest.sha256.hash([])
                == hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        )
    }

    @Test func `HMAC gives the answer of RFC 4231 §4.3`() throws {
        let message = Array("what do ya want for nothing?".utf8)
        let hmac = try HMAC(.sha256, key: Secret(utf8: "Jefe"))
        let code = try hmac.code(for: message)
        #expect(code == hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
        #expect(try hmac.isValid(code, for: message))
        #expect(try !hmac.isValid(Array(code.dropLast()), for: message))
        #expect(try !hmac.isValid([], for: message))
    }

    @Test func `an empty MAC key is refused (J3)`() {
        #expect(throws: CryptoError.emptyKey) { try HMAC(.sha256, key: Secret([UInt8]())) }
    }

    @Test func `HKDF gives the answer of RFC 5869 A.3`() throws {
        let key = Secret([UInt8](repeating: 0x0B, count: 22))
        let expected = hex(
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        )
        #expect(try HKDF.sha256(key, info: "", count: 42).copy() == expected)
        #expect(try HKDF.sha256(key, info: "", count: 32).copy() == Array(expected[..<32]))
        #expect(try HKDF.sha256(key, info: "a", count: 32).copy() != Array(expected[..<32]))
    }

    @Test func `equality in constant time is equality (J12)`() {
        #expect(equalInConstantTime([1, 2, 3], [1, 2, 3]))
        #expect(!equalInConstantTime([1, 2, 3], [1, 2, 4]))
        #expect(!equalInConstantTime([1, 2, 3], [1, 2]))
        #expect(equalInConstantTime([], []))
    }

    @Test func `a secret shows nothing of itself`() {
        let secret = Secret(utf8: "hunter2")
        #expect("\(secret)" == "(secret)")
        #expect(String(reflecting: secret) == "(secret)")
        var text = ""
        dump(secret, to: &text)
        #expect(!text.contains("hunter") && !text.contains("104"))
        #expect(secret == Secret(utf8: "hunter2"))
        #expect(secret != Secret(utf8: "hunter3"))
    }

    @Test func `random bytes are as many as asked and differ`() throws {
        #expect(try Random.bytes(0).isEmpty)
        let one = try Random.bytes(32)
        #expect(one.count == 32)
        #expect(try Random.bytes(32) != one)
    }
}
