// Reads written values against fields, and gathers everything that is wrong.
import JSON

/// Reads records; every error is kept, so that the user sees all of them in one go.
package struct SettingsReader {
    /// What was found wrong so far.
    package private(set) var diagnostics: [Diagnostic] = []

    /// A reader that has found nothing yet.
    package init() {}

    /// Notes an error.
    package mutating func fail(at position: Position, _ message: String) {
        self.diagnostics.append(Diagnostic(.error, at: position, message))
    }

    /// Notes a warning.
    package mutating func warn(at position: Position, _ message: String) {
        self.diagnostics.append(Diagnostic(.warning, at: position, message))
    }

    /// Takes over findings of others.
    package mutating func take(_ others: [Diagnostic]) {
        self.diagnostics.append(contentsOf: others)
    }

    /// Reads a record; what is wrong in it is left out and noted.
    ///
    /// - Parameter path: how errors name the record; empty for the outermost.
    package mutating func record(_ node: ConfigNode, _ schema: [FieldSchema], path: String) -> Settings {
        var entries: [ConfigEntry] = []
        if case .map(let written) = node.value {
            entries = written
        } else if !node.isNull {
            self.fail(
                at: node.position,
                "\(path.isEmpty ? "" : "\(path): ")expected a record, found \(node.kind)"
            )
        }
        var written: [String: Settings.Written] = [:]
        for entry in entries {
            guard let field = schema.first(where: { $0.name == entry.key }) else {
                self.unknown(entry, schema, path: path)
                continue
            }
            guard !entry.node.isNull, self.isServed(entry, field, path: path) else { continue }
            let value =
                entry.node.isUnresolved
                ? nil : self.value(entry.node, field.type, field, path: path.appending(field.name))
            written[field.name] = Settings.Written(position: entry.node.position, value: value)
        }
        for field in schema where field.isRequired && field.default == nil && written[field.name] == nil {
            self.fail(at: node.position, "\(path.appending(field.name)) is required")
        }
        return Settings(position: node.position, schema: schema, written: written)
    }

    private mutating func unknown(_ entry: ConfigEntry, _ schema: [FieldSchema], path: String) {
        let hint = NearName.hint(entry.key, among: schema.map(\.name))
        let place = path.isEmpty ? "" : " in \(path)"
        self.fail(at: entry.position, "unknown field '\(entry.key)'\(place)\(hint)")
    }

    /// Whether the field may be read; if not, that is noted unless what is written changes nothing.
    private mutating func isServed(_ entry: ConfigEntry, _ field: FieldSchema, path: String) -> Bool {
        switch field.status {
        case .served, .inert: return true
        case .notYet:
            if entry.node.json == field.default || entry.node.json == .array([]) { return false }
            self.fail(
                at: entry.position,
                "'\(path.appending(field.name))' is known, but not served yet; remove it"
            )
            return false
        case .refused(let why):
            self.fail(at: entry.position, "'\(path.appending(field.name))' is refused: \(why)")
            return false
        }
    }

    // MARK: Values

    private mutating func value(
        _ node: ConfigNode,
        _ type: FieldType,
        _ field: FieldSchema,
        path: String
    )
        -> SettingValue?
    {
        switch type {
        case .string: return self.string(node, field, path: path).map { .string($0) }
        case .integer: return self.integer(node, field, path: path).map { .integer($0) }
        case .number: return self.number(node, field, path: path).map { .number($0) }
        case .boolean: return self.boolean(node, path: path).map { .boolean($0) }
        case .record(let fields): return .record(self.record(node, fields, path: path))
        case .any: return .any(node.json)
        case .list(let element):
            guard case .list(let nodes) = node.value else {
                let written =
                    if case .scalar(let text, _) = node.value, !field.isSecret { ": [\(text)]" } else { "" }
                self.fail(at: node.position, "\(path): expected a list\(written), found \(node.kind)")
                return nil
            }
            return .list(
                nodes.enumerated().compactMap { self.value($1, element, field, path: "\(path)[\($0)]") }
            )
        case .map(let element):
            guard case .map(let entries) = node.value else {
                self.fail(at: node.position, "\(path): expected names with values, found \(node.kind)")
                return nil
            }
            var members: [String: SettingValue] = [:]
            for entry in entries {
                members[entry.key] = self.value(entry.node, element, field, path: "\(path).\(entry.key)")
            }
            return .map(members)
        }
    }

    private mutating func scalar(_ node: ConfigNode, expected: String, path: String) -> (String, ScalarStyle)?
    {
        guard case .scalar(let text, let style) = node.value else {
            self.fail(at: node.position, "\(path): expected \(expected), found \(node.kind)")
            return nil
        }
        return (text, style)
    }

    private mutating func string(_ node: ConfigNode, _ field: FieldSchema, path: String) -> String? {
        guard let (text, style) = self.scalar(node, expected: "text", path: path) else { return nil }
        if style == .plain, PlainScalar(text) != .text {
            let shown = field.isSecret ? "it" : "it: '\(text)'"
            self.fail(
                at: node.position,
                "\(path): expected text, but YAML can read this unquoted value as something else; quote \(shown)"
            )
            return nil
        }
        guard field.oneOf.isEmpty || field.oneOf.contains(text) else {
            let hint = NearName.hint(text, among: field.oneOf)
            let found = field.isSecret ? "" : ", found '\(text)'"
            self.fail(
                at: node.position,
                "\(path): expected one of \(field.oneOf.joined(separator: ", "))\(found)\(hint)"
            )
            return nil
        }
        return text
    }

    private mutating func integer(_ node: ConfigNode, _ field: FieldSchema, path: String) -> Int? {
        guard let (text, style) = self.scalar(node, expected: "a whole number", path: path) else {
            return nil
        }
        guard style != .quoted, case .integer(let number) = PlainScalar(text),
            let whole = Int(exactly: number)
        else {
            self.fail(at: node.position, "\(path): expected a whole number\(self.found(text, style))")
            return nil
        }
        guard self.isWithin(Double(whole), field, node, path: path) else { return nil }
        return whole
    }

    private mutating func number(_ node: ConfigNode, _ field: FieldSchema, path: String) -> Double? {
        guard let (text, style) = self.scalar(node, expected: "a number", path: path) else { return nil }
        let number: Double
        switch PlainScalar(text) {
        case .integer(let whole) where style != .quoted: number = Double(whole)
        case .number(let fraction) where style != .quoted: number = fraction
        default:
            self.fail(at: node.position, "\(path): expected a number\(self.found(text, style))")
            return nil
        }
        return self.isWithin(number, field, node, path: path) ? number : nil
    }

    private mutating func boolean(_ node: ConfigNode, path: String) -> Bool? {
        guard let (text, style) = self.scalar(node, expected: "true or false", path: path) else { return nil }
        guard style != .quoted, case .bool(let flag) = PlainScalar(text) else {
            self.fail(at: node.position, "\(path): expected true or false\(self.found(text, style))")
            return nil
        }
        return flag
    }

    /// What was found instead; a value from the environment is never shown.
    private func found(_ text: String, _ style: ScalarStyle) -> String {
        switch style {
        case .plain: ", found \(text)"
        case .quoted: ", found the text '\(text)'; write it without quotes"
        case .resolved: ", found another value in the environment"
        }
    }

    private mutating func isWithin(
        _ number: Double,
        _ field: FieldSchema,
        _ node: ConfigNode,
        path: String
    )
        -> Bool
    {
        guard let range = field.range, !range.contains(number) else { return true }
        let bounds = "\(Self.shown(range.lowerBound)) to \(Self.shown(range.upperBound))"
        self.fail(at: node.position, "\(path): expected a number from \(bounds), found \(Self.shown(number))")
        return false
    }

    private static func shown(_ number: Double) -> String {
        Int64(exactly: number).map(String.init) ?? String(number)
    }
}

extension FieldSchema {
    /// The default in the shape that reading gives.
    var standard: SettingValue? { self.default.flatMap { Self.standard($0, self.type) } }

    private static func standard(_ json: JSONValue, _ type: FieldType) -> SettingValue? {
        switch type {
        case .string: return json.string.map { .string($0) }
        case .integer: return json.integer.map { .integer(Int($0)) }
        case .number: return json.number.map { .number($0) }
        case .boolean: return json.bool.map { .boolean($0) }
        case .any: return .any(json)
        case .list(let element): return json.array.map { .list($0.compactMap { Self.standard($0, element) }) }
        case .map(let element):
            return json.object.map { .map($0.compactMapValues { Self.standard($0, element) }) }
        case .record(let fields):
            var reader = SettingsReader()
            return .record(reader.record(ConfigNode(json), fields, path: ""))
        }
    }
}

extension String {
    /// This path with one more name at its end.
    fileprivate func appending(_ name: String) -> String { self.isEmpty ? name : "\(self).\(name)" }
}
