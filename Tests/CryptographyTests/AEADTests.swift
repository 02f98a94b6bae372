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

    @Test(arguments: [
        (
            "652c3fa36b0a7c5b3219fab3a30bc1c4",
            """
            c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9ae\
            f71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8\
            ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ff\
            b598f7f80074b9473c82e2db
            """
        ),
        (
            "8490ac0e58949bfe51875d733f93ac2075168039ccc733d7",
            """
            ea65da6b59e61edb419be62d19712ae5d303eeb50052d0dfd6697f77224c8edb000d279bdc14c1072654bd30\
            944230c657bed4ca0c9f4a8466f22b226d1746214bf8cfc2400add9f5126e479663fc90b3bed787a2f0ffcbf\
            3904be2a641d5c2105bfe591bae23b1d7449e532eef60a9ac8bb6c6b01d35d49787bcd57ef484927f280adc9\
            1ac0c4e79c7b11efc60054e3
            """
        ),
        (
            "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
            """
            4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad\
            3e9279c2e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80b\
            fecbad28c73f09b3a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d0\
            9dd7a4930930806d0703b1f6
            """
        ),
    ])
    func `AES-CBC with HMAC gives the answers of RFC 7518 B.1 to B.3`(tag: String, ciphertext: String) throws
    {
        let (tag, ciphertext) = (hex(tag), hex(ciphertext))
        let key = Secret([UInt8](0..<UInt8(tag.count * 2)))
        let text = """
            A cipher system must not be required to be secret, and it must be able to fall into the hands of the \
            enemy without inconvenience
            """
        let nonce = hex("1af38c2dc2b96ffdd86694092341bc04")
        let data = Array("The second principle of Auguste Kerckhoffs".utf8)
        let box = try AESCBCHMAC.seal(
            Array(text.utf8).span,
            key: key,
            nonce: nonce.span,
            authenticating: data.span
        )
        #expect(box.ciphertext == ciphertext && box.tag == tag)
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
