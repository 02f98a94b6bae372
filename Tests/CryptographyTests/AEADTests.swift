// Seals: known answers, and that nothing altered opens (S3).
import Cryptography
import Testing

struct AEADTests {
    let key: SymmetricKey
    let name = Array("session".utf8)

    init() throws { key = try .generate() }

    @Test func `AES-256-GCM gives the answers of the GCM specification, cases 13 and 14`() throws {
        let zeros = Secret([UInt8](repeating: 0, count: 32))
        let nonce = [UInt8](repeating: 0, count: 12)
        let empty = try AESGCM.seal(Span(), key: zeros, nonce: nonce.span, authenticating: Span())
        #expect(empty.tag == hex("530f8afbc74536b9a963b4f1c4cb738b"))
        let block = [UInt8](repeating: 0, count: 16)
        let sealed = try AESGCM.seal(block.span, key: zeros, nonce: nonce.span, authenticating: Span())
        #expect(sealed.ciphertext == hex("cea7403d4d606b6e074ec5d3baf39d18"))
        #expect(sealed.tag == hex("d0d1c8a799996bf0265b98b5d48ab919"))
    }

    @Test(arguments: [0, 1, 15, 16, 17, 5000])
    func `what is sealed opens`(count: Int) throws {
        let plaintext = try Random.bytes(count)
        let sealed = try AES256GCM.seal(plaintext, key: key, authenticating: name)
        #expect(sealed.count == count + 28)
        #expect(try AES256GCM.open(sealed, key: key, authenticating: name) == plaintext)
    }

    @Test func `each seal has a nonce of its own (S3)`() throws {
        let plaintext = Array("the same".utf8)
        var nonces = Set<[UInt8]>()
        for _ in 0..<1000 {
            nonces.insert(Array(try AES256GCM.seal(plaintext, key: key, authenticating: name)[..<12]))
        }
        #expect(nonces.count == 1000)
    }

    @Test func `no altered byte opens (S3)`() throws {
        let sealed = try AES256GCM.seal(Array("claims".utf8), key: key, authenticating: name)
        for index in sealed.indices {
            var altered = sealed
            altered[index] ^= 1
            #expect(throws: CryptoError.notAuthentic) {
                try AES256GCM.open(altered, key: key, authenticating: name)
            }
        }
        for count in 0..<sealed.count {
            #expect(throws: CryptoError.notAuthentic) {
                try AES256GCM.open(Array(sealed[..<count]), key: key, authenticating: name)
            }
        }
    }

    @Test func `another key or another purpose does not open (S3)`() throws {
        let sealed = try AES256GCM.seal(Array("claims".utf8), key: key, authenticating: name)
        #expect(throws: CryptoError.notAuthentic) {
            try AES256GCM.open(sealed, key: .generate(), authenticating: name)
        }
        #expect(throws: CryptoError.notAuthentic) {
            try AES256GCM.open(sealed, key: key, authenticating: Array("state".utf8))
        }
        #expect(throws: CryptoError.notAuthentic) {
            try AES256GCM.open(sealed, key: key, authenticating: [])
        }
    }

    @Test(arguments: [0, 16, 31, 33])
    func `a key of another length is refused`(count: Int) {
        #expect(throws: CryptoError.wrongLength(expected: 32)) {
            try SymmetricKey(Secret([UInt8](repeating: 1, count: count)))
        }
    }

    @Test func `AES key wrap gives the answer of RFC 3394 §4.1`() throws {
        let wrapping = Secret(hex("000102030405060708090A0B0C0D0E0F"))
        let key = Secret(hex("00112233445566778899AABBCCDDEEFF"))
        let wrapped = try AESKeyWrap.wrap(key, under: wrapping)
        #expect(wrapped == hex("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"))
        #expect(try AESKeyWrap.unwrap(wrapped, under: wrapping) == key)
        var altered = wrapped
        altered[3] ^= 1
        #expect(throws: CryptoError.notAuthentic) { try AESKeyWrap.unwrap(altered, under: wrapping) }
    }

    @Test(arguments: [32, 48, 64])
    func `AES-CBC with HMAC opens what it sealed and nothing altered`(count: Int) throws {
        let key = try Secret.random(count)
        let nonce = try Random.bytes(16)
        let plaintext = Array("Live long and prosper.".utf8)
        let box = try AESCBCHMAC.seal(plaintext.span, key: key, nonce: nonce.span, authenticating: name.span)
        #expect(box.tag.count == count / 2)
        let opened = try AESCBCHMAC.open(
            box.ciphertext.span,
            tag: box.tag.span,
            key: key,
            nonce: nonce.span,
            authenticating: name.span
        )
        #expect(opened == plaintext)
        var altered = box.ciphertext
        altered[0] ^= 1
        #expect(throws: CryptoError.notAuthentic) {
            try AESCBCHMAC.open(
                altered.span,
                tag: box.tag.span,
                key: key,
                nonce: nonce.span,
                authenticating: name.span
            )
        }
        #expect(throws: CryptoError.notAuthentic) {
            try AESCBCHMAC.open(
                box.ciphertext.span,
                tag: box.tag.span.extracting(first: 8),
                key: key,
                nonce: nonce.span,
                authenticating: name.span
            )
        }
    }
}
