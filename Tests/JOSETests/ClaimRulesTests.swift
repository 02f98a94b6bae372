// Claims: each rule just inside and just outside (J9, B8).
import JOSE
import JSON
import Testing

struct ClaimRulesTests {
    func judge(
        _ changes: [String: JSONValue?],
        _ expectations: TokenExpectations = Fixture.expectations
    ) throws -> VerifiedToken {
        let token = try JWS.sign(claims: Fixture.claims(changes), key: Fixture.key(.es256), .es256)
        return try Fixture.verify(Array(token.utf8), expectations)
    }

    static let now = Fixture.now.seconds

    static let accepted: [[String: JSONValue?]] = [
        ["exp": .number(now + 1)], ["exp": .number(now + 0.5)], ["exp": 1e300],
        ["exp": .largeInteger("99999999999999999999")], ["nbf": .number(now)], ["nbf": .number(now - 0.5)],
        ["nbf": -1], ["iat": .number(now + 60)], ["iat": nil], ["iat": 0], ["sub": nil], ["sub": ""],
        ["aud": ["api"]], ["aud": ["other", "api"]], ["jti": "x"],
        ["x": .largeInteger("18446744073709551616")],
    ]

    @Test(arguments: accepted)
    func `claims within the rules are taken`(changes: [String: JSONValue?]) throws {
        #expect(try judge(changes).claims == Fixture.claims(changes))
    }

    static let refused: [([String: JSONValue?], TokenError)] = [
        (["exp": nil], .missingClaim("exp")), (["exp": "1900000000"], .malformedClaim("exp")),
        (["exp": true], .malformedClaim("exp")), (["exp": nil as JSONValue], .malformedClaim("exp")),
        (["exp": [1_900_000_000]], .malformedClaim("exp")), (["exp": [:]], .malformedClaim("exp")),
        (["exp": .number(now)], .expired(since: 0)), (["exp": .number(now - 0.5)], .expired(since: 0.5)),
        (["exp": 0], .expired(since: now)), (["exp": -1], .expired(since: now + 1)),
        (["exp": -1e300], .expired(since: 1e300)), (["nbf": .number(now + 1)], .notYetValid(in: 1)),
        (["nbf": .number(now + 0.5)], .notYetValid(in: 0.5)), (["nbf": "0"], .malformedClaim("nbf")),
        (["nbf": nil as JSONValue], .malformedClaim("nbf")),
        (["iat": .number(now + 61)], .issuedInFuture(by: 61)),
        (["iat": "0"], .malformedClaim("iat")), (["iat": false], .malformedClaim("iat")),
        (["iss": nil], .missingClaim("iss")), (["iss": 5], .malformedClaim("iss")),
        (["iss": ["https://issuer"]], .malformedClaim("iss")), (["iss": "https://issuer/"], .wrongIssuer),
        (["iss": "HTTPS://issuer"], .wrongIssuer), (["iss": ""], .wrongIssuer),
        (["iss": "https://issuer.evil"], .wrongIssuer), (["aud": nil], .missingClaim("aud")),
        (["aud": 5], .malformedClaim("aud")), (["aud": ["api", 5]], .malformedClaim("aud")),
        (["aud": [:]], .malformedClaim("aud")), (["aud": []], .wrongAudience), (["aud": ""], .wrongAudience),
        (["aud": "API"], .wrongAudience), (["aud": "api other"], .wrongAudience),
        (["aud": ["x", "apis"]], .wrongAudience), (["sub": 5], .malformedClaim("sub")),
        (["sub": ["alice"]], .malformedClaim("sub")), (["jti": 5], .malformedClaim("jti")),
    ]

    @Test(arguments: refused)
    func `claims outside the rules are refused (J9, B8)`(
        changes: [String: JSONValue?],
        error: TokenError
    ) throws {
        #expect(throws: error) { try judge(changes) }
    }

    @Test func `the leeway moves the bounds of exp and nbf and no more`() throws {
        var expectations = Fixture.expectations
        expectations.leeway = 10
        _ = try judge(["exp": .number(Self.now - 9)], expectations)
        #expect(throws: TokenError.expired(since: 10)) {
            try judge(["exp": .number(Self.now - 10)], expectations)
        }
        _ = try judge(["nbf": .number(Self.now + 10)], expectations)
        #expect(throws: TokenError.notYetValid(in: 11)) {
            try judge(["nbf": .number(Self.now + 11)], expectations)
        }
        #expect(throws: TokenError.issuedInFuture(by: 61)) {
            try judge(["iat": .number(Self.now + 61)], expectations)
        }
    }

    @Test func `what is not asked is not judged, and said so`() throws {
        var expectations = TokenExpectations()
        #expect(try judge(["iss": nil, "aud": nil], expectations).unchecked == ["iss", "aud"])
        expectations.requiresExpiry = false
        let token = try judge(["exp": nil], expectations)
        #expect(token.unchecked == ["iss", "aud", "exp"])
        #expect(token.expires == nil)
        #expect(throws: TokenError.malformedClaim("iss")) { try judge(["iss": 5], expectations) }
    }

    @Test func `an empty list of audiences or issuers refuses all (P8)`() throws {
        #expect(throws: TokenError.wrongAudience) {
            try judge([:], TokenExpectations(issuers: ["https://issuer"], audiences: []))
        }
        #expect(throws: TokenError.wrongIssuer) { try judge([:], TokenExpectations(issuers: [])) }
        #expect(throws: TokenError.algorithmNotAllowed) { try judge([:], TokenExpectations(algorithms: [])) }
    }

    @Test func `names are compared byte for byte (B6, B8)`() throws {
        let composed = TokenExpectations(issuers: ["https://\u{E9}"], audiences: ["\u{E9}"])
        _ = try judge(["iss": "https://\u{E9}", "aud": "\u{E9}"], composed)
        #expect(throws: TokenError.wrongIssuer) {
            try judge(["iss": "https://e\u{301}", "aud": "\u{E9}"], composed)
        }
        #expect(throws: TokenError.wrongAudience) {
            try judge(["iss": "https://\u{E9}", "aud": "e\u{301}"], composed)
        }
    }

    @Test func `claims that are asked for must be there`() throws {
        var expectations = Fixture.expectations
        expectations.requiredClaims = ["scope"]
        _ = try judge(["scope": "a"], expectations)
        #expect(throws: TokenError.missingClaim("scope")) { try judge([:], expectations) }
        #expect(throws: TokenError.malformedClaim("scope")) {
            try judge(["scope": .some(.null)], expectations)
        }
    }

    @Test func `a type that is asked for must be named (B10)`() throws {
        var expectations = Fixture.expectations
        expectations.type = .accessToken
        for (type, error) in [
            ("at+jwt", nil), ("AT+JWT", nil), ("application/at+jwt", nil), ("JWT", .wrongType),
            ("logout+jwt", .wrongType), ("at+jwt;x", .wrongType), (nil, .wrongType),
        ] as [(String?, TokenError?)] {
            let header: [String: JSONValue] = type.map { ["typ": .string($0)] } ?? [:]
            let token = try JWS.sign(
                claims: Fixture.claims(),
                key: Fixture.key(.es256),
                .es256,
                header: header
            )
            if let error {
                #expect(throws: error) { try Fixture.verify(Array(token.utf8), expectations) }
            } else {
                _ = try Fixture.verify(Array(token.utf8), expectations)
            }
        }
    }

    @Test func `every rule names its section`() {
        #expect(ClaimRules.all.allSatisfy { $0.source.hasPrefix("RFC 7519 §4") && !$0.name.isEmpty })
        #expect(TokenError.expired(since: 61).rule == "RFC 7519 §4.1.4")
        #expect(TokenError.expired(since: 61).reason == "expired")
        #expect(TokenError.expired(since: 61).detail == "the token expired 61 s ago")
    }

    @Test func `a moment beyond any calendar is held within 64 bits (J9)`() {
        #expect(NumericDate(seconds: 1e300).wholeSeconds == 9_000_000_000_000_000_000)
        #expect(NumericDate(seconds: -1e300).wholeSeconds == -9_000_000_000_000_000_000)
        #expect(NumericDate(seconds: 1.9).wholeSeconds == 1)
        #expect(NumericDate(seconds: -0.5).wholeSeconds == -1)
    }
}
