// A configuration as it was written: values with their places.
package import JSON

/// How a scalar was written, which decides what it may be read as.
package enum ScalarStyle: Sendable, Hashable {
    /// Without quotes: YAML itself gives it a type.
    case plain
    /// In quotes, or as a block: text and nothing else.
    case quoted
    /// Taken from the environment: whatever type the field has.
    case resolved
}

/// One value of a configuration and where it stands.
package struct ConfigNode: Sendable {
    /// What a node holds.
    package indirect enum Value: Sendable {
        case scalar(String, ScalarStyle)
        case list([ConfigNode])
        case map([ConfigEntry])

        /// Stands for a reference that led nowhere: written, and without a value.
        package static let unresolved = Value.scalar("", .resolved)
    }

    package let value: Value
    package let position: Position

    /// Whether this is a reference that led nowhere, which was noted where it was found.
    var isUnresolved: Bool {
        guard case .scalar("", .resolved) = self.value else { return false }
        return true
    }

    /// Makes a node.
    package init(_ value: Value, at position: Position) {
        self.value = value
        self.position = position
    }

    /// The node that would have been read for a JSON value; for settings made in code.
    package init(_ json: JSONValue, at position: Position = .nowhere) {
        self.position = position
        self.value =
            switch json {
            case .null: .scalar("null", .plain)
            case .bool(let flag): .scalar(flag ? "true" : "false", .plain)
            case .integer(let number): .scalar(String(number), .plain)
            case .number(let number): .scalar(String(number), .plain)
            case .largeInteger(let digits): .scalar(digits, .plain)
            case .string(let text): .scalar(text, .quoted)
            case .array(let list): .list(list.map { ConfigNode($0, at: position) })
            case .object(let members):
                .map(
                    members.sorted { $0.key < $1.key }.map {
                        ConfigEntry(
                            key: $0.key,
                            position: position,
                            node: ConfigNode($0.value, at: position)
                        )
                    }
                )
            }
    }

    /// Whether this is YAML's null: as if nothing had been written.
    package var isNull: Bool {
        guard case .scalar(let text, .plain) = self.value else { return false }
        return PlainScalar(text) == .null
    }

    /// What kind of value this is, in words for an error.
    package var kind: String {
        switch self.value {
        case .list: return "a list"
        case .map: return "a record"
        case .scalar(_, .quoted), .scalar(_, .resolved): return "text"
        case .scalar(let text, .plain):
            switch PlainScalar(text) {
            case .null: return "nothing"
            case .bool: return "true or false"
            case .integer, .number: return "a number"
            case .text, .ambiguous: return "text"
            }
        }
    }

    /// The entry of a map named `key`.
    package func entry(_ key: String) -> ConfigEntry? {
        guard case .map(let entries) = self.value else { return nil }
        return entries.first { $0.key == key }
    }

    /// The value as JSON, typed as YAML's core schema does.
    package var json: JSONValue {
        switch self.value {
        case .list(let nodes): return .array(nodes.map(\.json))
        case .map(let entries):
            return .object(
                Dictionary(entries.map { ($0.key, $0.node.json) }, uniquingKeysWith: { first, _ in first })
            )
        case .scalar(let text, .plain):
            switch PlainScalar(text) {
            case .null: return .null
            case .bool(let flag): return .bool(flag)
            case .integer(let number): return .integer(number)
            case .number(let number): return .number(number)
            case .text, .ambiguous: return .string(text)
            }
        case .scalar(let text, _): return .string(text)
        }
    }
}

/// One `key: value` of a configuration.
package struct ConfigEntry: Sendable {
    package let key: String
    /// Where the key stands.
    package let position: Position
    package let node: ConfigNode

    /// Makes an entry.
    package init(key: String, position: Position, node: ConfigNode) {
        self.key = key
        self.position = position
        self.node = node
    }
}

/// What an unquoted scalar is: YAML 1.2's core schema, and the forms on which YAML 1.1 and 1.2 disagree.
package enum PlainScalar: Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case text
    /// One reader takes it for text, another for something else: it has to be quoted to be text.
    case ambiguous

    private static let words: Set<String> = [
        "yes", "no", "on", "off", "y", "n", ".inf", "+.inf", "-.inf", ".nan", "<<", "=",
    ]

    /// Reads an unquoted scalar.
    package init(_ text: String) {
        switch text {
        case "", "~", "null", "Null", "NULL": self = .null
        case "true", "True", "TRUE": self = .bool(true)
        case "false", "False", "FALSE": self = .bool(false)
        default: self = Self.words.contains(text.lowercased()) ? .ambiguous : Self.numeric(text)
        }
    }

    private static func numeric(_ text: String) -> PlainScalar {
        let bytes = Array(text.utf8)
        let signed = bytes.first == UInt8(ascii: "-") || bytes.first == UInt8(ascii: "+")
        let digits = signed ? bytes.dropFirst() : bytes[...]
        guard let first = digits.first else { return .text }
        guard first.isDigit || (first == UInt8(ascii: ".") && digits.dropFirst().first?.isDigit == true)
        else { return .text }
        if digits.allSatisfy(\.isDigit) {
            guard first != UInt8(ascii: "0") || digits.count == 1, bytes.first != UInt8(ascii: "+") else {
                return .ambiguous
            }
            return Int64(text).map { .integer($0) } ?? .ambiguous
        }
        return Self.pointed(text, digits)
    }

    /// Reads what begins like a number and is not one whole number: a decimal, or something to be quoted.
    private static func pointed(_ text: String, _ digits: ArraySlice<UInt8>) -> PlainScalar {
        let parts = digits.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty,
            parts.allSatisfy({ $0.allSatisfy(\.isDigit) }),
            parts[0].count == 1 || parts[0].first != UInt8(ascii: "0"), let number = Double(text)
        {
            return .number(number)
        }
        let isHexadecimal =
            digits.starts(with: Array("0x".utf8)) && digits.dropFirst(2).allSatisfy(\.isHexDigit)
        let isOctal = digits.starts(with: Array("0o".utf8)) && digits.dropFirst(2).allSatisfy(\.isDigit)
        let isNumberLike = digits.allSatisfy { $0.isDigit || Array("._eE+-:".utf8).contains($0) }
        let dots = parts.count - 1
        // 10.0.0.1 and 10.0.0.1:80 are text to every reader.
        guard isHexadecimal || isOctal || (isNumberLike && dots < 2) else { return .text }
        return .ambiguous
    }
}

extension UInt8 {
    /// Whether this is an ASCII digit.
    var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }

    /// Whether this is an ASCII hexadecimal digit.
    var isHexDigit: Bool {
        self.isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20)
    }
}
