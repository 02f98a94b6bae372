// The rules on a token as a list, and what each of them says of one: the answer to "why?".

/// What a rule says of a token.
package enum RuleOutcome: String, Sendable {
    case passed, failed
    /// A rule before it failed.
    case notReached = "not reached"
    /// Nothing was asked that it could judge.
    case notAsked = "not asked"
}

/// One rule, where it comes from, and what it says.
package struct RuleReport: Sendable, Equatable {
    package let name: String
    /// The section of the standard.
    package let source: String
    package let outcome: RuleOutcome

    /// Reports on a rule.
    package init(name: String, source: String, outcome: RuleOutcome) {
        self.name = name
        self.source = source
        self.outcome = outcome
    }

    /// Reports on rules in the order of judgement: none behind the one that fails is reached.
    static func all(
        _ rules: [TokenRules.Rule],
        failing: String?,
        isAsked: (_ name: String) -> Bool
    ) -> [RuleReport] {
        var hasFailed = false
        return rules.map { rule in
            let outcome: RuleOutcome
            if hasFailed {
                outcome = .notReached
            } else if rule.name == failing {
                outcome = .failed
                hasFailed = true
            } else {
                outcome = isAsked(rule.name) ? .passed : .notAsked
            }
            return RuleReport(name: rule.name, source: rule.source, outcome: outcome)
        }
    }
}

/// Judges tokens rule by rule, for people; the verdict is that of `TokenVerifier`.
package enum TokenRules {
    typealias Rule = (name: String, source: String)

    /// Of an encrypted token, before what it holds.
    static let encryption: [Rule] = [
        ("JWE size", "RFC 8725 §3.3"), ("JWE form", "RFC 7516 §7.1"), ("JWE header", "RFC 7516 §4"),
        ("JWE critical header", "RFC 7516 §4.1.13"), ("JWE algorithm", "RFC 8725 §3.1"),
        ("JWE key", "RFC 7516 §4.1.6"), ("JWE decryption", "RFC 7516 §5.2"),
    ]
    /// Of a signed token, before its claims.
    static let signature: [Rule] = [
        ("size", "RFC 8725 §3.3"), ("form", "RFC 7515 §7.1"), ("header", "RFC 7515 §4"),
        ("payload", "RFC 7519 §7.2"), ("critical header", "RFC 7515 §4.1.11"),
        ("algorithm", "RFC 8725 §3.1"), ("key", "RFC 7515 §4.1.4"), ("signature", "RFC 7515 §5.2"),
    ]
    /// Of the type and the claims.
    static let claims: [Rule] =
        [("type", "RFC 8725 §3.11")] + ClaimRules.all.map { ($0.name, $0.source) }

    /// What each rule says of a token, in the order of judgement.
    ///
    /// - Parameter takesEncrypted: whether a token of five parts is opened, or refused by its form.
    package static func report(
        on token: [UInt8],
        keys: JWKSet,
        expecting expectations: TokenExpectations,
        at now: NumericDate,
        takesEncrypted: Bool = true
    ) -> [RuleReport] {
        guard takesEncrypted, JWE.isEncrypted(token) else {
            return self.signed(token, keys, expectations, now)
        }
        let content: JWE.Content
        do throws(TokenError) {
            content = try JWE.open(
                token,
                keys: keys,
                allowed: expectations.keyManagement,
                encryptions: expectations.encryptions
            )
        } catch {
            let rules = self.encryption + self.signature + self.claims
            return self.marked(rules, failing: "JWE " + error.ruleName, expectations)
        }
        let opened = self.marked(self.encryption, failing: nil, expectations)
        guard !content.isSigned else {
            return opened + self.signed(content.plaintext, keys, expectations, now)
        }
        guard content.provesSender else {
            return opened + self.marked(self.signature + self.claims, failing: "signature", expectations)
        }
        let failing = self.failure { () throws(TokenError) in
            _ = try TokenVerifier.verifyAny(token, keys: keys, expecting: expectations, at: now)
        }
        let payload: [Rule] = [("payload", "RFC 7519 §7.2")]
        return opened + self.marked(payload + self.claims, failing: failing?.ruleName, expectations)
    }

    private static func signed(
        _ token: [UInt8],
        _ keys: JWKSet,
        _ expectations: TokenExpectations,
        _ now: NumericDate
    ) -> [RuleReport] {
        let rules = self.signature + self.claims
        let parsed: UnverifiedToken
        do throws(TokenError) {
            parsed = try UnverifiedToken(parsing: token)
        } catch {
            // An encrypted token where none is taken: nothing but its form was looked at.
            let name = error == .unsupportedAlgorithm ? "form" : error.ruleName
            return self.marked(rules, failing: name, expectations)
        }
        let failing = self.failure { () throws(TokenError) in
            _ = try TokenVerifier.verify(parsed, keys: keys, expecting: expectations, at: now)
        }
        return self.marked(rules, failing: failing?.ruleName, expectations)
    }

    private static func failure(_ judge: () throws(TokenError) -> Void) -> TokenError? {
        do throws(TokenError) {
            try judge()
            return nil
        } catch {
            return error
        }
    }

    private static func marked(
        _ rules: [Rule],
        failing: String?,
        _ expectations: TokenExpectations
    ) -> [RuleReport] {
        RuleReport.all(rules, failing: failing) { self.isAsked($0, expectations) }
    }

    private static func isAsked(_ rule: String, _ expectations: TokenExpectations) -> Bool {
        switch rule {
        case "issuer": expectations.issuers != nil
        case "audience": expectations.audiences != nil
        case "claims that are asked for": !expectations.requiredClaims.isEmpty
        default: true
        }
    }
}

extension TokenError {
    /// The rule of the list that fails so.
    var ruleName: String {
        switch self {
        case .tooLarge: "size"
        case .malformed(.parts), .malformed(.encoding): "form"
        case .malformed(.header), .malformed(.headerMember): "header"
        case .malformed(.payload): "payload"
        case .criticalHeader: "critical header"
        case .unsupportedAlgorithm, .algorithmNotAllowed: "algorithm"
        case .unknownKey, .ambiguousKey: "key"
        case .badSignature: "signature"
        case .decryptionFailed: "decryption"
        case .wrongType: "type"
        case .malformedClaim(let name): Self.form[name] ?? "claims that are asked for"
        case .missingClaim(let name):
            // The others need not be there unless they are asked for by name.
            ["iss", "aud", "exp"].contains(name)
                ? Self.form[name] ?? "claims that are asked for" : "claims that are asked for"
        case .wrongIssuer: "issuer"
        case .wrongAudience: "audience"
        case .expired: "expiry"
        case .notYetValid: "not before"
        case .issuedInFuture: "issued at"
        }
    }

    private static let form = [
        "iss": "issuer's form", "sub": "subject's form", "aud": "audience's form", "exp": "expiry's form",
        "nbf": "not before's form", "iat": "issued at's form", "jti": "identifier's form",
    ]
}
