// The rules on what an issuer says of a token.
package import JSON

/// Why a token is not taken though its issuer was asked.
package struct InformationFailure: Error, Sendable, Equatable {
    /// A stable kebab-case word.
    package let reason: String
    /// The section that asks for it.
    package let rule: String
    /// A sentence; carries nothing that the answer says.
    package let detail: String
}

/// One rule on an answer, with the sentence of the standard that asks for it.
package struct IntrospectionRule: Sendable {
    /// The section.
    package let source: String
    let check: @Sendable (IntrospectionRules.Case) -> (word: String, detail: String)?

    init(
        _ source: String,
        _ check: @escaping @Sendable (IntrospectionRules.Case) -> (word: String, detail: String)?
    ) {
        self.source = source
        self.check = check
    }
}

/// The rules on an answer of an introspection endpoint, in the order of judgement.
package enum IntrospectionRules {
    /// An answer, what is wanted of it, and the moment.
    package struct Case: Sendable {
        let members: JSONValue
        let issuer: String
        let audiences: [String]?
        let leeway: Double
        let now: Double

        /// What is judged.
        ///
        /// - Parameter audiences: of which the token must name one; nil where nobody asks.
        package init(
            _ members: JSONValue,
            issuer: String,
            audiences: [String]?,
            leeway: Double,
            at now: Double
        ) {
            self.members = members
            self.issuer = issuer
            self.audiences = audiences
            self.leeway = leeway
            self.now = now
        }
    }

    /// Throws for the first rule that fails.
    package static func check(_ one: Case) throws(InformationFailure) {
        for rule in self.all {
            guard let (word, detail) = rule.check(one) else { continue }
            throw InformationFailure(reason: word, rule: rule.source, detail: detail)
        }
    }

    /// How far ahead `iat` may be, in seconds.
    private static let maximumAheadSeconds = 60.0

    package static let all: [IntrospectionRule] =
        [
            IntrospectionRule("RFC 7662 §2.2 active") { one in
                one.members["active"] == .bool(true)
                    ? nil : ("inactive-token", "the issuer says that the token is not active")
            },
            // Issuers name the kind of token by one of these; what they name must be for access.
            IntrospectionRule("RFC 7662 §2.2 token_type") { one in
                for name in ["token_type", "token_use"] {
                    guard let value = one.members[name], !value.isNull else { continue }
                    guard let kind = value.string?.lowercased() else {
                        return ("malformed-claim", "\(name) is not a string")
                    }
                    guard ["bearer", "dpop", "access_token", "access", "n_a"].contains(kind) else {
                        return ("wrong-type", "\(name) names another kind of token")
                    }
                }
                return nil
            },
            IntrospectionRule("RFC 9449 §7.1") { one in
                guard one.members["token_type"]?.string?.lowercased() == "dpop",
                    one.members["cnf"]?.object == nil
                else { return nil }
                return ("proof-required", "the token is bound to a key that the issuer does not tell")
            },
        ] + form + [
            IntrospectionRule("RFC 7662 §2.2 iss") { one in
                guard let issuer = one.members["iss"]?.string else { return nil }
                return issuer.isIdentical(toUTF8Of: one.issuer)
                    ? nil : ("wrong-issuer", "iss is another issuer than the one that was asked")
            },
            IntrospectionRule("RFC 7662 §2.2 aud") { one in
                guard let wanted = one.audiences else { return nil }
                let audience = one.members["aud"].flatMap { $0.isNull ? nil : $0 }
                // Where the issuer names no audience, a token that was given to us is for us.
                let named =
                    audience.map { $0.string.map { [$0] } ?? $0.strings ?? [] }
                    ?? one.members["client_id"]?.string.map { [$0] }
                guard let named else {
                    return ("missing-claim", "the answer has neither aud nor client_id")
                }
                let isForUs = named.contains { name in wanted.contains { name.isIdentical(toUTF8Of: $0) } }
                return isForUs ? nil : ("wrong-audience", "the token is for others")
            },
            IntrospectionRule("RFC 7662 §2.2 exp") { one in
                guard let end = one.members["exp"]?.number else { return nil }
                return one.now - end < one.leeway ? nil : ("expired", "exp has passed")
            },
            IntrospectionRule("RFC 7662 §2.2 nbf") { one in
                guard let start = one.members["nbf"]?.number else { return nil }
                return start - one.now <= one.leeway ? nil : ("not-yet-valid", "nbf has not come")
            },
            IntrospectionRule("RFC 7662 §2.2 iat") { one in
                guard let issued = one.members["iat"]?.number else { return nil }
                return issued - one.now <= max(one.leeway, IntrospectionRules.maximumAheadSeconds)
                    ? nil : ("issued-in-future", "iat is ahead of our clock")
            },
        ]

    /// The form of each registered member; an absent one, or null, has none.
    private static let form: [IntrospectionRule] = [
        IntrospectionRule("RFC 7662 §2.2") { one in
            for name in ["exp", "nbf", "iat"] {
                guard let value = one.members[name], !value.isNull else { continue }
                guard value.number?.isFinite == true else {
                    return ("malformed-claim", "\(name) is not a number")
                }
            }
            for name in ["iss", "sub", "client_id", "username", "jti", "scope"] {
                // Some issuers write scopes as a list; the rules on scopes read both.
                guard let value = one.members[name], !value.isNull, value.string == nil else { continue }
                if name == "scope", value.strings != nil { continue }
                return ("malformed-claim", "\(name) is not a string")
            }
            if let audience = one.members["aud"], !audience.isNull {
                guard audience.string != nil || audience.strings != nil else {
                    return ("malformed-claim", "aud is neither a string nor a list of them")
                }
            }
            return nil
        }
    ]
}
