// Whether a bearer token of an issuer may be used here.
package import JOSE
import JSON

/// Why a bearer token is not taken.
package enum AccessTokenError: Error, Sendable, Equatable {
    /// A rule on every token, or `wrongType` for an ID token shown as an access token.
    case token(TokenError)
    /// The token is bound to a key whose possession was not shown (RFC 7800 §3).
    case proofRequired
    /// No key of the issuer could be had: 503 with Retry-After.
    case unavailable(OIDCError)

    /// The stable word of the contract.
    package var reason: String {
        switch self {
        case .token(let error): error.reason
        case .proofRequired: "proof-required"
        case .unavailable(let error): error.reason
        }
    }

    /// The section that the rule comes from.
    package var rule: String {
        switch self {
        case .token(let error): error.rule
        case .proofRequired: "RFC 7800 §3"
        case .unavailable: "RFC 7517 §5"
        }
    }

    /// A sentence; never the token's text.
    package var detail: String {
        switch self {
        case .token(let error): error.detail
        case .proofRequired: "the token is bound to a key, and no proof came with it"
        case .unavailable(let error): error.detail
        }
    }
}

/// A bearer token that may be used here.
package struct AcceptedToken: Sendable {
    /// The token, proven.
    package let token: VerifiedToken
    /// Whose keys proved it.
    package let issuer: Issuer
}

/// What a synchronous check found out.
package enum AccessTokenVerdict: Sendable {
    /// The token is good.
    case accepted(AcceptedToken)
    /// The token names a key that is not known: `check` may be asked, which waits for newer keys.
    case needsKeys(Issuer, seen: UInt64)
}

/// The rules on bearer tokens of one instance.
package struct AccessTokenCheck: Sendable {
    /// The issuers that are taken, the configured one first; each is proven by its own keys alone (B7).
    package let issuers: [Issuer]
    /// The audiences of which a token must name one; nil where the configuration asks for none.
    package var audiences: [String]? { didSet { prepare() } }
    /// The algorithms that are taken.
    package var algorithms = Algorithm.asymmetric { didSet { prepare() } }
    /// The leeway, in seconds.
    package var leeway = 0.0 { didSet { prepare() } }
    /// Whether the caller asks for the proof of a token with `cnf`; else such a token is refused here.
    package var ignoresConfirmation = false
    /// Whether a token must be what RFC 9068 asks for: `typ` and every claim of its §2.2.
    package var isTyped = false { didSet { prepare() } }
    /// What a token of each issuer must say, in their order: made once, and not for each token.
    private var expected: [TokenExpectations] = []

    /// The rules for tokens of `issuer`, and of others that are allowed besides.
    package init(issuer: Issuer, allowed: [Issuer] = [], audiences: [String]?) {
        self.issuers = [issuer] + allowed
        self.audiences = audiences
        prepare()
    }

    private mutating func prepare() {
        self.expected = self.issuers.map { self.made(for: $0) }
    }

    /// Judges a token at once, with the keys that are known.
    ///
    /// - Parameter headers: those that were read of proven tokens, and where this one's is kept.
    package func verdict(
        on text: [UInt8],
        at now: NumericDate,
        headers: (any HeaderMemory)? = nil
    ) throws(AccessTokenError) -> AccessTokenVerdict {
        let token: UnverifiedToken
        do throws(TokenError) { token = try UnverifiedToken(parsing: text, known: headers) } catch {
            throw .token(error)
        }
        let named = self.place(token)
        // A token of nobody we know is judged with the first issuer's keys, so that the reason stays in order.
        let issuer = self.issuers[named ?? 0]
        let snapshot = issuer.keySnapshot
        let verified: VerifiedToken
        do throws(TokenError) {
            verified = try TokenVerifier.verify(
                token,
                keys: snapshot.keys,
                expecting: self.expected[named ?? 0],
                at: now
            )
            try Self.checkPurpose(verified)
        } catch {
            issuer.noteClock(error, at: now.seconds)
            // Where no newer key can come now, a forged one keeps nobody waiting.
            guard case .unknownKey = error, named != nil, issuer.mayBringKey(seen: snapshot.version) else {
                throw .token(error)
            }
            return .needsKeys(issuer, seen: snapshot.version)
        }
        // A second is what rounding explains.
        if let issued = verified.issued, issued > now + 1 { issuer.noteClock(verified, at: now.seconds) }
        if let headers { token.keepHeader(in: headers) }
        guard self.ignoresConfirmation || !verified.claimsText.has("cnf") else { throw .proofRequired }
        return .accepted(AcceptedToken(token: verified, issuer: issuer))
    }

    /// Judges a token, and waits once for newer keys if it names one that is not known.
    package func check(
        _ text: [UInt8],
        at now: NumericDate
    ) async throws(AccessTokenError) -> AcceptedToken {
        guard case .needsKeys(let issuer, let seen) = try self.verdict(on: text, at: now) else {
            return try self.accepted(text, at: now)
        }
        let lookup = await issuer.keysAfterUnknownKey(seen: seen)
        if lookup != .refreshed, issuer.keys.isEmpty {
            if case .failed(let error) = lookup { throw .unavailable(error) }
            throw .unavailable(.noKeys)
        }
        return try self.accepted(text, at: now)
    }

    private func accepted(_ text: [UInt8], at now: NumericDate) throws(AccessTokenError) -> AcceptedToken {
        guard case .accepted(let token) = try self.verdict(on: text, at: now) else {
            throw .token(.unknownKey)
        }
        return token
    }

    /// The issuer that a token names, if it is one of ours: only its keys, audiences and algorithms count (B7).
    func named(_ token: UnverifiedToken) -> Issuer? { self.place(token).map { self.issuers[$0] } }

    private func place(_ token: UnverifiedToken) -> Int? {
        for place in self.issuers.indices where token.claimsToBe(of: self.issuers[place].settings.issuer) {
            return place
        }
        return nil
    }

    /// What a token of one of the issuers must say.
    func expectations(_ issuer: Issuer) -> TokenExpectations {
        self.issuers.firstIndex { $0 === issuer }.map { self.expected[$0] } ?? self.made(for: issuer)
    }

    private func made(for issuer: Issuer) -> TokenExpectations {
        var expectations = TokenExpectations(
            issuers: [issuer.settings.issuer],
            audiences: self.audiences,
            algorithms: self.algorithms
        )
        expectations.leeway = self.leeway
        if self.isTyped {
            expectations.type = .accessToken
            expectations.requiredClaims = ["sub", "aud", "client_id", "iat", "jti"]
        }
        return expectations
    }

    /// Refuses ID tokens, refresh tokens and logout tokens that are shown as access tokens (B10).
    ///
    /// `typ: at+jwt` settles it (RFC 9068 §4); without it the marks of the other kinds are looked for.
    private static func checkPurpose(_ token: VerifiedToken) throws(TokenError) {
        if token.type == .accessToken { return }
        let claims = token.claimsText
        let marks = ["at_hash", "c_hash", "s_hash", "events"]
        guard !marks.contains(where: claims.has) else { throw .wrongType }
        if let kind = claims.string("typ"), ["ID", "Refresh", "Logout"].contains(kind) { throw .wrongType }
        let isForAccess = ["scope", "scp", "client_id"].contains(where: claims.has)
        guard !claims.has("nonce") || isForAccess else { throw .wrongType }
    }
}
