// The rules of OpenID Connect Back-Channel Logout on a logout token, beyond those on every token.
package import JOSE
import JSON

/// What a logout token that was proven says.
package struct LogoutNotice: Sendable, Equatable {
    /// The user, if it names one.
    package let subject: String?
    /// The session at the issuer, if it names one.
    package let session: String?
    /// When the issuer said so, by its clock; seconds since 1970.
    package let issuedAt: Double
    /// Names the token: it counts once.
    package let identifier: String
    /// When the token is good no more, whatever the clocks say; seconds since 1970.
    package let expires: Double
}

/// One rule on a logout token, with the sentence of the standard that asks for it.
package struct LogoutTokenRule: Sendable {
    /// The section.
    package let source: String
    let verdict: @Sendable (Case) -> (word: String, detail: String)?

    /// One logout token, who we are, and the moment.
    struct Case: Sendable {
        let claims: JSONObjectText
        let type: String?
        let clientID: String
        let leeway: Double
        let now: Double
    }

    init(_ source: String, _ verdict: @escaping @Sendable (Case) -> (word: String, detail: String)?) {
        self.source = source
        self.verdict = verdict
    }
}

/// The rules, in the standard's order; signature, `alg`, `iss`, `aud`, `exp` and `iat`'s future were judged before.
package enum LogoutTokenRules {
    /// How long ago it may have been issued, in seconds, and how far its end may be ahead (ASVS 10.5.5).
    package static let maximumSeconds = 120.0
    /// What the token tells of (§2.4).
    package static let event = "http://schemas.openid.net/event/backchannel-logout"

    package static let all: [LogoutTokenRule] = [
        // B10, V16: absent and JWT are what most issuers write, whom RFC 8725 came too late for.
        LogoutTokenRule("Back-Channel Logout §2.4 typ") { token in
            guard let type = token.type.map(TokenType.init), type != .jwt, type != .logout else { return nil }
            return ("wrong-type", "the typ is another token's")
        },
        LogoutTokenRule("Back-Channel Logout §2.6 (3) aud") { token in
            let audiences = token.claims["aud"]?.string.map { [$0] } ?? token.claims["aud"]?.strings ?? []
            let isOursAlone = audiences.allSatisfy { $0.isIdentical(toUTF8Of: token.clientID) }
            return isOursAlone ? nil : ("wrong-audience", "aud names others that are not trusted")
        },
        LogoutTokenRule("Back-Channel Logout §2.4 iat") { token in
            guard let issued = token.claims.number("iat") else { return ("missing-claim", "iat is absent") }
            return token.now - issued <= Self.maximumSeconds
                ? nil : ("issued-too-long-ago", "iat is too long ago for a logout that is told of just now")
        },
        LogoutTokenRule("Back-Channel Logout §4 exp") { token in
            guard let end = token.claims.number("exp") else { return nil }
            return end - token.now <= Self.maximumSeconds + token.leeway
                ? nil : ("expires-too-late", "exp is more than two minutes ahead")
        },
        LogoutTokenRule("Back-Channel Logout §2.6 (4)") { token in
            for name in ["sub", "sid"] where token.claims.has(name) {
                guard let text = token.claims.string(name), (1...1024).contains(text.utf8.count) else {
                    return ("malformed-claim", "\(name) is not text of a sensible length")
                }
            }
            let names = token.claims.has("sub") || token.claims.has("sid")
            return names ? nil : ("missing-claim", "there is neither sub nor sid")
        },
        LogoutTokenRule("Back-Channel Logout §2.6 (5)") { token in
            guard let events = token.claims["events"] else { return ("missing-claim", "events is absent") }
            guard let members = events.object else { return ("malformed-claim", "events is not an object") }
            let event = members[Self.event]
            return event == nil
                ? ("wrong-event", "events has no member for a back-channel logout")
                : event?.object == nil ? ("malformed-claim", "the event is not an object") : nil
        },
        LogoutTokenRule("Back-Channel Logout §2.6 (6)") { token in
            token.claims.has("nonce") ? ("wrong-type", "a logout token has no nonce") : nil
        },
        LogoutTokenRule("Back-Channel Logout §2.4 jti") { token in
            guard let text = token.claims.string("jti") else { return ("missing-claim", "jti is absent") }
            return (1...1024).contains(text.utf8.count)
                ? nil : ("malformed-claim", "jti is not text of a sensible length")
        },
    ]

    /// The first rule that refuses, as an error.
    static func check(_ one: LogoutTokenRule.Case) throws(OIDCError) {
        for rule in self.all {
            guard let (word, detail) = rule.verdict(one) else { continue }
            throw .logoutTokenRule(IDTokenFailure(reason: word, rule: rule.source, detail: detail))
        }
    }
}

extension RelyingParty {
    /// Whether a token that nothing is proven of says that it is from our issuer, and for us.
    package func isNamed(by token: UnverifiedToken) -> (issuer: Bool, audience: Bool) {
        let isOurs = token.unverifiedIssuer?.isIdentical(toUTF8Of: self.issuer.settings.issuer) ?? false
        return (isOurs, token.claimsToBe(for: self.clientID))
    }

    /// Checks a logout token (Back-Channel Logout §2.6); an unknown key makes the issuer's keys be fetched once.
    ///
    /// Whether it comes for the first time is for the caller to know.
    package func validate(logoutToken token: UnverifiedToken) async throws(OIDCError) -> LogoutNotice {
        let metadata = try await self.issuer.ready(within: .infinity)
        if self.issuer.keys.isEmpty { _ = await self.issuer.keysAfterUnknownKey(seen: 0) }
        let snapshot = self.issuer.keySnapshot
        guard !snapshot.keys.isEmpty else { throw .noKeys }
        do throws(OIDCError) {
            return try self.judge(token, metadata, snapshot.keys)
        } catch .logoutToken(.unknownKey) {
            guard await self.issuer.keysAfterUnknownKey(seen: snapshot.version) == .refreshed else {
                throw .logoutToken(.unknownKey)
            }
            return try self.judge(token, metadata, self.issuer.keys)
        }
    }

    private func judge(
        _ token: UnverifiedToken,
        _ metadata: ProviderMetadata,
        _ keys: JWKSet
    ) throws(OIDCError) -> LogoutNotice {
        var wanted = self.expectations(metadata)
        wanted.requiresExpiry = false
        let type = token.header.string("typ")
        if type.map(TokenType.init) == .logout { wanted.type = .logout }
        let now = self.issuer.line.clock()
        let proven: VerifiedToken
        do throws(TokenError) {
            proven = try TokenVerifier.verify(
                token,
                keys: keys,
                expecting: wanted,
                at: NumericDate(seconds: now)
            )
        } catch {
            throw .logoutToken(error)
        }
        let claims = proven.claimsText
        try LogoutTokenRules.check(
            .init(claims: claims, type: type, clientID: self.clientID, leeway: self.leeway, now: now)
        )
        let issued = claims.number("iat") ?? now
        let end = max(claims.number("exp") ?? 0, issued + LogoutTokenRules.maximumSeconds)
        return LogoutNotice(
            subject: claims.string("sub"),
            session: claims.string("sid"),
            issuedAt: issued,
            identifier: claims.string("jti") ?? "",
            expires: max(end, now) + self.leeway
        )
    }
}
