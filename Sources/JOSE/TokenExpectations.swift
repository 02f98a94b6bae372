// What a verifier wants of a token's claims.

/// What a token must say to be taken, beside being signed.
package struct TokenExpectations: Sendable {
    /// The issuers that are taken, compared byte for byte; nothing: the issuer is not checked.
    package var issuers: [String]?
    /// The audiences of which the token must name one; nothing: the audience is not checked, and an empty list
    /// refuses every token.
    package var audiences: [String]?
    /// The signature algorithms that are taken (B1).
    package var algorithms: Set<Algorithm>
    /// The key management that is taken of an encrypted token; RSA1_5 and PBES2 only if they are put here by name.
    package var keyManagement: Set<KeyManagement>
    /// The content encryption that is taken of an encrypted token.
    package var encryptions: Set<ContentEncryption>
    /// How many seconds the clocks may differ, for `exp` and `nbf`.
    package var leeway: Double
    /// How many seconds `iat` may be ahead; the leeway where that is more.
    package var maximumAheadSeconds: Double
    /// The one `typ` that is taken; nothing: absent, `JWT` or `at+jwt`.
    package var type: TokenType?
    /// Whether a token without `exp` is refused.
    package var requiresExpiry: Bool
    /// Further claims that must be there.
    package var requiredClaims: [String]

    /// Sets the usual strictness: no leeway, an expiry, public keys alone.
    package init(
        issuers: [String]? = nil,
        audiences: [String]? = nil,
        algorithms: Set<Algorithm> = Algorithm.asymmetric
    ) {
        self.issuers = issuers
        self.audiences = audiences
        self.algorithms = algorithms
        keyManagement = KeyManagement.usual
        encryptions = Self.everyEncryption
        leeway = 0
        maximumAheadSeconds = 60
        type = nil
        requiresExpiry = true
        requiredClaims = []
    }

    // Made once, for expectations are made for each token.
    private static let everyEncryption = Set(ContentEncryption.allCases)
}
