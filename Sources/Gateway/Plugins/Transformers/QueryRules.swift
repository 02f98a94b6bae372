// Changes of a query that a configuration asks for.
import Proxy

/// Removes, renames, replaces, adds and appends arguments, in this order; what no rule names stays octet by
/// octet.
struct QueryRules: Sendable {
    /// An argument to set: its name, and how name and value are written.
    private struct Value: Sendable {
        let name: [UInt8]
        let written: [UInt8]
        /// What a request fills in; nil where it is written already.
        var template: Template?
    }

    private let removed: [[UInt8]]
    private let renamed: [(old: [UInt8], new: [UInt8])]
    private var replaced: [Value]
    private var added: [Value]
    private var appended: [Value]

    /// Reads `remove.querystring`, `rename.querystring` and so on.
    init(_ settings: Settings) throws(ConfigurationError) {
        let reader = RuleReader(list: "querystring", settings: settings)
        func values(_ rule: String) throws(ConfigurationError) -> [Value] {
            try reader.pairs(rule, takesTemplates: true).map { name, value throws(ConfigurationError) in
                Self.value(Array(name.utf8), Array(value.utf8), try reader.template(value, rule))
            }
        }
        self.removed = reader.texts("remove").map { Array($0.utf8) }
        self.renamed = try reader.pairs("rename").map { (Array($0.name.utf8), Array($0.value.utf8)) }
        for (old, new) in self.renamed where new.isEmpty {
            throw reader.error("rename", "'\(String(decoding: old, as: UTF8.self)):' has no new name")
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

    private static func value(_ name: [UInt8], _ value: [UInt8], _ template: Template? = nil) -> Value {
        let written = self.encoded(name) + [UInt8(ascii: "=")] + self.encoded(value)
        return Value(name: name, written: written, template: template)
    }

    /// Whether a request fills in values.
    var hasTemplates: Bool {
        (self.replaced + self.added + self.appended).contains { $0.template != nil }
    }

    /// The rules with what a request fills in.
    func filled(_ answers: TemplateAnswers) -> QueryRules {
        func filled(_ values: [Value]) -> [Value] {
            values.map { value in
                guard let template = value.template else { return value }
                return Self.value(value.name, answers.filled(template))
            }
        }
        var rules = self
        rules.replaced = filled(self.replaced)
        rules.added = filled(self.added)
        rules.appended = filled(self.appended)
        return rules
    }

    /// The query after the rules, or nil for none.
    func applied(to query: ArraySlice<UInt8>) -> [UInt8]? {
        var keys = QueryKeys(query)
        for name in self.removed { keys.arguments.removeAll { $0.name == name } }
        for (old, new) in self.renamed where keys.arguments.contains(where: { $0.name == old }) {
            if old != new { keys.arguments.removeAll { $0.name == new } }
            keys.arguments = keys.arguments.map { $0.name == old ? Self.renamed($0, new) : $0 }
        }
        for value in self.replaced {
            guard let place = keys.arguments.firstIndex(where: { $0.name == value.name }) else { continue }
            keys.arguments[place] = QueryKeys.argument(value.written[...])
            let rest = keys.arguments[(place + 1)...].filter { $0.name != value.name }
            keys.arguments.replaceSubrange((place + 1)..., with: rest)
        }
        for value in self.added where !keys.arguments.contains(where: { $0.name == value.name }) {
            keys.arguments.append(QueryKeys.argument(value.written[...]))
        }
        for value in self.appended { keys.arguments.append(QueryKeys.argument(value.written[...])) }
        return keys.written
    }

    private static func renamed(_ argument: QueryKeys.Argument, _ name: [UInt8]) -> QueryKeys.Argument {
        let value = argument.written.drop { $0 != UInt8(ascii: "=") }
        return QueryKeys.argument((Self.encoded(name) + value)[...])
    }

    /// Everything but unreserved characters percent-encoded (RFC 3986 §2.3).
    static func encoded(_ octets: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return octets.flatMap { octet -> [UInt8] in
            switch octet {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                [octet]
            default: [UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }
        }
    }
}
