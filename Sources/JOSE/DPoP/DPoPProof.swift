// A DPoP proof: taken apart, and judged.

internal import Cryptography

/// A proof taken apart; nothing in it is believed before `verified`.
package struct DPoPProof: Sendable {
    private let text: [UInt8]
    private let headerEnd: Int
    private let signedEnd: Int

    /// The greatest size of a proof: a key of RSA 4096 and its signature leave most of it free.
    package static let maximumBytes = 8192

    /// Takes the value of a `DPoP` field apart.
    package init(_ text: [UInt8]) throws(DPoPError) {
        guard text.count <= Self.maximumBytes else { throw .tooLarge(limit: Self.maximumBytes) }
        guard let first = text.firstIndex(of: UInt8(ascii: ".")),
            let second = text[(first + 1)...].firstIndex(of: UInt8(ascii: ".")),
            text[(second + 1)...].firstIndex(of: UInt8(ascii: ".")) == nil
        else { throw .malformed("text is not three parts between dots") }
        self.text = text
        headerEnd = first
        signedEnd = second
    }

    /// The first part as it was written: equal ones are of one key.
    package var header: ArraySlice<UInt8> { text[..<headerEnd] }

    /// Judges the proof; which rule, and why, is what is thrown.
    ///
    /// - Parameter key: what `header` says.
    package func verified(
        by key: DPoPKey,
        expecting expected: DPoPExpectations,
        at now: NumericDate
    ) throws(DPoPError) -> DPoPFacts {
        let parts = try parts()
        let claims = parts.claims
        let proof = DPoPRule.Case(key: key, claims: claims, expected: expected, now: now.seconds)
        for rule in DPoPRule.all { try rule.check(proof) }
        // Dearest of all, and so the last.
        guard isSigned(parts, by: key) else { throw .badSignature }
        return DPoPFacts(
            identifier: claims.string("jti") ?? "",
            nonce: claims.string("nonce"),
            expires: (claims.number("iat") ?? 0) + expected.lifetime + expected.leeway
        )
    }

    /// What is behind the header.
    struct Parts {
        let claims: JSONObjectText
        let signature: [UInt8]
    }

    /// Reads what is behind the header.
    func parts() throws(DPoPError) -> Parts {
        let span = text.span
        guard let payload = Base64URL.decode(span.extracting((headerEnd + 1)..<signedEnd)),
            let claims = try? JSONObjectText(payload)
        else { throw .malformed("payload is not a JSON object") }
        guard let signature = Base64URL.decode(span.extracting((signedEnd + 1)...)) else {
            throw .malformed("signature is not base64url")
        }
        return Parts(claims: claims, signature: signature)
    }

    /// Whether the proof is signed by this key.
    func isSigned(_ parts: Parts, by key: DPoPKey) -> Bool {
        JWS.isValid(
            parts.signature.span,
            of: text.span.extracting(..<signedEnd),
            key.key.material,
            key.algorithm
        )
    }
}

/// What a proof must agree with.
package struct DPoPExpectations {
    /// The method of the request.
    package var method: String
    /// Whether an address is that of the request, but for query and fragment.
    package var isTarget: (String) -> Bool
    /// The SHA-256 of the access token, base64url.
    package var tokenHash: String
    /// The key that the token is bound to.
    package var keyThumbprint: String
    /// Whether a nonce is one of ours that is good now; nil where none is asked for.
    package var isNonce: ((String) -> Bool)?
    /// Seconds that a proof is good for.
    package var lifetime: Double
    /// Seconds by which clocks may differ.
    package var leeway: Double
    /// Seconds that `iat` may be ahead; the leeway where that is more.
    package var maximumAheadSeconds = 60.0

    /// Says what is wanted.
    package init(
        method: String,
        isTarget: @escaping (String) -> Bool,
        tokenHash: String,
        keyThumbprint: String,
        lifetime: Double,
        leeway: Double = 0,
        isNonce: ((String) -> Bool)? = nil
    ) {
        self.method = method
        self.isTarget = isTarget
        self.tokenHash = tokenHash
        self.keyThumbprint = keyThumbprint
        self.lifetime = lifetime
        self.leeway = leeway
        self.isNonce = isNonce
    }
}

/// What a proof that was taken says.
package struct DPoPFacts: Sendable {
    /// `jti`: must not come again until `expires`.
    package let identifier: String
    package let nonce: String?
    /// When the proof is no longer good, in seconds since 1970.
    package let expires: Double
}
