// What a token is shown with: a proof of the key or the certificate that it is bound to.

package import Cryptography
package import JSON

/// A proof that comes with a token, for those who ask about both without a request.
package enum ShownProof: Sendable {
    /// The value of a `DPoP` field and the request that it is for (RFC 9449 §4.3).
    ///
    /// - method: the request's.
    /// - target: its address; query and fragment do not count.
    /// - nonce: the one that was asked for, if one was.
    case key(proof: [UInt8], method: String, target: String, nonce: String?)
    /// The client's certificate in DER (RFC 8705 §3).
    case certificate([UInt8])

    /// Seconds that a DPoP proof is good for.
    private static let lifetime = 300.0

    /// What a proof is worth.
    package struct Verdict: Sendable {
        /// What each rule says, in the order of judgement.
        package let rules: [RuleReport]
        /// Why it is not taken; nil where it is.
        package let answer: TokenAnswer?
    }

    /// Judges the proof of a token that was verified, whose claims these are.
    package func verdict(
        on token: [UInt8],
        claims: JSONValue,
        leeway: Double,
        at now: NumericDate
    ) throws(CryptoError) -> Verdict {
        switch self {
        case .key(let proof, let method, let target, let nonce):
            let place = Self.withoutQuery(target)
            let expected = DPoPExpectations(
                method: method,
                isTarget: { Self.withoutQuery($0) == place },
                tokenHash: Base64URL.encode(try Digest.sha256.hash(token.span)),
                keyThumbprint: claims.value(at: ["cnf", "jkt"])?.string ?? "",
                lifetime: Self.lifetime,
                leeway: leeway,
                isNonce: nonce.map { wanted in { $0.isIdentical(toUTF8Of: wanted) } }
            )
            return Self.judged(proof, expected, at: now)
        case .certificate(let der):
            let hash = Base64URL.encode(try Digest.sha256.hash(der.span))
            return Self.judged(hash, claims.value(at: ["cnf", "x5t#S256"])?.string)
        }
    }

    private static func withoutQuery(_ address: String) -> [UInt8] {
        Array(address.utf8.prefix { $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
    }

    private static func judged(
        _ proof: [UInt8],
        _ expected: DPoPExpectations,
        at now: NumericDate
    ) -> Verdict {
        let isBound = !expected.keyThumbprint.isEmpty
        let bound = report("bound to a key", "RFC 9449 §7.1", isBound)
        guard isBound else {
            return Verdict(
                rules: [bound] + DPoPReport.rules,
                answer: refusal("token-not-bound", bound, "the token has no cnf with jkt")
            )
        }
        let rules = [bound] + DPoPReport.report(on: proof, expecting: expected, at: now)
        do throws(DPoPError) {
            let taken = try DPoPProof(proof)
            let key = try DPoPKey(header: taken.header.span)
            _ = try taken.verified(by: key, expecting: expected, at: now)
            return Verdict(rules: rules, answer: nil)
        } catch {
            let answer = TokenAnswer(refusing: error.reason, rule: error.rule, detail: error.detail)
            return Verdict(rules: rules, answer: answer)
        }
    }

    private static func judged(_ hash: String, _ wanted: String?) -> Verdict {
        let bound = report("bound to a certificate", "RFC 8705 §3", wanted != nil)
        let (name, source) = ("certificate is the token's", "RFC 8705 §3.1")
        guard let wanted else {
            return Verdict(
                rules: [bound, RuleReport(name: name, source: source, outcome: .notReached)],
                answer: refusal("token-not-bound", bound, "the token has no cnf with x5t#S256")
            )
        }
        let same = report(name, source, equalInConstantTime(hash.utf8.span, wanted.utf8.span))
        let isTaken = same.outcome == .passed
        return Verdict(
            rules: [bound, same],
            answer: isTaken
                ? nil
                : refusal("wrong-certificate", same, "the token is bound to another certificate")
        )
    }

    private static func report(_ name: String, _ source: String, _ passes: Bool) -> RuleReport {
        RuleReport(name: name, source: source, outcome: passes ? .passed : .failed)
    }

    private static func refusal(_ reason: String, _ rule: RuleReport, _ detail: String) -> TokenAnswer {
        TokenAnswer(refusing: reason, rule: rule.source, detail: detail)
    }
}
