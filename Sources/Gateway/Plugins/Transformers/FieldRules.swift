// Changes of fields that a configuration asks for: Kong's five kinds, in Kong's order.
import Proxy

/// What of a head still goes on, seen by rules that change it.
protocol FieldSource {
    /// Whether a field of that name goes on after `edits`.
    func has(_ name: FieldName, after edits: FieldEdits) -> Bool
    /// All its values that go on after `edits`, in order.
    func values(of name: FieldName, after edits: FieldEdits) -> [[UInt8]]
}

/// Removes, renames, replaces, adds and appends, in this order.
struct FieldRules: Sendable {
    /// A field to set.
    struct Value: Sendable {
        let name: FieldName
        var octets: [UInt8]
        /// What a request fills in; nil where the octets are all.
        var template: Template?
    }

    /// A field to call otherwise.
    struct Renaming: Sendable {
        let old: FieldName
        let new: FieldName

        var touchesCookies: Bool {
            [self.old, self.new].contains { $0 == .cookie || $0 == .setCookie }
        }
    }

    private let removed: [FieldName]
    private let renamed: [Renaming]
    private var replaced: [Value]
    private var added: [Value]
    private var appended: [Value]

    /// Reads `remove.headers`, `rename.headers` and so on; `host` may be replaced, and is left to the caller.
    ///
    /// - Parameters:
    ///   - forbidden: names besides the hop's own that no rule may touch, each with the reason.
    ///   - takesTemplates: whether values may have places that a request fills in.
    init(
        _ settings: Settings,
        forbidden: [FieldName: String],
        takesTemplates: Bool = false
    ) throws(ConfigurationError) {
        let reader = RuleReader(list: "headers", settings: settings)
        func name(_ text: String, _ rule: String) throws(ConfigurationError) -> FieldName {
            guard let name = FieldName(text) else {
                throw reader.error(rule, "'\(text)' is no name of a header")
            }
            guard !name.belongsToHop else {
                throw reader.error(rule, "'\(text)' belongs to the connection; no rule may touch it")
            }
            if let why = forbidden[name] { throw reader.error(rule, "'\(text)': \(why)") }
            return name
        }
        func values(_ rule: String) throws(ConfigurationError) -> [Value] {
            var result: [Value] = []
            for (text, value) in try reader.pairs(rule, takesTemplates: takesTemplates) {
                if rule == "replace", text.lowercased() == "host" { continue }
                let octets = Array(value.utf8)
                guard octets.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }) else {
                    throw reader.error(rule, "the value of '\(text)' holds a control character")
                }
                let template = try reader.template(value, rule)
                result.append(Value(name: try name(text, rule), octets: octets, template: template))
            }
            return result
        }
        self.removed = try reader.texts("remove").map { text throws(ConfigurationError) in
            try name(text, "remove")
        }
        self.renamed = try reader.pairs("rename").map { old, new throws(ConfigurationError) in
            let pair = Renaming(old: try name(old, "rename"), new: try name(new, "rename"))
            if pair.touchesCookies {
                throw reader.error(
                    "rename",
                    "'\(old):\(new)': cookies may be our sessions; they keep their name"
                )
            }
            return pair
        }
        self.replaced = try values("replace")
        self.added = try values("add")
        self.appended = try values("append")
    }

    /// Whether there is nothing to do.
    var isEmpty: Bool {
        self.removed.isEmpty && self.renamed.isEmpty && self.replaced.isEmpty && self.added.isEmpty
            && self.appended.isEmpty
    }

    /// Whether a request fills in values.
    var hasTemplates: Bool {
        (self.replaced + self.added + self.appended).contains { $0.template != nil }
    }

    /// The rules with what a request fills in.
    func filled(_ answers: TemplateAnswers) -> FieldRules {
        func filled(_ values: [Value]) -> [Value] {
            values.map { value in
                guard let template = value.template else { return value }
                return Value(name: value.name, octets: answers.filled(template), template: nil)
            }
        }
        var rules = self
        rules.replaced = filled(self.replaced)
        rules.added = filled(self.added)
        rules.appended = filled(self.appended)
        return rules
    }

    /// Takes away what the rules take away, and sets nothing.
    func removeAll(from edits: inout FieldEdits) {
        for name in self.removed { edits.remove(name) }
        for pair in self.renamed { edits.remove(pair.old) }
    }

    /// Changes what goes on.
    func apply(to edits: inout FieldEdits, _ source: some FieldSource) throws(FieldEditError) {
        for name in self.removed { edits.remove(name) }
        for pair in self.renamed {
            let values = source.values(of: pair.old, after: edits)
            guard let first = values.first else { continue }
            edits.remove(pair.old)
            try edits.set(pair.new, octets: first.span)
            for value in values.dropFirst() { try edits.append(pair.new, octets: value.span) }
        }
        for value in self.replaced where source.has(value.name, after: edits) {
            try edits.set(value.name, octets: value.octets.span)
        }
        for value in self.added where !source.has(value.name, after: edits) {
            try edits.set(value.name, octets: value.octets.span)
        }
        for value in self.appended { try edits.append(value.name, octets: value.octets.span) }
    }
}

/// Reads the lists of rules; each error names the rule.
struct RuleReader {
    /// `headers` or `querystring`.
    let list: String
    let settings: Settings

    /// The entries of a rule's list.
    func texts(_ rule: String) -> [String] { self.settings.record(rule)?.strings(self.list) ?? [] }

    /// The entries of a rule's list as names and values.
    func pairs(
        _ rule: String,
        takesTemplates: Bool = false
    ) throws(ConfigurationError) -> [(name: String, value: String)] {
        var pairs: [(name: String, value: String)] = []
        for text in self.texts(rule) {
            guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), colon > text.startIndex else {
                throw self.error(rule, "'\(text)' has no value; expected name:value")
            }
            let value = text[text.utf8.index(after: colon)...]
            guard takesTemplates || !value.contains("$(") else {
                throw self.error(rule, "'\(text)': no request fills in $(…) here; write the value itself")
            }
            pairs.append((String(text[..<colon]), value.trimmed))
        }
        return pairs
    }

    /// What a request fills in of a value; nil if it is the value itself.
    func template(_ value: String, _ rule: String) throws(ConfigurationError) -> Template? {
        do throws(TemplateError) {
            return try Template(value)
        } catch {
            throw self.error(rule, error.words)
        }
    }

    /// An error about a rule.
    func error(_ rule: String, _ words: String) -> ConfigurationError {
        let record = self.settings.record(rule)
        return ConfigurationError(
            at: record?.position(of: self.list) ?? self.settings.position,
            "\(rule).\(self.list): \(words)"
        )
    }
}

extension Substring {
    /// Without spaces and tabs around it.
    fileprivate var trimmed: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        var text = self.drop(while: isSpace)
        while let last = text.last, isSpace(last) { text.removeLast() }
        return String(text)
    }
}
