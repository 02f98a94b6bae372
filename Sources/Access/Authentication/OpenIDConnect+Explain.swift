// The openid-connect plugin: what it would say, rule by rule.
package import Gateway
package import JSON
import OIDC
import Proxy

extension OpenIDConnect {
    /// Says what would become of the request: of `claims` where they are given, else of what the request shows.
    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        if let claims { return explain(passage, proven: proven(claims)) }
        let token = shownToken(passage)
        let shown = token.map { parties.rules(on: $0, at: passage.now) } ?? []
        do throws(Refusal) {
            switch try request(passage) {
            case .proceed:
                let proof = proofRules(token, shown, passage)
                return PluginVerdict(.passes, rules: shown + proof + rules(passage))
            case .answer(let answer): return PluginVerdict(.answers(status: answer.status))
            case .wait: return PluginVerdict(.undecided("the issuer would be asked"))
            case .read: return PluginVerdict(.undecided("the body would be read"))
            case .callout: return PluginVerdict(.undecided("the verdict is about another request"))
            }
        } catch {
            let proof = proofRules(token, shown, passage)
            return PluginVerdict(.refuses(error), rules: shown + proof + rules(passage))
        }
    }

    private func explain(_ passage: Passage, proven: ProvenCredential) -> PluginVerdict {
        do throws(Refusal) {
            _ = try admit(proven, passage)
            return PluginVerdict(.passes, rules: rules(passage))
        } catch {
            return PluginVerdict(.refuses(error), rules: rules(passage))
        }
    }

    /// Claims that are taken as proven: of a session if logins are open, else of a bearer token.
    private func proven(_ claims: JSONValue) -> ProvenCredential {
        let isSession = settings.methods.contains(.session) && settings.methods.contains(.authorizationCode)
        let facts = CredentialFacts(
            method: isSession ? .session : .bearer,
            issuer: claims["iss"]?.string ?? parties.issuer.settings.issuer,
            subject: claims["sub"]?.string,
            sources: ClaimSources([ClaimSource("given claims", claims)])
        )
        return settings.proven(facts, consumers: consumers)
    }

    /// What each rule says of the credential that was proven; where none was, that they were not reached.
    private func rules(_ passage: Passage) -> [RuleVerdict] {
        guard let proven = passage.note(at: Self.proof) as? ProvenCredential else {
            return settings.policy.verdicts(on: ClaimSources([])).map { verdict in
                RuleVerdict(
                    rule: Self.title(verdict.rule),
                    source: "openid-connect.\(verdict.rule.setting)",
                    outcome: .notReached
                )
            }
        }
        let rules = settings.policy.verdicts(on: proven.sources).map { verdict in
            let found = verdict.source.map { "found in the \($0)" } ?? "nothing has the claim"
            let wanted =
                verdict.rule.items.isEmpty ? "" : "one of \(verdict.rule.items.joined(separator: ", ")); "
            return RuleVerdict(
                rule: Self.title(verdict.rule),
                source: "openid-connect.\(verdict.rule.setting)",
                passes: verdict.passes,
                detail: wanted + found
            )
        }
        return rules + consumerRules(proven)
    }

    private static func title(_ rule: ClaimRule) -> String {
        "\(rule.setting) on \(rule.path.joined(separator: "."))"
    }

    private func consumerRules(_ proven: ProvenCredential) -> [RuleVerdict] {
        let (passes, detail): (Bool, String)
        switch settings.consumerRule.consumer(of: proven.sources, among: consumers) {
        case .notAsked: return []
        case .found(let consumer, let claim): (passes, detail) = (true, "\(claim) names \(consumer.title)")
        case .missing:
            (passes, detail) = (settings.consumerRule.isOptional, "no consumer has the claim's value")
        }
        return [
            RuleVerdict(
                rule: "consumer_claims",
                source: "openid-connect.consumer_claims",
                passes: passes,
                detail: detail
            )
        ]
    }
}
