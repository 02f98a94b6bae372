// The verdict on a token: the only place that makes a verified one.

package import JSON

/// A token whose signature and claims were checked; only `TokenVerifier` makes one.
package struct VerifiedToken: Sendable {
    /// The header, as it was written.
    package let headerText: JSONObjectText
    /// The claims, as they were written: what one member is asked for.
    package let claimsText: JSONObjectText
    /// The header, a JSON object; made anew each time it is asked for.
    package var header: JSONValue { headerText.value }
    /// The claims, a JSON object; made anew each time they are asked for.
    package var claims: JSONValue { claimsText.value }
    /// The algorithm of the signature that was checked; nothing for an encrypted token without one.
    package let algorithm: Algorithm?
    /// What `typ` names.
    package let type: TokenType?
    /// When it expires; nothing only where an expiry was not asked for.
    package let expires: NumericDate?
    /// When it was issued, if it says so.
    package let issued: NumericDate?
    /// The claims that nothing was asked about, of `iss`, `aud` and `exp`.
    package let unchecked: [String]

    fileprivate init(
        _ header: JSONObjectText,
        _ type: TokenType?,
        _ claims: JSONObjectText,
        _ registered: RegisteredClaims,
        algorithm: Algorithm?,
        _ expectations: TokenExpectations
    ) {
        headerText = header
        self.type = type
        claimsText = claims
        self.algorithm = algorithm
        expires = registered.date(.exp).map(NumericDate.init)
        issued = registered.date(.iat).map(NumericDate.init)
        var unchecked: [String] = []
        if expectations.issuers == nil { unchecked.append("iss") }
        if expectations.audiences == nil { unchecked.append("aud") }
        if expires == nil { unchecked.append("exp") }
        self.unchecked = unchecked
    }
}

/// A payload of any kind whose signature was checked; only `TokenVerifier` makes one.
package struct VerifiedPayload: Sendable {
    private let headerText: JSONObjectText
    /// The header, a JSON object; made anew each time it is asked for.
    package var header: JSONValue { headerText.value }
    /// The payload, as it was signed.
    package let bytes: [UInt8]
    /// The algorithm of the signature; nothing for an encrypted token without one.
    package let algorithm: Algorithm?

    fileprivate init(header: JSONObjectText, bytes: [UInt8], algorithm: Algorithm?) {
        headerText = header
        self.bytes = bytes
        self.algorithm = algorithm
    }
}

/// Judges tokens, in the order of `TokenError`'s cases, and stops at the first rule that fails.
package enum TokenVerifier {
    /// Checks that a JWT may be used at this moment.
    ///
    /// - Parameter token: a compact JWS, at most 16 KiB; nothing of it is trusted.
    /// - Throws: `TokenError`; `.unknownKey` where fetching the keys anew might help.
    ///
    /// RFC 7519 §7.2, RFC 8725 §3.
    package static func verify(
        _ token: [UInt8],
        keys: JWKSet,
        expecting expectations: TokenExpectations,
        at now: NumericDate
    ) throws(TokenError) -> VerifiedToken {
        try verify(UnverifiedToken(parsing: token), keys: keys, expecting: expectations, at: now)
    }

    /// Checks that a JWT that was taken apart may be used at this moment.
    package static func verify(
        _ token: UnverifiedToken,
        keys: JWKSet,
        expecting expectations: TokenExpectations,
        at now: NumericDate
    ) throws(TokenError) -> VerifiedToken {
        let algorithm = try checkSignature(token, keys, expectations)
        try TokenType.check(token.read.type, wanted: expectations.type)
        // A form without claims was not meant for this.
        guard let claims = token.claims else { throw .malformed(.payload) }
        let registered = try check(claims, expectations, now)
        return VerifiedToken(
            token.header,
            token.read.type,
            claims,
            registered,
            algorithm: algorithm,
            expectations
        )
    }

    /// Checks the signature and the header's rules alone: the payload may be anything.
    ///
    /// `typ` is judged only where one is wanted.
    package static func verifySignature(
        _ token: UnverifiedToken,
        keys: JWKSet,
        expecting expectations: TokenExpectations
    ) throws(TokenError) -> VerifiedPayload {
        let algorithm = try checkSignature(token, keys, expectations)
        if let type = expectations.type { try TokenType.check(token.read.type, wanted: type) }
        return VerifiedPayload(header: token.header, bytes: token.payload, algorithm: algorithm)
    }

    /// Checks a JWT, signed or encrypted.
    ///
    /// A token under a public key proves no sender, so there must be a signed one within; plain claims are taken
    /// only where the sender must have known our secret (J7).
    package static func verifyAny(
        _ token: [UInt8],
        keys: JWKSet,
        expecting expectations: TokenExpectations,
        at now: NumericDate
    ) throws(TokenError) -> VerifiedToken {
        guard JWE.isEncrypted(token) else {
            return try verify(token, keys: keys, expecting: expectations, at: now)
        }
        let content = try open(token, keys, expectations)
        guard !content.isSigned else {
            return try verify(content.plaintext, keys: keys, expecting: expectations, at: now)
        }
        guard content.provesSender else { throw .badSignature }
        let claims = try UnverifiedToken.claims(content.plaintext)
        let type = content.headerText.string("typ").map(TokenType.init)
        try TokenType.check(type, wanted: expectations.type)
        let registered = try check(claims, expectations, now)
        return VerifiedToken(content.headerText, type, claims, registered, algorithm: nil, expectations)
    }

    /// Checks the signature and the header's rules of a token, signed or encrypted; the payload may be anything.
    package static func verifySignature(
        _ token: [UInt8],
        keys: JWKSet,
        expecting expectations: TokenExpectations
    ) throws(TokenError) -> VerifiedPayload {
        let form = TokenForm(payload: .bytes)
        guard JWE.isEncrypted(token) else {
            return try verifySignature(
                UnverifiedToken(parsing: token, form: form),
                keys: keys,
                expecting: expectations
            )
        }
        let content = try open(token, keys, expectations)
        guard !content.isSigned else {
            return try verifySignature(
                UnverifiedToken(parsing: content.plaintext, form: form),
                keys: keys,
                expecting: expectations
            )
        }
        guard content.provesSender else { throw .badSignature }
        if let type = expectations.type { try TokenType.check(content.headerText, wanted: type) }
        return VerifiedPayload(header: content.headerText, bytes: content.plaintext, algorithm: nil)
    }

    private static func open(
        _ token: [UInt8],
        _ keys: JWKSet,
        _ expectations: TokenExpectations
    ) throws(TokenError) -> JWE.Content {
        try JWE.open(
            token,
            keys: keys,
            allowed: expectations.keyManagement,
            encryptions: expectations.encryptions
        )
    }

    private static func checkSignature(
        _ token: UnverifiedToken,
        _ keys: JWKSet,
        _ expectations: TokenExpectations
    ) throws(TokenError) -> Algorithm {
        guard token.isUnencoded || !token.read.isCritical else { throw .criticalHeader }
        let algorithm = try TokenHeader.algorithm(token.read.algorithm, allowed: expectations.algorithms)
        let candidates = try KeySelection.candidates(of: keys, kid: token.kid, algorithm)
        for place in 0..<candidates.count {
            let key = keys.keys[candidates.places[place]].material
            guard !JWS.isValid(token, key, algorithm) else { return algorithm }
        }
        throw .badSignature
    }

    private static func check(
        _ claims: JSONObjectText,
        _ expectations: TokenExpectations,
        _ now: NumericDate
    ) throws(TokenError) -> RegisteredClaims {
        let token = ClaimRule.Case(claims, expectations, now)
        for check in ClaimRules.checks { try check(token) }
        return token.registered
    }
}
