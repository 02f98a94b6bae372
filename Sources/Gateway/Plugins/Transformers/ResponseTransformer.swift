// Changes what the client sees of an upstream's answer.
import JSON
package import Proxy

/// The plugin `response-transformer`: Kong's fields and defaults.
package final class ResponseTransformer: Plugin {
    private let fields: FieldRules

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "response-transformer",
        order: .transform,
        schema: ResponseTransformer.schema,
        help: """
            Changes headers of upstreams' answers: remove, rename, replace, add, append, in this order.
            Entries are `name:value`. `replace` changes what is there, `add` what is not, `append` adds in
            any case. A rule sees what other plugins set too, such as `RateLimit-Limit`. Refusals and other
            answers of our own are not changed.
            """,
        make: { settings, _ throws(ConfigurationError) in try ResponseTransformer(settings) }
    )

    private static let schema: [FieldSchema] = [
        ResponseTransformer.rule("remove", "Names of headers that are taken away."),
        ResponseTransformer.rule("rename", "Headers that are called otherwise, `old:new`."),
        ResponseTransformer.rule("replace", "Another value for what is there, `name:value`.", typed: true),
        ResponseTransformer.rule("add", "What is added if it is not there, `name:value`.", typed: true),
        ResponseTransformer.rule("append", "What is added in any case, `name:value`.", typed: true),
    ]

    private static func rule(_ name: String, _ help: String, typed: Bool = false) -> FieldSchema {
        var fields = [
            FieldSchema("headers", .list(.string), default: [], help: help),
            FieldSchema("json", .list(.string), default: [], status: .notYet),
        ]
        if typed { fields.append(FieldSchema("json_types", .list(.string), default: [], status: .notYet)) }
        return FieldSchema(name, .record(fields), help: help)
    }

    init(_ settings: Settings) throws(ConfigurationError) {
        self.fields = try FieldRules(settings, forbidden: [:])
        for (name, _) in try RuleReader(list: "headers", settings: settings).pairs("replace")
        where name.lowercased() == "host" {
            throw settings.error("replace", "'\(name)' belongs to requests")
        }
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step { .proceed }

    package func answer(_ passage: Passage, head: inout ResponseHead) {
        let source = ResponseSource(head: head, earlier: passage.exchange?.answerEdits ?? FieldEdits())
        do throws(FieldEditError) {
            try self.fields.apply(to: &passage.answer, source)
        } catch {
            // Only the size can be wrong here, and an answer cannot be refused any more: what was to go goes.
            self.fields.removeAll(from: &passage.answer)
            passage.reason = "unsafe-field-value"
        }
    }
}

/// An answer's fields as the client would see them.
private struct ResponseSource: FieldSource {
    let head: ResponseHead
    /// What plugins set while the request passed them.
    let earlier: FieldEdits

    func has(_ name: FieldName, after edits: FieldEdits) -> Bool {
        if edits.adds(name) { return true }
        guard !edits.removes(name) else { return false }
        return self.earlier.adds(name) || !self.own(name, edits).isEmpty
    }

    func values(of name: FieldName, after edits: FieldEdits) -> [[UInt8]] {
        self.own(name, edits) + (edits.removes(name) ? [] : self.earlier.values(of: name))
            + edits.values(of: name)
    }

    /// The upstream's own values that are left.
    private func own(_ name: FieldName, _ edits: FieldEdits) -> [[UInt8]] {
        var values: [[UInt8]] = []
        self.head.fields.forEach { field in
            guard self.head.fields.isNamed(field, name), self.head.goesOn(field, after: self.earlier),
                self.head.goesOn(field, after: edits)
            else { return }
            values.append(Array(self.head.fields.value(field)))
        }
        return values
    }
}
