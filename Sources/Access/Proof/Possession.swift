// What whoever shows a token has to prove besides: the members of `cnf`, one by one.
import Cryptography
import JOSE
import JSON

/// One way in which a token may be bound to its holder, with the sentence of the standard that asks for the proof.
struct ConfirmationRule: Sendable {
    /// The member of `cnf`.
    let member: String
    /// The section: "RFC 9449 §6.1".
    let source: String
    /// The setting that says how the proof is asked for.
    let setting: String
    let demand: @Sendable (ProofChoice) -> ProofChoice.Demand

    /// The ways that can be proven here; a token that is bound in any other way is refused (RFC 7800 §3.1).
    static let all: [ConfirmationRule] = [
        ConfirmationRule(
            member: "jkt",
            source: "RFC 9449 §6.1",
            setting: "proof_of_possession_dpop",
            demand: \.dpop
        ),
        ConfirmationRule(
            member: "x5t#S256",
            source: "RFC 8705 §3.1",
            setting: "proof_of_possession_mtls",
            demand: \.mtls
        ),
    ]
}

/// What is to be proven of a token that was shown.
struct Possession: Sendable, Equatable {
    /// The thumbprint of the key that the token is bound to.
    private(set) var keyThumbprint: String?
    /// The thumbprint of the certificate that the token is bound to.
    private(set) var certificateThumbprint: String?
    /// Why no proof could be enough.
    private(set) var fault: String?
    /// SHA-256 of the token, base64url; made where a key has to sign it.
    private(set) var tokenHash = ""

    /// Reads what binds a token; nil where nothing needs to be proven, and nothing is wrong with how it may be shown.
    init?(_ confirmation: JSONValue?, token: String, _ choice: ProofChoice) {
        if let confirmation { read(confirmation, choice) }
        let isBound = keyThumbprint != nil || certificateThumbprint != nil
        guard isBound || fault != nil || choice.dpop.isOn || choice.mtls == .strict else { return nil }
        guard keyThumbprint != nil else { return }
        guard let hash = try? Digest.sha256.hash(utf8: token) else {
            fault = "the token's hash cannot be made"
            return
        }
        tokenHash = Base64URL.encode(hash)
    }

    private mutating func read(_ confirmation: JSONValue, _ choice: ProofChoice) {
        guard let members = confirmation.object, !members.isEmpty else {
            fault = "cnf is no object that says anything"
            return
        }
        for (name, value) in members {
            guard let rule = ConfirmationRule.all.first(where: { $0.member.isIdentical(toUTF8Of: name) })
            else {
                fault = "cnf names a way of proof that is not known here"
                continue
            }
            switch (rule.demand(choice), value.string) {
            case (.waived, _): continue
            case (.off, _):
                fault = "the token is bound (\(rule.source)), and \(rule.setting) is not set to check it"
            case (_, nil): fault = "a member of cnf is no text"
            case (_, let text) where rule.member == "jkt": keyThumbprint = text
            case (_, let text): certificateThumbprint = text
            }
        }
    }
}
