// A rule on a claim: what must be there.
package import JSON

/// One `*_required` list with the path of its claim, or one thing that must not be.
package struct ClaimRule: Sendable, Equatable {
    /// How a claim's text falls into values.
    package enum Kind: Sendable, Equatable {
        /// Split at spaces (RFC 6749 §3.3); what the token endpoint granted decides first.
        case scopes
        /// Never split.
        case audience
        /// Split at commas if there is one, else at spaces.
        case groups
        /// The value must be one of the items, whole.
        case oneOf
        /// The claim must not be there.
        case forbidden
    }

    /// The setting that asks for it.
    package let setting: String
    /// How the claim is read.
    package let kind: Kind
    /// The path of the claim.
    package let path: [String]
    /// Alternatives; the words of each must all be there.
    package let items: [String]
    /// The word for logs and metrics when the rule refuses.
    package let reason: String

    /// Makes a rule.
    package init(setting: String, kind: Kind, path: [String], items: [String], reason: String) {
        self.setting = setting
        self.kind = kind
        self.path = path
        self.items = items
        self.reason = reason
    }

    /// Judges the claims.
    package func verdict(on sources: ClaimSources) -> ClaimVerdict {
        if kind == .scopes, let granted = sources.grantedScope {
            return ClaimVerdict(
                rule: self,
                passes: isMet(by: Self.words(granted), whole: granted),
                source: "token response"
            )
        }
        guard let (value, source) = sources.claim(at: path) else {
            return ClaimVerdict(rule: self, passes: kind == .forbidden, source: nil)
        }
        if kind == .forbidden { return ClaimVerdict(rule: self, passes: false, source: source) }
        return ClaimVerdict(
            rule: self,
            passes: isMet(by: values(of: value), whole: value.string),
            source: source
        )
    }

    /// Whether some item equals a value, or has all its words among the values.
    private func isMet(by values: [String], whole: String?) -> Bool {
        // As nearly always: one of the items is one of the values, or the whole text.
        for item in items {
            if values.contains(where: { item.isIdentical(toUTF8Of: $0) }) { return true }
            if let whole, item.isIdentical(toUTF8Of: whole) { return true }
        }
        guard kind != .oneOf else { return false }
        let held = Set(values.map { Array($0.utf8) })
        return items.contains { item in
            let words = Self.words(item)
            return !words.isEmpty && words.allSatisfy { held.contains(Array($0.utf8)) }
        }
    }

    /// The values that a claim holds.
    package func values(of claim: JSONValue) -> [String] {
        switch claim {
        case .array(let elements): elements.compactMap(Self.text)
        case .string(let text): split(text)
        default: Self.text(claim).map { [$0] } ?? []
        }
    }

    private func split(_ text: String) -> [String] {
        switch kind {
        case .scopes: Self.words(text)
        case .audience, .oneOf, .forbidden: [text]
        case .groups: Self.groups(in: text)
        }
    }

    /// Groups or roles that were written as one text: at commas if it has one, else at spaces.
    package static func groups(in text: String) -> [String] {
        guard text.utf8.contains(UInt8(ascii: ",")) else { return words(text) }
        return text.utf8.split(separator: UInt8(ascii: ",")).map { part in
            var part = part
            while part.first == 0x20 { part = part.dropFirst() }
            while part.last == 0x20 { part = part.dropLast() }
            return String(part) ?? ""
        }.filter { !$0.isEmpty }
    }

    /// Words between spaces.
    package static func words(_ text: String) -> [String] {
        text.utf8.split(separator: UInt8(ascii: " ")).compactMap { String($0) }
    }

    /// A value as text: strings as they are, whole numbers in digits, truth values in words.
    package static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .integer(let number): String(number)
        case .largeInteger(let digits): digits
        case .bool(let flag): flag ? "true" : "false"
        case .null, .number, .array, .object: nil
        }
    }
}

/// What a rule says of some claims, and which claims it looked at.
package struct ClaimVerdict: Sendable, Equatable {
    /// The rule.
    package let rule: ClaimRule
    /// Whether it lets them pass.
    package let passes: Bool
    /// Where the claim was found; nil when nothing has it.
    package let source: String?
}

/// Rules that must all pass.
package struct ClaimPolicy: Sendable, Equatable {
    /// The rules, in the order in which they are asked.
    package let rules: [ClaimRule]

    /// Gathers rules.
    package init(_ rules: [ClaimRule]) {
        self.rules = rules
    }

    /// The first rule that refuses, or nil when all pass.
    package func refusal(of sources: ClaimSources) -> ClaimRule? {
        rules.first { !$0.verdict(on: sources).passes }
    }

    /// What every rule says.
    package func verdicts(on sources: ClaimSources) -> [ClaimVerdict] {
        rules.map { $0.verdict(on: sources) }
    }
}
