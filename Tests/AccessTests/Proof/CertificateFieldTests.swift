// A client's certificate in a field: every form in which proxies write it, and nothing else.
import Cryptography
import JOSE
import Testing

@testable import Access

struct CertificateFieldTests {
    /// RFC 8705, appendix A.
    static let base64 =
        "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY="
    static let thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

    /// PEM in lines of 64 letters.
    static let pem: String = {
        var lines = ["-----BEGIN CERTIFICATE-----"]
        var rest = Substring(base64)
        while !rest.isEmpty {
            lines.append(String(rest.prefix(64)))
            rest = rest.dropFirst(64)
        }
        return (lines + ["-----END CERTIFICATE-----", ""]).joined(separator: "\n")
    }()

    /// As nginx writes `$ssl_client_escaped_cert`: all but the unreserved characters.
    static let escaped = pem.utf8.map { octet in
        switch octet {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
            String(decoding: [octet], as: UTF8.self)
        default: "%" + (octet < 16 ? "0" : "") + String(octet, radix: 16, uppercase: true)
        }
    }.joined()

    private func thumbprint(_ value: String, _ form: WrittenCertificate.Form) throws -> String? {
        try WrittenCertificate.certificate(Array(value.utf8), form).map {
            Base64URL.encode(try Digest.sha256.hash($0))
        }
    }

    @Test func `every form gives the thumbprint of RFC 8705's appendix`() throws {
        #expect(try thumbprint(Self.escaped, .percentEncodedPEM) == Self.thumbprint)
        // As a load balancer writes it that leaves `+`, `/` and `=` alone.
        let loose = Self.pem.split(separator: "\n").joined(separator: "%0A").split(separator: " ").joined(
            separator: "%20"
        )
        #expect(loose.contains("+"))
        #expect(try thumbprint(loose, .percentEncodedPEM) == Self.thumbprint)
        #expect(try thumbprint(Self.base64, .base64) == Self.thumbprint)
        #expect(try thumbprint(":\(Self.base64):", .base64) == Self.thumbprint)
        #expect(try thumbprint(ClaimText.base64(Array(Self.pem.utf8)), .base64) == Self.thumbprint)
    }

    @Test(
        arguments: [
            "", "(null)", "%", "%2", "%zz", base64, String(escaped.dropLast(12)),
            "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----",
            "x" + escaped, String(repeating: "A", count: 20_000),
        ]
    ) func `what is no escaped PEM is no certificate`(_ value: String) throws {
        #expect(try thumbprint(value, .percentEncodedPEM) == nil)
    }

    @Test(
        arguments: [
            "", ":", "::", "MII", "MIIB", base64 + "AAAA", String(base64.dropLast(4)), base64 + ", " + base64,
            "\(base64)=", "_" + base64.dropFirst(), ":" + base64, escaped,
        ]
    ) func `what is no base64 of one certificate is none`(_ value: String) throws {
        #expect(try thumbprint(value, .base64) == nil)
    }

    @Test(
        arguments: [
            ("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYg==", "foob"),
            ("Zm9vYmFy", "foobar"),
        ]
    ) func `base64 is that of RFC 4648 §10`(_ text: String, _ plain: String) {
        #expect(Base64.decode(Array(text.utf8)[...]) == Array(plain.utf8))
    }

    @Test(arguments: ["Zg=", "Zg", "Z===", "Zg==Zg==", "Zm9v====", "Z-8="])
    func `other spellings are refused`(
        _ text: String
    ) {
        #expect(Base64.decode(Array(text.utf8)[...]) == nil)
    }
}
