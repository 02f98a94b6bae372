// What the rules on bearer tokens say of one, for people.
package import JOSE

extension AccessTokenCheck {
    /// What each rule says of a token, in the order of judgement; the keys are those that are known.
    package func report(on text: [UInt8], at now: NumericDate) -> [RuleReport] {
        let issuer = (try? UnverifiedToken(parsing: text)).flatMap(self.named) ?? self.issuers[0]
        let rules = TokenRules.report(
            on: text,
            keys: issuer.keys,
            expecting: self.expectations(issuer),
            at: now,
            takesEncrypted: false
        )
        let hasFailed = rules.contains { $0.outcome == .failed }
        let kind = RuleReport(
            name: "kind of token",
            source: "RFC 8725 §3.12",
            outcome: hasFailed ? .notReached : self.kind(of: text, at: now)
        )
        return rules + [kind]
    }

    /// Whether a token whose other rules hold is an access token.
    private func kind(of text: [UInt8], at now: NumericDate) -> RuleOutcome {
        do throws(AccessTokenError) {
            _ = try self.verdict(on: text, at: now)
        } catch .token(.wrongType) {
            return .failed
        } catch {}
        return .passed
    }
}
