// Attacks by form, signature and encryption.
import Cryptography
import JSON

@testable import JOSE

extension AttackTable {
    // MARK: JSON

    mutating func duplicates() throws {
        let headers = [
            #"{"alg":"ES256","alg":"ES256"}"#, #"{"alg":"none","alg":"ES256"}"#,
            #"{"alg":"ES256","alg":"none"}"#,
            #"{"alg":"ES256","\u0061lg":"none"}"#, #"{"alg":"ES256","kid":"ec","kid":"x"}"#,
            #"{"alg":"ES256","x":{"y":1,"y":2}}"#, #"{"alg":"ES256","x":[{"y":1,"y":2}]}"#,
            "{\"alg\":\"ES256\",\"\u{E9}\":1,\"e\u{301}\":2}",
        ]
        for header in headers { add("duplicate names (P5)", header, try token(header), "malformed") }
        let payloads = [
            #""exp":1,"exp":9999999999"#, #""sub":"alice","sub":"admin""#,
            #""sub":"alice","\u0073ub":"admin""#,
            #""x":{"roles":["a"],"roles":["admin"]}"#, #""x":[[[{"a":1,"a":1}]]]"#, #""":1,"":2"#,
            "\"K\":1,\"\u{212A}\":2",
        ]
        for members in payloads {
            let claims = #"{"iss":"https://issuer","aud":"api",\#(members)}"#
            add("duplicate names (P5)", members, try token(#"{"alg":"ES256"}"#, claims), "malformed")
        }
        let many = (0..<900).map { #""n\#($0)":1"# } + [#""n450":1"#]
        add(
            "duplicate names (P5)",
            "one among 900",
            try token(#"{"alg":"ES256"}"#, "{\(many.joined(separator: ","))}"),
            "malformed"
        )
    }

    mutating func sizes() throws {
        func claims(_ value: String) -> String { #"{"iss":"https://issuer","aud":"api","x":\#(value)}"# }
        func nested(_ depth: Int, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)
        }
        let header = #"{"alg":"ES256"}"#
        let values: [(String, String)] = [
            ("65 arrays deep", nested(64, "[", "]")), ("1,000 arrays deep", nested(1000, "[", "]")),
            ("65 objects deep", nested(64, #"{"a":"#, "}")),
            ("900 objects deep", nested(900, #"{"a":"#, "}")),
            ("open arrays", String(repeating: "[", count: 6000)), ("1e400", "1e400"), ("-1e400", "-1e400"),
            ("an exponent of 5,000 digits", "1e" + String(repeating: "9", count: 5000)),
            ("a fraction beyond a double", String(repeating: "9", count: 400) + ".5"),
            ("a bare word", "admin"),
            ("NaN", "NaN"), ("Infinity", "Infinity"), ("hexadecimal", "0x10"), ("leading zero", "01"),
            ("single quotes", "'a'"), ("a comment", "1/*x*/"), ("a trailing comma", "[1,]"),
            ("half a pair", #""\ud800""#),
            ("U+0000", #""\u0000""#), ("a control", "\"\u{1}\""), ("two values", "1 2"),
        ]
        for (name, value) in values {
            add("huge and deep JSON (J8, B6)", name, try token(header, claims(value)), "malformed")
        }
        for text in ["", "[]", "1", "null", "true", #""text""#, "{", "{}x", "{}{}", "\u{FEFF}{}", "{}\u{0}"] {
            add(
                "huge and deep JSON (J8, J9)",
                "the payload is '\(text)'",
                try token(header, text),
                "malformed"
            )
            if !text.isEmpty {
                add("huge and deep JSON (J8)", "the header is '\(text)'", try token(text), "malformed")
            }
        }
        for invalid: [UInt8] in [
            [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ] {
            let body = Array(#"{"x":""#.utf8) + invalid + Array(#""}"#.utf8)
            let text = Array((Base64URL.encode(Array(header.utf8)) + "." + Base64URL.encode(body)).utf8)
            let signature = try Signature.sign(text.span, with: ec, .ecdsa(.sha256))
            add("huge and deep JSON (B6)", "no UTF-8: \(invalid)", join(text, signature), "malformed")
        }
        let padded = try token(header, claims("\"" + String(repeating: "x", count: 12_400) + "\""))
        add("huge tokens (J8)", "\(padded.count) octets", padded, "too-large")
        let dots = [UInt8](repeating: UInt8(ascii: "."), count: 16_384)
        add("huge tokens (J8)", "16,384 dots", dots, "malformed")
        add(
            "huge tokens (J8)",
            "a million dots",
            [UInt8](repeating: UInt8(ascii: "."), count: 1_000_000),
            "too-large"
        )
        for text in ["", ".", "..", "a", "a.b", "a.b.c.d", "a.b.c.d.e.f", "...", "null", "Bearer a.b.c"] {
            add("huge tokens (J8)", "the text '\(text)'", Array(text.utf8), "malformed")
        }
    }

    mutating func encodings() throws {
        let parts = try token(#"{"alg":"ES256","kid":"ec"}"#, Fixture.claims(["jti": "xy"]).serializedString)
            .split(separator: UInt8(ascii: ".")).map { Array($0) }
        let additions: [(String, [UInt8])] = [
            ("padding", Array("=".utf8)), ("two paddings", Array("==".utf8)), ("a space", [0x20]),
            ("a line break", [0x0A]),
            ("CR LF", [0x0D, 0x0A]), ("a tab", [9]), ("NUL", [0]), ("plus", Array("+".utf8)),
            ("slash", Array("/".utf8)),
            ("percent", Array("%3D".utf8)), ("beyond ASCII", [0xC3, 0xA9]), ("quote", Array("\"".utf8)),
            ("0xFF", [0xFF]),
        ]
        for (index, part) in ["header", "payload", "signature"].enumerated() {
            for (name, addition) in additions {
                var changed = parts
                changed[index] += addition
                add(
                    "bad base64url (J5)",
                    "\(name) behind the \(part)",
                    Array(changed.joined(separator: [0x2E])),
                    "malformed"
                )
                changed[index] = addition + parts[index]
                add(
                    "bad base64url (J5)",
                    "\(name) before the \(part)",
                    Array(changed.joined(separator: [0x2E])),
                    "malformed"
                )
            }
        }
        // 64 octets leave four bits in the last letter: fifteen other letters say the same and are refused.
        let last = parts[2].last ?? 0
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        let value = alphabet.firstIndex(of: last) ?? 0
        for offset in 1...15 {
            var changed = parts
            changed[2][changed[2].count - 1] = alphabet[value + offset]
            add(
                "malleable signatures (J5)",
                "letter \(offset) of the same octets",
                Array(changed.joined(separator: [0x2E])),
                "malformed"
            )
        }
    }

    // MARK: Signatures

    mutating func signatures() throws {
        let text = signed(#"{"alg":"RS256","kid":"rsa"}"#)
        guard case .rsa(let modulus, _) = rsa.publicKey.components else { throw CryptoError.unsupportedKey }
        let good = try Signature.sign(text.span, with: rsa, .rsaPKCS1(.sha256))
        var less = modulus
        less[less.count - 1] -= 1
        let forged: [(String, [UInt8])] = [
            ("empty", []), ("zero", Self.zeros(256)), ("one", Self.zeros(255) + [1]), ("n", modulus),
            ("n - 1", less),
            ("all ones", [UInt8](repeating: 0xFF, count: 256)), ("a zero in front", [0] + good),
            ("cut in front", Array(good.dropFirst())),
            ("cut behind", Array(good.dropLast())), ("a zero behind", good + [0]), ("twice", good + good),
            ("backwards", good.reversed()),
        ]
        for (name, signature) in forged {
            add("malleable signatures (J5)", "RS256, \(name)", join(text, signature), "bad-signature")
        }
        let other = signed(#"{"alg":"EdDSA","kid":"ed"}"#)
        let edwardsSignature = try Signature.sign(other.span, with: edwards, .edDSA)
        let order: [UInt8] =
            [
                0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE,
                0x14,
            ] + Self.zeros(15) + [0x10]
        var (greater, carry) = (edwardsSignature, 0)
        for index in 0..<32 {
            let sum = Int(edwardsSignature[32 + index]) + Int(order[index]) + carry
            greater[32 + index] = UInt8(sum & 0xFF)
            carry = sum >> 8
        }
        let identity = [1] + Self.zeros(31)
        for (name, signature) in [
            ("S + L", greater), ("zeros", Self.zeros(64)),
            ("R is the identity, S zero", identity + Self.zeros(32)),
            ("S is L", Array(edwardsSignature[..<32]) + order),
            ("63 octets", Array(edwardsSignature.dropLast())),
            ("65 octets", edwardsSignature + [0]), ("all ones", [UInt8](repeating: 0xFF, count: 64)),
            ("empty", []),
        ] {
            add("malleable signatures (J5)", "EdDSA, \(name)", join(other, signature), "bad-signature")
        }
    }

    /// r and s at the ends of what they may be (CVE-2022-21449).
    mutating func edges() throws {
        let orders: [(EllipticCurve, String, Digest, [UInt8])] = [
            (
                .p256, "ES256", .sha256,
                Self.number("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551")
            ),
            (
                .secp256k1, "ES256K", .sha256,
                Self.number("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141")
            ),
            (
                .p384, "ES384", .sha384,
                Self.number(
                    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973"
                )
            ),
        ]
        for (curve, algorithm, digest, order) in orders {
            let key = try Fixture.privateKey(.elliptic(curve))
            let keys = JWKSet([JWK(.publicKey(key.publicKey))])
            let text = signed(#"{"alg":"\#(algorithm)"}"#)
            let good = try Signature.sign(text.span, with: key, .ecdsa(digest))
            let half = good.count / 2
            let (r, s) = (Array(good[..<half]), Array(good[half...]))
            let (zero, one) = (Self.zeros(half), Self.zeros(half - 1) + [1])
            var less = order
            less[half - 1] -= 1
            let full = [UInt8](repeating: 0xFF, count: half)
            let pairs: [(String, [UInt8])] = [
                ("r and s zero", zero + zero), ("r zero", zero + s), ("s zero", r + zero),
                ("r and s n", order + order),
                ("r n", order + s), ("s n", r + order), ("r and s one", one + one),
                ("r one, s zero", one + zero),
                ("r zero, s one", zero + one), ("r and s n - 1", less + less), ("all ones", full + full),
                ("s before r", s + r),
                ("r alone", r), ("empty", []), ("one octet less", Array(good.dropLast())),
                ("one octet more", good + [0]),
                ("a zero before each", [0] + r + [0] + s), ("DER", Self.der(r, s)),
                ("all zeros, longer", zero + zero + zero),
            ]
            for (name, signature) in pairs {
                add(
                    "ECDSA's edges (J5)",
                    "\(algorithm), \(name)",
                    join(text, signature),
                    "bad-signature",
                    keys: keys
                )
            }
        }
    }

    static func number(_ digits: String) -> [UInt8] {
        let values = digits.compactMap(\.hexDigitValue)
        return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }

    private static func der(_ r: [UInt8], _ s: [UInt8]) -> [UInt8] {
        func integer(_ number: [UInt8]) -> [UInt8] { [0x02, UInt8(number.count + 1), 0] + number }
        let body = integer(r) + integer(s)
        return [0x30, UInt8(body.count)] + body
    }

    /// Tokens cut short, made longer, and put together from two.
    mutating func cuts() throws {
        let good = try token(#"{"alg":"ES256","kid":"ec"}"#)
        let other = try token(
            #"{"alg":"ES256","kid":"ec"}"#,
            Fixture.claims(["sub": "admin"]).serializedString
        )
        let (parts, others) = (
            good.split(separator: 0x2E).map { Array($0) }, other.split(separator: 0x2E).map { Array($0) }
        )
        for count in [
            1, 10, parts[0].count, parts[0].count + 1, parts[0].count + 20,
            parts[0].count + parts[1].count + 1,
        ] {
            add("truncated (J5, J8)", "after \(count) octets", Array(good[..<count]), "malformed")
        }
        for count in stride(from: 0, to: 84, by: 12) {
            let cut = [parts[0], parts[1], Array(parts[2][..<count])]
            add(
                "truncated (J5)",
                "a signature of \(count) letters",
                Array(cut.joined(separator: [0x2E])),
                "bad-signature"
            )
        }
        add("padded (J5)", "four letters more", good + Array("AAAA".utf8), "bad-signature")
        add("padded (J5)", "one part more", good + Array(".AAAA".utf8), "malformed")
        add("padded (J5)", "itself behind it", good + [0x2E] + good, "malformed")
        let mixes: [(String, [[UInt8]])] = [
            ("another payload", [parts[0], others[1], parts[2]]),
            ("another signature", [parts[0], parts[1], others[2]]),
            ("another header", [Array("eyJhbGciOiJFUzI1NiJ9".utf8), parts[1], parts[2]]),
            ("payload for header", [parts[1], parts[0], parts[2]]),
            ("signature for payload", [parts[0], parts[2], parts[1]]),
        ]
        for (name, mix) in mixes {
            let isSwapped = name.contains(" for ")
            add(
                "put together (J5)",
                name,
                Array(mix.joined(separator: [0x2E])),
                isSwapped ? "malformed" : "bad-signature"
            )
        }
    }
}
