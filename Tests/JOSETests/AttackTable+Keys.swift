// Attacks by weak keys, and by encryption.
import Cryptography
import JSON

@testable import JOSE

extension AttackTable {
    /// Keys that are left out when the set is read: nobody's signature counts by them.
    mutating func weakKeys() throws {
        for (name, algorithm, value) in try weakPublicKeys() {
            let keys = try JWKSet(parsing: ["keys": [value]], from: .network)
            let text = signed(#"{"alg":"\#(algorithm)"}"#)
            let signature =
                algorithm == "RS256"
                ? try Signature.sign(text.span, with: rsa, .rsaPKCS1(.sha256))
                : try Signature.sign(text.span, with: ec, .ecdsa(.sha256))
            add("weak keys (B4, J5)", name, join(text, signature), "unknown-key", keys: keys)
        }
        try weakSecrets()
    }

    private func weakPublicKeys() throws -> [(String, String, JSONValue)] {
        guard case .rsa(let n, let e) = rsa.publicKey.components,
            case .elliptic(_, let x, let y) = ec.publicKey.components
        else { throw CryptoError.unsupportedKey }
        func key(_ n: [UInt8], _ e: [UInt8]) -> JSONValue {
            ["kty": "RSA", "n": .string(Base64URL.encode(n)), "e": .string(Base64URL.encode(e))]
        }
        func point(_ curve: String, _ x: [UInt8], _ y: [UInt8]) -> JSONValue {
            [
                "kty": "EC", "crv": .string(curve), "x": .string(Base64URL.encode(x)),
                "y": .string(Base64URL.encode(y)),
            ]
        }
        return [
            ("RSA of 512 bits", "RS256", key(Array(n[..<63]) + [1], e)),
            ("RSA of 1,024 bits", "RS256", key(Array(n[..<127]) + [1], e)),
            ("RSA of 2,047 bits", "RS256", key([n[0] >> 1] + n[1...], e)),
            ("RSA of 8,200 bits", "RS256", key([1] + [UInt8](repeating: 0xFF, count: 1024), e)),
            ("RSA of 16,384 bits", "RS256", key([UInt8](repeating: 0xFF, count: 2048), e)),
            ("exponent 1", "RS256", key(n, [1])), ("exponent 2", "RS256", key(n, [2])),
            ("exponent 0", "RS256", key(n, [0])),
            ("an even exponent", "RS256", key(n, [1, 0, 0])),
            ("an exponent of 72 bits", "RS256", key(n, [1] + e + Self.zeros(4) + [1])),
            ("an even modulus", "RS256", key(n.dropLast() + [0], e)),
            ("zeros in front of 1,024 bits", "RS256", key(Self.zeros(128) + Array(n[..<127]) + [1], e)),
            ("a point off its curve", "ES256", point("P-256", x, x)),
            ("the point at infinity", "ES256", point("P-256", Self.zeros(32), Self.zeros(32))),
            ("a point of another curve", "ES256K", point("secp256k1", x, y)),
            ("a short coordinate", "ES256", point("P-256", Array(x.dropLast()), y)),
            ("a long coordinate", "ES256", point("P-256", [0] + x, y)),
        ]
    }

    private mutating func weakSecrets() throws {
        for (name, algorithm, digest, count) in [
            ("no secret", "HS256", Digest.sha256, 0), ("8 octets", "HS256", .sha256, 8),
            ("15 octets", "HS256", .sha256, 15),
            ("31 octets", "HS256", .sha256, 31), ("47 octets", "HS384", .sha384, 47),
            ("63 octets", "HS512", .sha512, 63),
        ] {
            let secret = [UInt8](repeating: 7, count: count)
            let value: JSONValue = ["kty": "oct", "k": .string(Base64URL.encode(secret))]
            let keys = try JWKSet(parsing: ["keys": [value]], from: .configuration)
            let text = signed(#"{"alg":"\#(algorithm)"}"#)
            let code = try HMAC(digest, key: Secret(count == 0 ? [0] : secret)).code(for: text)
            add(
                "weak keys (J3, B4)",
                "\(algorithm) under \(name)",
                join(text, code),
                "unknown-key",
                keys: keys,
                algorithms: Set(Algorithm.allCases)
            )
        }
    }

    /// Encrypted tokens within each other and around what proves nothing (J7).
    mutating func sealed() throws {
        let claims = Array(payload.utf8)
        let (rsaKey, shared) = (
            JWK(.privateKey(rsa), kid: "enc"), JWK(.symmetric(Secret([UInt8](0..<32))), kid: "dir")
        )
        func oaep(_ text: [UInt8]) throws -> [UInt8] {
            Array(try JWE.encrypt(text, to: rsaKey, .rsaOAEP256, .a256GCM).utf8)
        }
        func direct(_ text: [UInt8]) throws -> [UInt8] {
            Array(try JWE.encrypt(text, to: shared, .direct, .a256GCM).utf8)
        }
        let unsigned = join(signed(#"{"alg":"none"}"#), [])
        let rows: [(String, [UInt8], String)] = [
            ("plain claims to a public key", try oaep(claims), "bad-signature"),
            ("an unsigned token within", try oaep(unsigned), "unsupported-algorithm"),
            (
                "a stranger's token within", try oaep(token(#"{"alg":"ES256","kid":"ec"}"#, by: stranger)),
                "bad-signature"
            ),
            ("an encrypted one in a public one", try oaep(oaep(claims)), "bad-signature"),
            ("three deep", try oaep(oaep(oaep(claims))), "bad-signature"),
            ("an encrypted one in a shared one", try direct(direct(claims)), "malformed"),
            ("nothing within", try direct([]), "malformed"),
            ("no JSON within", try direct([0, 1, 2]), "malformed"),
            ("an array within", try direct(Array("[]".utf8)), "malformed"),
            ("twice the same claim within", try direct(Array(#"{"a":1,"a":2}"#.utf8)), "malformed"),
            ("an unsigned token in a shared one", try direct(unsigned), "unsupported-algorithm"),
            ("a huge one within", try oaep([UInt8](repeating: 0x61, count: 13_000)), "too-large"),
        ]
        for (name, token, reason) in rows { add("nested (J7)", name, token, reason) }
        let inner = try token(#"{"alg":"ES256","kid":"ec"}"#)
        let outer = try token(
            #"{"alg":"ES256","kid":"ec","cty":"JWT"}"#,
            String(decoding: inner, as: UTF8.self)
        )
        add("nested (J7)", "a signed one in a signed one", outer, "malformed")
    }

    mutating func oracles() throws {
        let good = try JWE.encrypt(
            Array(payload.utf8),
            to: JWK(.symmetric(Secret([UInt8](0..<32))), kid: "dir"),
            .direct,
            .a256GCM
        )
        .split(separator: ".", omittingEmptySubsequences: false).map { Base64URL.decode(String($0)) ?? [] }
        func text(_ parts: [[UInt8]]) -> [UInt8] {
            Array(parts.map { Base64URL.encode($0) }.joined(separator: ".").utf8)
        }
        func changing(_ index: Int, _ change: (inout [UInt8]) -> Void) -> [UInt8] {
            var parts = good
            change(&parts[index])
            return text(parts)
        }
        for count in [0, 1, 4, 8, 12, 15] {
            add(
                "JWE (J7, S3)",
                "a tag of \(count) octets",
                changing(4) { $0 = Array($0[..<count]) },
                "decryption-failed"
            )
        }
        add("JWE (J7, S3)", "a tag of 17 octets", changing(4) { $0.append(0) }, "decryption-failed")
        for count in [0, 1, 8, 11, 13, 16] {
            add(
                "JWE (J7, S3)",
                "a nonce of \(count) octets",
                changing(2) { $0 = Self.zeros(count) },
                "decryption-failed"
            )
        }
        add("JWE (J7, S3)", "another nonce", changing(2) { $0[0] ^= 1 }, "decryption-failed")
        add("JWE (J7, S3)", "another text", changing(3) { $0[0] ^= 1 }, "decryption-failed")
        add("JWE (J7, S3)", "no text", changing(3) { $0 = [] }, "decryption-failed")
        add("JWE (J7, S3)", "a text cut short", changing(3) { $0.removeLast() }, "decryption-failed")
        add("JWE (J7, S3)", "a wrapped key beside dir", changing(1) { $0 = [1] }, "decryption-failed")
        for (header, reason) in Self.headers {
            add("JWE (J7, B5)", header, changing(0) { $0 = Array(header.utf8) }, reason)
        }
    }

    /// Headers in place of a good one, and what refuses each.
    private static let headers: [(String, String)] = [
        (#"{"alg":"dir","enc":"A256GCM","kid":"dir","x":1}"#, "decryption-failed"),
        (#"{"alg":"dir","enc":"A256GCM","kid":"dir","zip":"DEF"}"#, "unsupported-algorithm"),
        (#"{"alg":"dir","enc":"A256GCM","kid":"dir","zip":"none"}"#, "unsupported-algorithm"),
        (#"{"alg":"dir","enc":"A256GCM","kid":"dir","crit":["zip"],"zip":"DEF"}"#, "critical-header"),
        (#"{"alg":"dir","enc":"none","kid":"dir"}"#, "unsupported-algorithm"),
        (#"{"alg":"dir","enc":"","kid":"dir"}"#, "unsupported-algorithm"),
        (#"{"alg":"dir","enc":"A128CBC","kid":"dir"}"#, "unsupported-algorithm"),
        (#"{"alg":"dir","kid":"dir"}"#, "malformed"),
        (#"{"alg":"dir","enc":null,"kid":"dir"}"#, "malformed"),
        (#"{"alg":"dir","enc":"A128GCM","kid":"dir"}"#, "algorithm-not-allowed"),
        (#"{"alg":"none","enc":"A256GCM","kid":"dir"}"#, "unsupported-algorithm"),
        (#"{"alg":"HS256","enc":"A256GCM","kid":"dir"}"#, "unsupported-algorithm"),
        (#"{"alg":"RSA1_5","enc":"A256GCM","kid":"enc"}"#, "algorithm-not-allowed"),
        (
            #"{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","kid":"dir","p2s":"MDEyMzQ1Njc","p2c":2147483647}"#,
            "algorithm-not-allowed"
        ),
        (#"{"alg":"A256KW","enc":"A256GCM","kid":"enc"}"#, "algorithm-not-allowed"),
        (#"{"alg":"dir","enc":"A256GCM","kid":"rsa"}"#, "algorithm-not-allowed"),
        (#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}"#, "unknown-key"),
        (#"{"alg":"dir","enc":"A256GCM","kid":"nobody"}"#, "unknown-key"),
        (#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"enc"}"#, "decryption-failed"),
        (#"{"alg":"A256KW","enc":"A256GCM","kid":"dir"}"#, "decryption-failed"),
        (#"{"alg":"A256GCMKW","enc":"A256GCM","kid":"dir"}"#, "decryption-failed"),
        (#"{"alg":"ECDH-ES","enc":"A256GCM","kid":"dir"}"#, "algorithm-not-allowed"),
        (#"{"alg":"dir","alg":"dir","enc":"A256GCM","kid":"dir"}"#, "malformed"),
    ]
}
