// Base64url: one spelling for each byte string.
import Cryptography
import JOSE
import Testing

struct Base64URLTests {
    @Test(arguments: [
        ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ])
    func `the vectors of RFC 4648 §10 hold without padding`(text: String, encoded: String) {
        #expect(Base64URL.encode(Array(text.utf8)) == encoded)
        #expect(Base64URL.decode(encoded) == Array(text.utf8))
    }

    @Test func `every length is read as it was written`() throws {
        for count in 0..<70 {
            let bytes = try Random.bytes(count)
            #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
        }
        #expect(Base64URL.encode([0xFB, 0xFF, 0xFE]) == "-__-")
    }

    @Test(arguments: [
        "Z", "Zg=", "Zg==", "Zm9vY", "Zh", "Zm9", "Zm9v\n", "Zm 9v", " Zm9v", "Zm9v ", "+__-", "-//-",
        "Zm9v.",
        "Zm9vé", "Zm\u{0}v", "=", "A===",
    ])
    func `any other spelling is refused`(text: String) {
        #expect(Base64URL.decode(text) == nil)
    }

    @Test func `each byte outside the alphabet is refused at each place`() {
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
            for place in 0..<4 {
                var text = Array("AAAA".utf8)
                text[place] = byte
                let decoded = Base64URL.decode(text.span)
                #expect(decoded == nil)
            }
        }
    }
}
