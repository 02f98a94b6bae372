// Changes of a query that a configuration asks for.
import Proxy

/// Removes, renames, replaces, adds and appends arguments, in this order; what no rule names stays octet by
/// octet.
struct QueryRules: Sendable {
    /// An argument to set: its name, and how name and value are written.
    private struct Value: Sendable {
        let name: [UInt8]
        let written: [UInt8]
    }

    private let removed: [[UInt8]]
    private let renamed: [(old: [UInt8], new: [UInt8])]
    private let replaced: [Value]
    private let added: [Value]
    private let appended: [Value]

    /// Reads `remove.querystring`, `rename.querystring` and so on.
    init(_ settings: Settings) throws(ConfigurationError) {
        let reader = RuleReader(list: "querystring", settings: settings)
        func values(_ rule: String) throws(ConfigurationError) -> [Value] {
            try reader.pairs(rule).map { name, value in
                Value(
                    name: Array(name.utf8),
                    written: Self.encoded(name) + [UInt8(ascii: "=")] + Self.encoded(value)
                )
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
        return QueryKeys.argument((Self.encoded(String(decoding: name, as: UTF8.self)) + value)[...])
    }

    /// Everything but unreserved characters percent-encoded (RFC 3986 §2.3).
    private static func encoded(_ text: String) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return text.utf8.flatMap { octet -> [UInt8] in
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
