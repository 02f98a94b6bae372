// The openid-connect plugin: what each rule on possession says, for people.
import Cryptography
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

extension OpenIDConnect {
    /// What each rule says of the proof that a shown token needs: asked after all rules on the token, before all others.
    ///
    /// - Parameter shown: what the rules on the token itself say.
    func proofRules(_ token: [UInt8]?, _ shown: [RuleVerdict], _ passage: Passage) -> [RuleVerdict] {
        guard let token, !shown.isEmpty else { return [] }
        let isFailed = shown.contains { $0.outcome == .failed }
        let isAdmitted = passage.note(at: Self.proof) is ProvenCredential
        let whole = RuleVerdict(
            rule: "proof of possession",
            source: "RFC 7800 §3",
            outcome: isFailed ? .notReached : isAdmitted ? .passed : .failed
        )
        guard !isFailed, case .proven(let facts) = parties.verify(token, settings, at: passage.now),
            let possession = settings.proven(facts, consumers: consumers).possession
        else { return [whole] }
        return keyRules(possession, passage) + certificateRules(possession, passage) + [whole]
    }

    // MARK: DPoP

    private func keyRules(_ possession: Possession, _ passage: Passage) -> [RuleVerdict] {
        let isByProof = isShownByProof(passage)
        guard let thumbprint = possession.keyThumbprint else {
            guard isByProof || settings.proof.dpop == .strict else { return [] }
            return [
                RuleVerdict(
                    rule: "bound to a key",
                    source: "RFC 9449 §7.1",
                    passes: false,
                    detail: "the token has no cnf with jkt"
                )
            ]
        }
        let count = passage.request.count(of: .dpop)
        let before = [
            RuleVerdict(rule: "shown by the scheme DPoP", source: "RFC 9449 §7.1", passes: isByProof),
            RuleVerdict(
                rule: "one field DPoP",
                source: "RFC 9449 §4.3 (1)",
                outcome: !isByProof ? .notReached : count == 1 ? .passed : .failed,
                detail: isByProof ? "there are \(count)" : nil
            ),
        ]
        let reports: [RuleReport]
        if isByProof, count == 1, let range = passage.request.first(.dpop) {
            reports = DPoPReport.report(
                on: Array(passage.request.fields.value(range)),
                expecting: proofExpectations(thumbprint, possession.tokenHash, passage),
                at: NumericDate(seconds: passage.now)
            )
        } else {
            reports = DPoPReport.rules
        }
        let isGood = reports.allSatisfy { $0.outcome == .passed || $0.outcome == .notAsked }
        let use = RuleVerdict(
            rule: "proof's first use",
            source: "RFC 9449 §11.1",
            outcome: isGood ? .notAsked : .notReached,
            detail: isGood ? "only a request that is served uses a proof up" : nil
        )
        return before + reports.map { RuleVerdict($0) } + [use]
    }

    // MARK: Certificates

    private func certificateRules(_ possession: Possession, _ passage: Passage) -> [RuleVerdict] {
        guard let thumbprint = possession.certificateThumbprint else {
            guard settings.proof.mtls == .strict else { return [] }
            return [
                RuleVerdict(
                    rule: "bound to a certificate",
                    source: "RFC 8705 §3",
                    passes: false,
                    detail: "the token has no cnf with x5t#S256"
                )
            ]
        }
        let hash = (try? certificateHash(passage)) ?? nil
        let isSame = hash.map { Base64URL.encode($0).isIdentical(toUTF8Of: thumbprint) }
        return [
            RuleVerdict(rule: "certificate is shown", source: "RFC 8705 §3", passes: hash != nil),
            RuleVerdict(
                rule: "certificate is the token's",
                source: "RFC 8705 §3.1",
                outcome: isSame.map { $0 ? .passed : .failed } ?? .notReached
            ),
        ]
    }
}

extension RuleVerdict {
    /// A rule of `JOSE` as an explanation shows it.
    init(_ report: RuleReport) {
        self.init(
            rule: report.name,
            source: report.source,
            outcome: Outcome(rawValue: report.outcome.rawValue) ?? .notAsked
        )
    }
}
