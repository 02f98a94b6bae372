// The rules on claims: a table in the order in which they are judged.

package import JSON

/// One rule on the claims, with the sentence of the standard that asks for it.
package struct ClaimRule: Sendable {
    /// The section: "RFC 7519 §4.1.4".
    package let source: String
    /// What is judged, in a word.
    package let name: String
    let check: @Sendable (Case) throws(TokenError) -> Void

    /// The claims of one token, what is wanted of them, and the moment.
    struct Case: Sendable {
        let claims: [String: JSONValue]
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
                let found = token.claims["iss"]?.string ?? ""
                guard wanted.contains(where: { $0.isIdentical(toUTF8Of: found) }) else { throw .wrongIssuer }
            },
            ClaimRule(source: "RFC 7519 §4.1.3", name: "audience") { token throws(TokenError) in
                guard let wanted = token.expectations.audiences else { return }
                let found = token.claims["aud"].map(audiences) ?? []
                let isMeant = found.contains { one in wanted.contains { $0.isIdentical(toUTF8Of: one) } }
                guard isMeant else { throw .wrongAudience }
            },
            ClaimRule(source: "RFC 7519 §4.1.4", name: "expiry") { token throws(TokenError) in
                guard let expiry = token.claims["exp"]?.number else { return }
                let since = token.now.seconds - expiry
                guard since < token.expectations.leeway else { throw .expired(since: since) }
            },
            ClaimRule(source: "RFC 7519 §4.1.5", name: "not before") { token throws(TokenError) in
                guard let start = token.claims["nbf"]?.number else { return }
                let ahead = start - token.now.seconds
                guard ahead <= token.expectations.leeway else { throw .notYetValid(in: ahead) }
            },
            ClaimRule(source: "RFC 7519 §4.1.6", name: "issued at") { token throws(TokenError) in
                guard let issued = token.claims["iat"]?.number else { return }
                let ahead = issued - token.now.seconds
                let limit = max(token.expectations.maximumAheadSeconds, token.expectations.leeway)
                guard ahead <= limit else { throw .issuedInFuture(by: ahead) }
            },
        ]

    /// The claims that must be there, and the type of each registered one.
    private static let form: [ClaimRule] = [
        ClaimRule(source: "RFC 7519 §4.1.1", name: "issuer's form") { token throws(TokenError) in
            try check(token, "iss", isRequired: token.expectations.issuers != nil) { $0.string != nil }
        },
        ClaimRule(source: "RFC 7519 §4.1.2", name: "subject's form") { token throws(TokenError) in
            try check(token, "sub", isRequired: false) { $0.string != nil }
        },
        ClaimRule(source: "RFC 7519 §4.1.3", name: "audience's form") { token throws(TokenError) in
            try check(token, "aud", isRequired: token.expectations.audiences != nil) {
                $0.string != nil || $0.strings != nil
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
            try check(token, "jti", isRequired: false) { $0.string != nil }
        },
        ClaimRule(source: "RFC 7519 §4", name: "claims that are asked for") { token throws(TokenError) in
            for name in token.expectations.requiredClaims {
                try check(token, name, isRequired: true) { !$0.isNull }
            }
        },
    ]

    private static func check(
        _ token: ClaimRule.Case,
        _ name: String,
        isRequired: Bool,
        _ isWellFormed: (JSONValue) -> Bool
    ) throws(TokenError) {
        guard let value = token.claims[name] else {
            guard !isRequired else { throw .missingClaim(name) }
            return
        }
        guard isWellFormed(value) else { throw .malformedClaim(name) }
    }

    private static func isDate(_ value: JSONValue) -> Bool {
        value.number?.isFinite ?? false
    }

    /// The audiences that a claim names: one, or a list; never split at spaces.
    package static func audiences(_ claim: JSONValue) -> [String] {
        claim.string.map { [$0] } ?? claim.strings ?? []
    }
}
