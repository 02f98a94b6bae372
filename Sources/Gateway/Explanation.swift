// Why a request would pass or not, rule by rule.
package import JSON

/// What one rule says of a request.
package struct RuleVerdict: Sendable {
    /// Its verdict; the words that are shown.
    package enum Outcome: String, Sendable {
        case passed, failed
        /// One before it failed.
        case notReached = "not reached"
        /// Nothing was asked that it could judge.
        case notAsked = "not asked"
    }

    /// The rule in words: `scopes_required`.
    package let rule: String
    /// Where the rule comes from: a standard's section, or the field of the configuration.
    package let source: String
    package let outcome: Outcome
    /// What was wanted and found; never a secret.
    package let detail: String?

    /// Describes a verdict.
    package init(rule: String, source: String, outcome: Outcome, detail: String? = nil) {
        self.rule = rule
        self.source = source
        self.outcome = outcome
        self.detail = detail
    }

    /// Describes the verdict of a rule that was asked.
    package init(rule: String, source: String, passes: Bool, detail: String? = nil) {
        self.init(rule: rule, source: source, outcome: passes ? .passed : .failed, detail: detail)
    }

    /// As shown by `gatehouse explain`.
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "rule": .string(self.rule), "source": .string(self.source),
            "verdict": .string(self.outcome.rawValue),
        ]
        if self.outcome == .passed || self.outcome == .failed {
            members["passes"] = .bool(self.outcome == .passed)
        }
        if let detail = self.detail { members["detail"] = .string(detail) }
        return .object(members)
    }
}

/// What one plugin says of a request.
package struct PluginVerdict: Sendable {
    /// What would become of the request.
    package enum Outcome: Sendable {
        case passes
        case answers(status: Int)
        case refuses(Refusal)
        /// It cannot be told without the outside world.
        case undecided(String)
    }

    package let outcome: Outcome
    package let rules: [RuleVerdict]

    /// Describes a verdict.
    package init(_ outcome: Outcome, rules: [RuleVerdict] = []) {
        self.outcome = outcome
        self.rules = rules
    }

    /// As shown by `gatehouse explain`.
    package var json: JSONValue {
        var members: [String: JSONValue] = ["rules": .array(self.rules.map(\.json))]
        switch self.outcome {
        case .passes: members["verdict"] = "passes"
        case .answers(let status):
            members["verdict"] = "answers"
            members["status"] = .integer(Int64(status))
        case .refuses(let refusal):
            members["verdict"] = "refuses"
            members["status"] = .integer(Int64(refusal.status))
            members["reason"] = .string(refusal.reason)
            members["message"] = .string(refusal.message)
            if let detail = refusal.cause.detail { members["detail"] = .string(detail) }
        case .undecided(let why):
            members["verdict"] = "undecided"
            members["detail"] = .string(why)
        }
        return .object(members)
    }
}
