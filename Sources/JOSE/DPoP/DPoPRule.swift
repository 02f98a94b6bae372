// The rules on the claims of a DPoP proof: a table in the order in which they are judged.

internal import Cryptography

/// One rule on a proof, with the sentence of the standard that asks for it.
package struct DPoPRule: Sendable {
    /// The section: "RFC 9449 §4.3 (8)".
    package let source: String
    /// What is judged, in a word.
    package let name: String
    let check: @Sendable (Case) throws(DPoPError) -> Void

    /// One proof, what is wanted of it, and the moment.
    struct Case {
        let key: DPoPKey
        let claims: JSONObjectText
        let expected: DPoPExpectations
        let now: Double
    }

    init(
        _ source: String,
        _ name: String,
        _ check: @escaping @Sendable (Case) throws(DPoPError) -> Void
    ) {
        self.source = source
        self.name = name
        self.check = check
    }

    /// Every rule but those on the header (`DPoPKey`), the signature, which is judged last, and the use of `jti`,
    /// which only a memory can tell.
    package static let all: [DPoPRule] = [
        DPoPRule("RFC 9449 §4.3 (3)", "claims") { proof throws(DPoPError) in
            for name in ["jti", "htm", "htu", "ath"] {
                guard proof.claims.has(name) else { throw .missingClaim(name) }
                guard let text = proof.claims.string(name), !text.isEmpty else {
                    throw .malformed("claim \(name) is no text")
                }
            }
            guard proof.claims.has("iat") else { throw .missingClaim("iat") }
            guard proof.claims.number("iat")?.isFinite ?? false else {
                throw .malformed("claim iat is no number")
            }
        },
        DPoPRule("RFC 9449 §4.3 (12)", "key") { proof throws(DPoPError) in
            guard Self.areEqual(proof.key.thumbprint, proof.expected.keyThumbprint) else { throw .wrongKey }
        },
        DPoPRule("RFC 9449 §4.3 (8)", "method") { proof throws(DPoPError) in
            guard proof.claims.string("htm", is: proof.expected.method) == true else { throw .wrongMethod }
        },
        DPoPRule("RFC 9449 §4.3 (9)", "target") { proof throws(DPoPError) in
            guard proof.expected.isTarget(proof.claims.string("htu") ?? "") else { throw .wrongTarget }
        },
        DPoPRule("RFC 9449 §4.3 (12)", "token") { proof throws(DPoPError) in
            guard Self.areEqual(proof.claims.string("ath") ?? "", proof.expected.tokenHash) else {
                throw .wrongToken
            }
        },
        DPoPRule("RFC 9449 §4.3 (11)", "time") { proof throws(DPoPError) in
            let ahead = (proof.claims.number("iat") ?? 0) - proof.now
            guard ahead <= max(proof.expected.maximumAheadSeconds, proof.expected.leeway) else {
                throw .issuedInFuture
            }
            guard -ahead <= proof.expected.lifetime + proof.expected.leeway else { throw .expired }
        },
        DPoPRule("RFC 9449 §4.3 (10)", "nonce") { proof throws(DPoPError) in
            guard let isNonce = proof.expected.isNonce else { return }
            guard let nonce = proof.claims.string("nonce"), isNonce(nonce) else { throw .nonceRequired }
        },
    ]

    private static func areEqual(_ one: String, _ other: String) -> Bool {
        equalInConstantTime(one.utf8.span, other.utf8.span)
    }
}
