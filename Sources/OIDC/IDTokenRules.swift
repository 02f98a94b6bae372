// The rules of OpenID Connect on an ID token, beyond those on every token.
import Cryptography
import JOSE
import JSON

/// Why an ID token is refused by OpenID Connect's own rules.
package struct IDTokenFailure: Error, Sendable, Equatable {
    /// A stable kebab-case word.
    package let reason: String
    /// The section that asks for it.
    package let rule: String
    /// A sentence; carries nothing that the token says.
    package let detail: String
}

/// What an ID token must agree with.
package struct IDTokenExpectations: Sendable {
    package let clientID: String
    /// What was sent with the authorization request; nil where there was none.
    package var nonce: String?
    /// The access token that came along, for `at_hash`.
    package var accessToken: String?
    /// The code that was redeemed, for `c_hash`.
    package var code: String?
    package var maximumAge: Int?
    package var contexts: [String] = []
    package var trustedAudiences: Set<String> = []
    /// The ID token that a refreshed one must agree with.
    package var previous: PreviousIDToken?
    package var leeway = 10.0
    /// How long ago it may have been issued, in seconds: it comes fresh from the issuer (I7).
    package var maximumAgeSinceIssue = 600.0

    /// Nothing but us is expected.
    package init(clientID: String) { self.clientID = clientID }
}

/// One rule on an ID token, with the sentence of the standard that asks for it.
package struct IDTokenRule: Sendable {
    /// The section.
    package let source: String
    let check: @Sendable (Case) throws(IDTokenFailure) -> Void

    /// One ID token, what is expected of it, and the moment.
    struct Case: Sendable {
        let claims: JSONValue
        let type: String?
        let algorithm: Algorithm?
        let expected: IDTokenExpectations
        let now: Double
    }

    init(_ source: String, _ verdict: @escaping @Sendable (Case) -> (word: String, detail: String)?) {
        self.source = source
        self.check = { token throws(IDTokenFailure) in
            guard let (word, detail) = verdict(token) else { return }
            throw IDTokenFailure(reason: word, rule: source, detail: detail)
        }
    }
}

/// The rules, in the standard's order; signature, `alg`, `iss`, `aud`, `exp` and `iat`'s future were judged before.
package enum IDTokenRules {
    package static let all: [IDTokenRule] = [
        IDTokenRule("RFC 8725 §3.11") { token in
            guard let type = token.type, TokenType(type) != .jwt else { return nil }
            return ("wrong-type", "the typ is another token's")
        },
        // I3
        IDTokenRule("OIDC Core §3.1.3.7 (3)") { token in
            let isKnown = token.audiences.allSatisfy { audience in
                audience.isIdentical(toUTF8Of: token.expected.clientID)
                    || token.expected.trustedAudiences.contains(audience)
            }
            return isKnown ? nil : ("wrong-audience", "aud names others that are not trusted")
        },
        // I4
        IDTokenRule("OIDC Core §3.1.3.7 (4)") { token in
            guard token.audiences.count > 1, token.claims["azp"] == nil else { return nil }
            return ("missing-claim", "azp is absent though there are several audiences")
        },
        IDTokenRule("OIDC Core §3.1.3.7 (5)") { token in
            guard let party = token.claims["azp"] else { return nil }
            let isUs = party.string?.isIdentical(toUTF8Of: token.expected.clientID) ?? false
            return isUs ? nil : ("wrong-authorized-party", "azp is not us")
        },
        // I7
        IDTokenRule("OIDC Core §2 iat") { token in
            token.claims["iat"]?.number == nil ? ("missing-claim", "iat is absent") : nil
        },
        IDTokenRule("OIDC Core §3.1.3.7 (10)") { token in
            guard let issued = token.claims["iat"]?.number,
                token.now - issued > token.expected.maximumAgeSinceIssue
            else { return nil }
            return ("issued-too-long-ago", "iat is too long ago for a token that was just given out")
        },
        // I8
        IDTokenRule("OIDC Core §3.1.3.7 (11)") { token in
            guard let nonce = token.expected.nonce else { return nil }
            guard let found = token.claims["nonce"] else { return ("missing-claim", "nonce is absent") }
            let isOurs = equalInConstantTime(Array((found.string ?? "").utf8), Array(nonce.utf8))
            return isOurs ? nil : ("wrong-nonce", "nonce is not the one that was sent")
        },
        // I10
        IDTokenRule("OIDC Core §3.1.3.7 (12)") { token in
            guard !token.expected.contexts.isEmpty else { return nil }
            guard let context = token.claims["acr"]?.string else {
                return ("missing-claim", "acr is absent though it was asked for")
            }
            return token.expected.contexts.contains(context)
                ? nil : ("wrong-authentication-context", "acr is none of those that were asked for")
        },
        // I9
        IDTokenRule("OIDC Core §3.1.3.7 (13)") { token in
            guard let maximum = token.expected.maximumAge else { return nil }
            guard let time = token.claims["auth_time"]?.number else {
                return ("missing-claim", "auth_time is absent though max_age was asked for")
            }
            return token.now - time <= Double(maximum) + token.expected.leeway
                ? nil : ("authentication-too-old", "auth_time is longer ago than max_age allows")
        },
        // I11
        IDTokenRule("OIDC Core §3.1.3.8 at_hash") { token in
            guard let accessToken = token.expected.accessToken else { return nil }
            return token.isHash("at_hash", of: accessToken)
                ? nil : ("wrong-token-hash", "at_hash is not that of the access token")
        },
        IDTokenRule("OIDC Core §3.3.2.11 c_hash") { token in
            guard let code = token.expected.code else { return nil }
            return token.isHash("c_hash", of: code)
                ? nil : ("wrong-code-hash", "c_hash is not that of the code")
        },
        // I12
        IDTokenRule("OIDC Core §2 sub") { token in
            guard let subject = token.claims["sub"] else { return ("missing-claim", "sub is absent") }
            let text = subject.string ?? ""
            let isWellFormed = (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 < 128 }
            return isWellFormed ? nil : ("malformed-claim", "sub is not 1 to 255 ASCII characters")
        },
        // A17
        IDTokenRule("OIDC Core §12.2 sub") { token in
            guard let previous = token.expected.previous else { return nil }
            let isSame = token.claims["sub"]?.string?.isIdentical(toUTF8Of: previous.subject) ?? false
            return isSame ? nil : ("subject-mismatch", "sub is another user's than before")
        },
        IDTokenRule("OIDC Core §12.2 iat") { token in
            guard let previous = token.expected.previous else { return nil }
            return (token.claims["iat"]?.number ?? 0) >= previous.issuedAt
                ? nil : ("issued-too-long-ago", "iat is before that of the first ID token")
        },
        IDTokenRule("OIDC Core §12.2 nonce") { token in
            guard let previous = token.expected.previous, let nonce = token.claims["nonce"] else {
                return nil
            }
            let isSame = equalInConstantTime(
                Array((nonce.string ?? "").utf8),
                Array((previous.nonce ?? "").utf8)
            )
            return isSame ? nil : ("wrong-nonce", "nonce is not that of the first ID token")
        },
    ]
}

extension IDTokenRule.Case {
    /// The audiences, one or several (OIDC Core §2).
    fileprivate var audiences: [String] {
        self.claims["aud"]?.string.map { [$0] } ?? self.claims["aud"]?.strings ?? []
    }

    /// Whether the claim `name`, if it is there, is the left half of the digest of `text`.
    ///
    /// OIDC Core §3.1.3.6; an algorithm without a digest has nothing to compare with and refuses.
    fileprivate func isHash(_ name: String, of text: String) -> Bool {
        guard let claim = self.claims[name] else { return true }
        guard let digest = self.algorithm?.digest, let hash = try? digest.hash(utf8: text) else {
            return false
        }
        let half = Base64URL.encode(Array(hash[..<(hash.count / 2)]))
        return equalInConstantTime(Array((claim.string ?? "").utf8), Array(half.utf8))
    }
}

extension RelyingParty {
    /// Checks an ID token (OIDC Core §3.1.3.7); an unknown key makes the issuer's keys be fetched once.
    func validate(
        idToken raw: String,
        _ expected: IDTokenExpectations
    ) async throws(OIDCError) -> VerifiedToken {
        let metadata = try await self.issuer.ready(within: .infinity)
        if self.issuer.keys.isEmpty { _ = await self.issuer.keysAfterUnknownKey(seen: 0) }
        let snapshot = self.issuer.keySnapshot
        guard !snapshot.keys.isEmpty else { throw .noKeys }
        do throws(OIDCError) {
            return try self.judge(raw, expected, metadata, snapshot.keys)
        } catch .idToken(.unknownKey) {
            guard await self.issuer.keysAfterUnknownKey(seen: snapshot.version) == .refreshed else {
                throw .idToken(.unknownKey)
            }
            return try self.judge(raw, expected, metadata, self.issuer.keys)
        }
    }

    private func judge(
        _ raw: String,
        _ expected: IDTokenExpectations,
        _ metadata: ProviderMetadata,
        _ keys: JWKSet
    ) throws(OIDCError) -> VerifiedToken {
        let wanted = self.expectations(metadata)
        var expected = expected
        expected.trustedAudiences = self.trustedAudiences
        expected.leeway = self.leeway
        let now = self.issuer.line.clock()
        let token: VerifiedToken
        do throws(TokenError) {
            token = try TokenVerifier.verify(
                Array(raw.utf8),
                keys: keys,
                expecting: wanted,
                at: NumericDate(seconds: now)
            )
        } catch {
            self.issuer.noteClock(error, at: now)
            throw .idToken(error)
        }
        self.issuer.noteClock(token, at: now)
        let one = IDTokenRule.Case(
            claims: token.claims,
            type: token.header["typ"]?.string,
            algorithm: token.algorithm,
            expected: expected,
            now: now
        )
        for rule in IDTokenRules.all {
            do throws(IDTokenFailure) { try rule.check(one) } catch { throw .idTokenRule(error) }
        }
        return token
    }

    /// What every token of the issuer that is for us has to keep to: an ID token, a logout token.
    func expectations(_ metadata: ProviderMetadata) -> TokenExpectations {
        var wanted = TokenExpectations(
            issuers: [metadata.issuer],
            audiences: [self.clientID],
            algorithms: self.idTokenAlgorithms ?? Self.announced(metadata)
        )
        wanted.leeway = self.leeway
        return wanted
    }

    /// The asymmetric algorithms that the metadata names, or else the standard's one (I5).
    static func announced(_ metadata: ProviderMetadata) -> Set<Algorithm> {
        let named = Set(metadata.idTokenAlgorithms.compactMap { Algorithm(rawValue: $0) })
        let usable = named.intersection(Algorithm.asymmetric)
        return usable.isEmpty ? [.rs256] : usable
    }
}
