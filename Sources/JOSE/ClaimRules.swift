// The rules on claims: a table in the order in which they are judged.

internal import JSON

/// One rule on the claims, with the sentence of the standard that asks for it.
package struct ClaimRule: Sendable {
    /// The section: "RFC 7519 §4.1.4".
    package let source: String
    /// What is judged, in a word.
    package let name: String
    let check: @Sendable (Case) throws(TokenError) -> Void

    /// The claims of one token, what is wanted of them, and the moment.
    struct Case: Sendable {
        let claims: JSONObjectText
        let registered: RegisteredClaims
        let expectations: TokenExpectations
        let now: NumericDate

        init(_ claims: JSONObjectText, _ expectations: TokenExpectations, _ now: NumericDate) {
            self.claims = claims
            self.registered = RegisteredClaims(claims)
            self.expectations = expectations
            self.now = now
        }
    }
}

/// The rules on claims.
package enum ClaimRules {
    /// Every rule, in the order of judgement: presence and form of all claims first, then their values.
    package static let all: [ClaimRule] =
        form + [
            ClaimRule(source: "RFC 7519 §4.1.1", name: "issuer") { token throws(TokenError) in
                guard let wanted = token.expectations.issuers else { return }
                guard let place = token.registered.place(.iss),
                    wanted.contains(where: { token.claims.isString(at: place, $0) })
                else { throw .wrongIssuer }
            },
            ClaimRule(source: "RFC 7519 §4.1.3", name: "audience") { token throws(TokenError) in
                guard let wanted = token.expectations.audiences else { return }
                guard let place = token.registered.place(.aud),
                    token.claims.names(at: place, oneOf: wanted)
                else { throw .wrongAudience }
            },
            ClaimRule(source: "RFC 7519 §4.1.4", name: "expiry") { token throws(TokenError) in
                guard let expiry = token.registered.date(.exp) else { return }
                let since = token.now.seconds - expiry
                guard since < token.expectations.leeway else { throw .expired(since: since) }
            },
            ClaimRule(source: "RFC 7519 §4.1.5", name: "not before") { token throws(TokenError) in
                guard let start = token.registered.date(.nbf) else { return }
                let ahead = start - token.now.seconds
                guard ahead <= token.expectations.leeway else { throw .notYetValid(in: ahead) }
            },
            ClaimRule(source: "RFC 7519 §4.1.6", name: "issued at") { token throws(TokenError) in
                guard let issued = token.registered.date(.iat) else { return }
                let ahead = issued - token.now.seconds
                let limit = max(token.expectations.maximumAheadSeconds, token.expectations.leeway)
                guard ahead <= limit else { throw .issuedInFuture(by: ahead) }
            },
        ]

    /// What they check, in the same order: a loop over rules would copy each one's name and source.
    static let checks = all.map(\.check)

    /// The claims that must be there, and the type of each registered one.
    private static let form: [ClaimRule] = [
        ClaimRule(source: "RFC 7519 §4.1.1", name: "issuer's form") { token throws(TokenError) in
            try check(token, .iss, isRequired: token.expectations.issuers != nil, isText)
        },
        ClaimRule(source: "RFC 7519 §4.1.2", name: "subject's form") { token throws(TokenError) in
            try check(token, .sub, isRequired: false, isText)
        },
        ClaimRule(source: "RFC 7519 §4.1.3", name: "audience's form") { token throws(TokenError) in
            try check(token, .aud, isRequired: token.expectations.audiences != nil) { claims, place in
                claims.isStringOrStrings(at: place)
            }
        },
        ClaimRule(source: "RFC 7519 §4.1.4", name: "expiry's form") { token throws(TokenError) in
            try checkDate(token, .exp, isRequired: token.expectations.requiresExpiry)
        },
        ClaimRule(source: "RFC 7519 §4.1.5", name: "not before's form") { token throws(TokenError) in
            try checkDate(token, .nbf, isRequired: false)
        },
        ClaimRule(source: "RFC 7519 §4.1.6", name: "issued at's form") { token throws(TokenError) in
            try checkDate(token, .iat, isRequired: false)
        },
        ClaimRule(source: "RFC 7519 §4.1.7", name: "identifier's form") { token throws(TokenError) in
            try check(token, .jti, isRequired: false, isText)
        },
        ClaimRule(source: "RFC 7519 §4", name: "claims that are asked for") { token throws(TokenError) in
            for name in token.expectations.requiredClaims {
                guard let value = token.claims[name] else { throw .missingClaim(name) }
                guard !value.isNull else { throw .malformedClaim(name) }
            }
        },
    ]

    private static func check(
        _ token: ClaimRule.Case,
        _ name: RegisteredClaims.Name,
        isRequired: Bool,
        _ isWellFormed: (JSONObjectText, Range<Int>) -> Bool
    ) throws(TokenError) {
        guard let place = token.registered.place(name) else {
            guard !isRequired else { throw .missingClaim(name.text) }
            return
        }
        guard isWellFormed(token.claims, place) else { throw .malformedClaim(name.text) }
    }

    private static func checkDate(
        _ token: ClaimRule.Case,
        _ name: RegisteredClaims.Name,
        isRequired: Bool
    ) throws(TokenError) {
        try check(token, name, isRequired: isRequired) { _, _ in token.registered.date(name) != nil }
    }

    private static func isText(_ claims: JSONObjectText, _ place: Range<Int>) -> Bool {
        claims.isString(place)
    }
}
