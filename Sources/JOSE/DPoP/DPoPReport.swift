// What each rule on a DPoP proof says of one, for people.

/// Judges proofs rule by rule; the verdict is that of `DPoPProof.verified`.
package enum DPoPReport {
    private static let form: [TokenRules.Rule] = [
        ("proof form", "RFC 9449 §4.3 (2)"), ("proof type", "RFC 9449 §4.3 (4)"),
        ("proof algorithm", "RFC 9449 §4.3 (5)"), ("proof key", "RFC 9449 §4.3 (7)"),
    ]
    private static let payload: TokenRules.Rule = ("proof payload", "RFC 9449 §4.3 (2)")
    private static let signature: TokenRules.Rule = ("proof signature", "RFC 9449 §4.3 (6)")
    private static let nonce = "nonce"

    private static var all: [TokenRules.Rule] {
        self.form + [self.payload] + DPoPRule.all.map { (self.title($0.name), $0.source) } + [self.signature]
    }

    /// Every rule, in the order of judgement.
    package static var rules: [RuleReport] {
        self.all.map { RuleReport(name: $0.name, source: $0.source, outcome: .notReached) }
    }

    /// What each rule says of the value of a `DPoP` field, in the order of judgement.
    package static func report(
        on text: [UInt8],
        expecting expected: DPoPExpectations,
        at now: NumericDate
    ) -> [RuleReport] {
        RuleReport.all(self.all, failing: self.failing(text, expected, now)) { name in
            name != self.title(self.nonce) || expected.isNonce != nil
        }
    }

    /// The rule that a proof breaks first; nil where it keeps them all.
    private static func failing(
        _ text: [UInt8],
        _ expected: DPoPExpectations,
        _ now: NumericDate
    ) -> String? {
        let (proof, key): (DPoPProof, DPoPKey)
        do throws(DPoPError) {
            proof = try DPoPProof(text)
            key = try DPoPKey(header: proof.header.span)
        } catch { return self.ruleName(ofHeader: error) }
        let parts: DPoPProof.Parts
        do throws(DPoPError) { parts = try proof.parts() } catch { return self.payload.name }
        let proven = DPoPRule.Case(key: key, claims: parts.claims, expected: expected, now: now.seconds)
        for rule in DPoPRule.all {
            do throws(DPoPError) { try rule.check(proven) } catch { return self.title(rule.name) }
        }
        return proof.isSigned(parts, by: key) ? nil : self.signature.name
    }

    private static func title(_ rule: String) -> String { "proof's \(rule)" }

    private static func ruleName(ofHeader error: DPoPError) -> String {
        switch error {
        case .wrongType: "proof type"
        case .algorithmNotAllowed: "proof algorithm"
        case .unusableKey: "proof key"
        default: "proof form"
        }
    }
}
