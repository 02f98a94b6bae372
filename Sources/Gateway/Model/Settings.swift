// A record of a configuration, read against its fields: typed, with defaults and places.
package import JSON

/// One value of a record after it was checked.
package indirect enum SettingValue: Sendable {
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case list([SettingValue])
    case record(Settings)
    case map([String: SettingValue])
    case any(JSONValue)
}

/// A record that was read against its fields.
///
/// Asking for a name that the fields do not have, or as another type than theirs, is a programmer's mistake.
package struct Settings: Sendable {
    /// Where the record begins.
    package let position: Position
    private let schema: [FieldSchema]
    /// What was written, and not as null; defaults are read where they are asked for.
    private let written: [String: Written]

    /// A field that was written.
    struct Written: Sendable {
        let position: Position
        /// Nil where it was not what the field wants.
        let value: SettingValue?
    }

    init(position: Position, schema: [FieldSchema], written: [String: Written]) {
        self.position = position
        self.schema = schema
        self.written = written
    }

    /// Whether the user wrote the field, and not as null.
    package func wrote(_ name: String) -> Bool { self.written[name] != nil }

    /// Whether the record has a field of that name at all.
    package func has(_ name: String) -> Bool { self.schema.contains { $0.name == name } }

    /// Where the field's value stands, or else the record.
    package func position(of name: String) -> Position { self.written[name]?.position ?? self.position }

    /// An error about one field.
    package func error(_ name: String, _ message: String) -> ConfigurationError {
        ConfigurationError(at: self.position(of: name), "\(name): \(message)")
    }

    /// A text, if there is one.
    package func string(_ name: String) -> String? {
        guard let value = self.value(name) else { return nil }
        guard case .string(let text) = value else { preconditionFailure("\(name) is not text") }
        return text
    }

    /// A whole number, if there is one.
    package func integer(_ name: String) -> Int? {
        guard let value = self.value(name) else { return nil }
        guard case .integer(let number) = value else { preconditionFailure("\(name) is not a whole number") }
        return number
    }

    /// A number, if there is one.
    package func number(_ name: String) -> Double? {
        guard let value = self.value(name) else { return nil }
        switch value {
        case .number(let number): return number
        case .integer(let number): return Double(number)
        case .string, .boolean, .list, .record, .map, .any: preconditionFailure("\(name) is not a number")
        }
    }

    /// A flag, if there is one.
    package func boolean(_ name: String) -> Bool? {
        guard let value = self.value(name) else { return nil }
        guard case .boolean(let flag) = value else { preconditionFailure("\(name) is not a flag") }
        return flag
    }

    /// Whether a flag is set; absent is false.
    package func flag(_ name: String) -> Bool { self.boolean(name) ?? false }

    /// A list of texts, if there is one; `wrote` tells an empty list from none.
    package func strings(_ name: String) -> [String]? {
        self.list(name)?.map { element in
            guard case .string(let text) = element else {
                preconditionFailure("\(name) is not a list of texts")
            }
            return text
        }
    }

    /// A list of lists of texts; none when nothing is there.
    package func lists(_ name: String) -> [[String]] {
        (self.list(name) ?? []).map { element in
            guard case .list(let texts) = element else {
                preconditionFailure("\(name) is not a list of lists")
            }
            return texts.map { text in
                guard case .string(let text) = text else {
                    preconditionFailure("\(name) is not a list of lists of texts")
                }
                return text
            }
        }
    }

    /// A list of whole numbers, if there is one.
    package func integers(_ name: String) -> [Int]? {
        self.list(name)?.map { element in
            guard case .integer(let number) = element else {
                preconditionFailure("\(name) is not a list of whole numbers")
            }
            return number
        }
    }

    /// A nested record, if there is one.
    package func record(_ name: String) -> Settings? {
        guard let value = self.value(name) else { return nil }
        guard case .record(let record) = value else { preconditionFailure("\(name) is not a record") }
        return record
    }

    /// A list of records; none when nothing is there.
    package func records(_ name: String) -> [Settings] {
        (self.list(name) ?? []).map { element in
            guard case .record(let record) = element else {
                preconditionFailure("\(name) is not a list of records")
            }
            return record
        }
    }

    /// Names of the user's choice with their values; none when nothing is there.
    package func map(_ name: String) -> [String: SettingValue] {
        guard let value = self.value(name) else { return [:] }
        guard case .map(let members) = value else { preconditionFailure("\(name) is not a map") }
        return members
    }

    /// A value whose type the field leaves open, if there is one.
    package func any(_ name: String) -> JSONValue? {
        guard let value = self.value(name) else { return nil }
        guard case .any(let json) = value else { preconditionFailure("\(name) has a type") }
        return json
    }

    private func list(_ name: String) -> [SettingValue]? {
        guard let value = self.value(name) else { return nil }
        guard case .list(let elements) = value else { preconditionFailure("\(name) is not a list") }
        return elements
    }

    private func value(_ name: String) -> SettingValue? {
        if let written = self.written[name] { return written.value }
        guard let field = self.schema.first(where: { $0.name == name }) else {
            preconditionFailure("there is no field \(name) in this record")
        }
        return field.standard
    }
}

extension Settings {
    /// Settings as a file would have given them; for defaults and tests.
    package init(_ json: JSONValue = .object([:]), schema: [FieldSchema]) throws(ConfigurationError) {
        var reader = SettingsReader()
        let settings = reader.record(ConfigNode(json), schema, path: "")
        guard reader.diagnostics.isEmpty else { throw ConfigurationError(reader.diagnostics) }
        self = settings
    }
}
