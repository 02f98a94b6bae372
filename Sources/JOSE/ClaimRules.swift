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
        let expectations: TokenExpectations
        let now: NumericDate
    }
}

/// The rules on claims.
package enum ClaimRules {
    /// Every rule, in the order of judgement: presence and form of all claims first, then their values.
    package static let all: [ClaimRule] =
        form + [
            ClaimRule(source: "RFC 7519 §4.1.1", name: "issuer") { token throws(TokenError) in
                guard let wanted = token.expectations.issuers else { return }
                let isWanted = wanted.contains { token.claims.string("iss", is: $0) == true }
                guard isWanted else { throw .wrongIssuer }
            },
            ClaimRule(source: "RFC 7519 §4.1.3", name: "audience") { token throws(TokenError) in
                guard let wanted = token.expectations.audiences else { return }
                guard token.claims.names("aud", oneOf: wanted) else { throw .wrongAudience }
            },
            ClaimRule(source: "RFC 7519 §4.1.4", name: "expiry") { token throws(TokenError) in
                guard let expiry = token.claims.number("exp") else { return }
                let since = token.now.seconds - expiry
                guard since < token.expectations.leeway else { throw .expired(since: since) }
            },
            ClaimRule(source: "RFC 7519 §4.1.5", name: "not before") { token throws(TokenError) in
                guard let start = token.claims.number("nbf") else { return }
                let ahead = start - token.now.seconds
                guard ahead <= token.expectations.leeway else { throw .notYetValid(in: ahead) }
            },
            ClaimRule(source: "RFC 7519 §4.1.6", name: "issued at") { token throws(TokenError) in
                guard let issued = token.claims.number("iat") else { return }
                let ahead = issued - token.now.seconds
                let limit = max(token.expectations.maximumAheadSeconds, token.expectations.leeway)
                guard ahead <= limit else { throw .issuedInFuture(by: ahead) }
            },
        ]

    /// The claims that must be there, and the type of each registered one.
    private static let form: [ClaimRule] = [
        ClaimRule(source: "RFC 7519 §4.1.1", name: "issuer's form") { token throws(TokenError) in
            try check(token, "iss", isRequired: token.expectations.issuers != nil, isText)
        },
        ClaimRule(source: "RFC 7519 §4.1.2", name: "subject's form") { token throws(TokenError) in
            try check(token, "sub", isRequired: false, isText)
        },
        ClaimRule(source: "RFC 7519 §4.1.3", name: "audience's form") { token throws(TokenError) in
            try check(token, "aud", isRequired: token.expectations.audiences != nil) { claims, name in
                claims.isStringOrStrings(name)
            }
        },
        ClaimRule(source: "RFC 7519 §4.1.4", name: "expiry's form") { token throws(TokenError) in
            try check(token, "exp", isRequired: token.expectations.requiresExpiry, isDate)
        },
        ClaimRule(source: "RFC 7519 §4.1.5", name: "not before's form") { token throws(TokenError) in
            try check(token, "nbf", isRequired: false, isDate)
        },
        ClaimRule(source: "RFC 7519 §4.1.6", name: "issued at's form") { token throws(TokenError) in
            try check(token, "iat", isRequired: false, isDate)
        },
        ClaimRule(source: "RFC 7519 §4.1.7", name: "identifier's form") { token throws(TokenError) in
            try check(token, "jti", isRequired: false, isText)
        },
        ClaimRule(source: "RFC 7519 §4", name: "claims that are asked for") { token throws(TokenError) in
            for name in token.expectations.requiredClaims {
                try check(token, name, isRequired: true) { claims, name in
                    claims[name].map { !$0.isNull } ?? false
                }
            }
        },
    ]

    private static func check(
        _ token: ClaimRule.Case,
        _ name: String,
        isRequired: Bool,
        _ isWellFormed: (JSONObjectText, String) -> Bool
    ) throws(TokenError) {
        guard !isWellFormed(token.claims, name) else { return }
        guard token.claims.has(name) else {
            guard !isRequired else { throw .missingClaim(name) }
            return
        }
        throw .malformedClaim(name)
    }

    private static func isText(_ claims: JSONObjectText, _ name: String) -> Bool { claims.isString(name) }

    private static func isDate(_ claims: JSONObjectText, _ name: String) -> Bool {
        claims.number(name)?.isFinite ?? false
    }
}
