// Tokens of the wrong form: refused before any cryptography (J1, J6, J8, B6).
import Cryptography
import JOSE
import JSON
import Testing

struct TokenFormTests {
    static let payload = Fixture.claims().serializedString

    @Test(arguments: Algorithm.allCases)
    func `a token of each algorithm verifies`(algorithm: Algorithm) throws {
        let token = try JWS.sign(claims: Fixture.claims(), key: Fixture.key(algorithm), algorithm)
        var expectations = Fixture.expectations
        expectations.algorithms = [algorithm]
        let verified = try TokenVerifier.verify(
            Array(token.utf8),
            keys: JWKSet([Fixture.verifier(algorithm)]),
            expecting: expectations,
            at: Fixture.now
        )
        #expect(verified.claims == Fixture.claims())
        #expect(verified.algorithm == algorithm)
        #expect(verified.expires == Fixture.now + 100)
        #expect(verified.unchecked.isEmpty)
    }

    @Test func `EdDSA is for Ed448 too`() throws {
        let key = try Fixture.privateKey(.octets(.ed448))
        let token = try JWS.sign(claims: Fixture.claims(), key: JWK(.privateKey(key)), .edDSA)
        _ = try Fixture.verify(Array(token.utf8), keys: JWKSet([JWK(.publicKey(key.publicKey))]))
    }

    static let headers: [(String, TokenError)] = [
        (#"{"alg":"none"}"#, .unsupportedAlgorithm), (#"{"alg":"NONE"}"#, .unsupportedAlgorithm),
        (#"{"alg":"nOnE"}"#, .unsupportedAlgorithm), (#"{"alg":"es256"}"#, .unsupportedAlgorithm),
        (#"{"alg":"ES256 "}"#, .unsupportedAlgorithm), (#"{"alg":""}"#, .unsupportedAlgorithm),
        (#"{"alg":"ES256\u0020"}"#, .unsupportedAlgorithm), (#"{"alg":"HS1"}"#, .unsupportedAlgorithm),
        (#"{"alg":"RSA-OAEP"}"#, .unsupportedAlgorithm), (#"{"alg":"dir"}"#, .unsupportedAlgorithm),
        (#"{"alg":["ES256"]}"#, .malformed(.headerMember("alg"))),
        (#"{"alg":null}"#, .malformed(.headerMember("alg"))),
        (#"{"alg":true}"#, .malformed(.headerMember("alg"))), (#"{}"#, .malformed(.headerMember("alg"))),
        (#"{"ALG":"ES256"}"#, .malformed(.headerMember("alg"))),
        (#"{"alg":"ES256","kid":5}"#, .malformed(.headerMember("kid"))),
        (#"{"alg":"ES256","kid":["k"]}"#, .malformed(.headerMember("kid"))),
        (#"{"alg":"ES256","kid":null}"#, .malformed(.headerMember("kid"))),
        (#"{"alg":"ES256","typ":5}"#, .malformed(.headerMember("typ"))),
        (#"{"alg":"ES256","alg":"ES256"}"#, .malformed(.header)),
        (#"{"alg":"none","alg":"ES256"}"#, .malformed(.header)),
        (#"{"alg":"ES256","x":{"a":1,"a":2}}"#, .malformed(.header)),
        (#"["ES256"]"#, .malformed(.header)), (#""ES256""#, .malformed(.header)),
        ("", .malformed(.header)), ("{", .malformed(.header)), (#"{"alg":"ES256"} "x""#, .malformed(.header)),
        ("\u{FEFF}{\"alg\":\"ES256\"}", .malformed(.header)),
        (#"{"alg":"ES256\u0000"}"#, .malformed(.header)),
        (#"{"alg":"ES256","crit":[]}"#, .criticalHeader), (#"{"alg":"ES256","crit":"exp"}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":{}}"#, .criticalHeader), (#"{"alg":"ES256","crit":null}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["exp"],"exp":1}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["x"]}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":[1]}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["alg"]}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["x","x"],"x":1}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["b64"],"b64":false}"#, .criticalHeader),
        (#"{"alg":"ES256","crit":["b64"],"b64":true}"#, .criticalHeader),
        (#"{"alg":"ES256","b64":false}"#, .criticalHeader), (#"{"alg":"ES256","b64":0}"#, .criticalHeader),
        (#"{"alg":"none","crit":["x"]}"#, .criticalHeader),
        (#"{"alg":"HS256"}"#, .algorithmNotAllowed), (#"{"alg":"HS512"}"#, .algorithmNotAllowed),
        (#"{"alg":"RS256"}"#, .algorithmNotAllowed), (#"{"alg":"ES384","kid":"k"}"#, .algorithmNotAllowed),
        (#"{"alg":"EdDSA"}"#, .algorithmNotAllowed), (#"{"alg":"ES256K"}"#, .algorithmNotAllowed),
        (#"{"alg":"ES256","kid":"other"}"#, .unknownKey), (#"{"alg":"ES256","kid":""}"#, .unknownKey),
        (#"{"alg":"ES256","kid":"K"}"#, .unknownKey), (#"{"alg":"ES256","kid":"k "}"#, .unknownKey),
        (#"{"alg":"ES256","kid":"../../dev/null"}"#, .unknownKey),
        (#"{"alg":"ES256","kid":"' OR 1=1 --"}"#, .unknownKey),
        (#"{"alg":"ES256","typ":"JWE"}"#, .wrongType), (#"{"alg":"ES256","typ":"logout+jwt"}"#, .wrongType),
        (#"{"alg":"ES256","typ":""}"#, .wrongType), (#"{"alg":"ES256","typ":"text/JWT"}"#, .wrongType),
        (#"{"alg":"ES256","typ":"application/application/jwt"}"#, .wrongType),
    ]

    @Test(arguments: headers)
    func `a header outside the rules is refused, however well it is signed (J1, J2, J6, J10, B10)`(
        header: String,
        error: TokenError
    ) throws {
        let token = try Fixture.token(header: header, payload: Self.payload)
        #expect(throws: error) { try Fixture.verify(token) }
    }

    @Test(arguments: [
        #"{"alg":"ES256"}"#, #"{"alg":"ES256","typ":"JWT"}"#, #"{"alg":"ES256","typ":"jwt","kid":"k"}"#,
        #"{"alg":"ES256","typ":"at+jwt"}"#, #"{"alg":"ES256","typ":"application/at+JWT"}"#,
        #"{"alg":"ES256","b64":true}"#, #"{"alg":"ES256","x":99999999999999999999}"#,
        #" { "alg" : "ES256" } "#,
    ])
    func `a header within the rules is taken`(header: String) throws {
        _ = try Fixture.verify(Fixture.token(header: header, payload: Self.payload))
    }

    // V9
    @Test func `a key that the token brings is not looked at (J4)`() throws {
        let attacker = try PrivateKey.generate(.elliptic(.p256))
        let jwk = try #require(JWK(.publicKey(attacker.publicKey)).publicJSON)
        for (name, value) in [
            ("jwk", jwk), ("jku", "http://127.0.0.1:9/keys"), ("x5u", "http://127.0.0.1:9/x"),
            ("x5c", ["MIIB"]),
        ] as [(String, JSONValue)] {
            let token = try JWS.sign(
                claims: Fixture.claims(),
                key: JWK(.privateKey(attacker)),
                .es256,
                header: [name: value]
            )
            #expect(throws: TokenError.badSignature) { try Fixture.verify(Array(token.utf8)) }
            // Beside a good signature it changes nothing.
            let honest = try JWS.sign(
                claims: Fixture.claims(),
                key: Fixture.key(.es256),
                .es256,
                header: [name: value]
            )
            _ = try Fixture.verify(Array(honest.utf8))
        }
    }

    static let payloads: [String] = [
        "", "[]", "1", "\"text\"", "null", "true", "{", "{}x", #"{"a":1,"a":2}"#,
        #"{"exp":1,"x":{"y":[{"a":1,"a":2}]}}"#, "\u{FEFF}{}", #"{"a":"\u0000"}"#, "{\"a\":\"\u{0}\"}",
        String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
        #"{"a":"# + String(repeating: "[", count: 64) + String(repeating: "]", count: 64) + "}",
        #"{"exp":1e400}"#,
    ]

    @Test(arguments: payloads)
    func `a payload that is no JSON object by the strict rules is refused (P5, J8, J9, B6)`(
        payload: String
    ) throws {
        let token = try Fixture.token(header: #"{"alg":"ES256"}"#, payload: payload)
        #expect(throws: TokenError.malformed(.payload)) { try Fixture.verify(token) }
    }

    @Test func `a payload or header that is no UTF-8 is refused (B6)`() throws {
        for bad: [UInt8] in [
            [0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ] {
            let payload = Array(#"{"sub":""#.utf8) + bad + Array(#""}"#.utf8)
            let header = Array(#"{"alg":"ES256","x":""#.utf8) + bad + Array(#""}"#.utf8)
            let token = try Fixture.token(header: Array(#"{"alg":"ES256"}"#.utf8), payload: payload)
            #expect(throws: TokenError.malformed(.payload)) { try Fixture.verify(token) }
            let other = try Fixture.token(header: header, payload: Array(Self.payload.utf8))
            #expect(throws: TokenError.malformed(.header)) { try Fixture.verify(other) }
        }
    }

    @Test func `a text that is not three parts is refused`() throws {
        for (text, error) in [
            ("", .malformed(.parts)), (".", .malformed(.parts)), ("a", .malformed(.parts)),
            ("a.b.c.d", .malformed(.parts)), ("a.b.c.d.e", .unsupportedAlgorithm),
            ("a.b.c.d.e.f", .malformed(.parts)), ("..", .malformed(.header)),
            ("....", .unsupportedAlgorithm),
        ] as [(String, TokenError)] {
            #expect(throws: error) { try Fixture.verify(Array(text.utf8)) }
        }
    }

    @Test func `a part in another spelling is refused (J5)`() throws {
        let token = try Fixture.token(header: #"{"alg":"ES256"}"#, payload: Self.payload)
        let parts = String(decoding: token, as: UTF8.self).split(separator: ".").map(String.init)
        for (index, name) in ["header", "payload", "signature"].enumerated() {
            for suffix in ["=", "==", " ", "\n", "\t", "\u{0}", "+", "/", "A", "é"] {
                var changed = parts
                changed[index] += suffix
                // One more letter may make another canonical text: then it is refused for another reason.
                guard suffix != "A" || parts[index].count % 4 == 0 else { continue }
                #expect(throws: TokenError.malformed(.encoding(part: name))) {
                    try Fixture.verify(Array(changed.joined(separator: ".").utf8))
                }
            }
        }
        // The last letter of 64 bytes carries four bits that must be zero.
        let last = parts[2].last.map(String.init) ?? ""
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for letter in alphabet where String(letter) != last {
            let changed = parts[0] + "." + parts[1] + "." + parts[2].dropLast() + String(letter)
            #expect(throws: TokenError.self) { try Fixture.verify(Array(changed.utf8)) }
        }
        for text in [" " + parts.joined(separator: "."), parts.joined(separator: ".") + "\n"] {
            #expect(throws: TokenError.self) { try Fixture.verify(Array(text.utf8)) }
        }
    }

    @Test func `a token may have 16 KiB and not a byte more (J8)`() throws {
        func token(padding: Int) throws -> [UInt8] {
            let claims = Fixture.claims(["x": .string(String(repeating: "x", count: padding))])
            return try Fixture.token(header: #"{"alg":"ES256"}"#, payload: claims.serializedString)
        }
        var padding = 12_000
        while try token(padding: padding + 1).count <= 16_384 { padding += 1 }
        let greatest = try token(padding: padding)
        #expect(greatest.count > 16_380)
        _ = try Fixture.verify(greatest)
        #expect(throws: TokenError.tooLarge(limit: 16_384)) {
            try Fixture.verify(token(padding: padding + 1))
        }
        let dots = [UInt8](repeating: UInt8(ascii: "."), count: 16_384)
        #expect(throws: TokenError.malformed(.parts)) { try Fixture.verify(dots) }
        #expect(throws: TokenError.tooLarge(limit: 16_384)) { try Fixture.verify(dots + dots) }
    }

    @Test func `the first rule that fails gives the word`() throws {
        // Every rule fails; mended one by one from the front, each next one speaks.
        let bad = Fixture.claims(["exp": 5, "iss": "x", "aud": "x", "nbf": 3e9, "iat": 3e9])
        let steps: [(String, JSONValue, TokenError)] = [
            (#"{"alg":"none","crit":["x"],"kid":"x","typ":"x"}"#, [1], .malformed(.payload)),
            (#"{"alg":"none","crit":["x"],"kid":"x","typ":"x"}"#, bad, .criticalHeader),
            (#"{"alg":"none","kid":"x","typ":"x"}"#, bad, .unsupportedAlgorithm),
            (#"{"alg":"HS256","kid":"x","typ":"x"}"#, bad, .algorithmNotAllowed),
            (#"{"alg":"ES256","kid":"x","typ":"x"}"#, bad, .unknownKey),
            (#"{"alg":"ES256","kid":"k","typ":"x"}"#, Fixture.claims(["exp": nil, "iss": "x"]), .wrongType),
            (#"{"alg":"ES256","kid":"k"}"#, Fixture.claims(["exp": nil, "iss": "x"]), .missingClaim("exp")),
            (
                #"{"alg":"ES256","kid":"k"}"#, Fixture.claims(["nbf": "x", "iss": "x"]),
                .malformedClaim("nbf")
            ),
            (#"{"alg":"ES256","kid":"k"}"#, bad, .wrongIssuer),
        ]
        for (header, claims, error) in steps {
            let token = try Fixture.token(header: header, payload: claims.serializedString)
            #expect(throws: error) { try Fixture.verify(token) }
        }
        let mended: [([String: JSONValue?], TokenError)] = [
            (["aud": "x", "exp": 5, "nbf": 3e9, "iat": 3e9], .wrongAudience),
            (["exp": .number(Fixture.now.seconds - 5), "nbf": 3e9, "iat": 3e9], .expired(since: 5)),
            (["nbf": 3e9, "iat": 3e9], .notYetValid(in: 1.2e9)), (["iat": 3e9], .issuedInFuture(by: 1.2e9)),
        ]
        for (changes, error) in mended {
            let token = try JWS.sign(claims: Fixture.claims(changes), key: Fixture.key(.es256), .es256)
            #expect(throws: error) { try Fixture.verify(Array(token.utf8)) }
        }
    }
}
