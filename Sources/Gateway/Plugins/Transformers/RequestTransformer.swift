// Changes what the upstream sees of a request.
import JSON
import Proxy

/// The plugin `request-transformer`: Kong's fields and defaults.
package final class RequestTransformer: Plugin {
    private let fields: FieldRules
    private let query: QueryRules
    private let replaced: ReplacedParts
    /// The path that a request fills in; then `replaced` has none.
    private let path: Template?
    private let hasTemplates: Bool

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "request-transformer",
        order: .transform,
        schema: RequestTransformer.schema,
        help: """
            Changes headers, query, path and method on the way to the upstream: remove, rename, replace,
            add, append, in this order. Entries are `name:value`. `replace` changes what is there, `add`
            what is not, `append` adds in any case. A rule sees what would go on: the client's headers
            without those of the connection and of identities, and what plugins before it set, such as
            `X-Consumer-Username`. `replace.headers: [host:…]` sets `Host`. `replace.uri` is the whole path
            for the upstream, by the same rules as a client's. HEAD keeps its method, since its answer has
            no body. Values, and `replace.uri`, may hold `$(headers.NAME)`, `$(query_params.NAME)` and
            `$(uri_captures.NAME)` (or `["NAME"]`; a named group of the route's path): of several values the first,
            of none nothing, as they were before these rules. A value that makes no safe header or path is
            refused (403). Route and rules before this one are about the client's own request. A callout carries
            headers alone.
            """,
        make: { settings, _ throws(ConfigurationError) in try RequestTransformer(settings) }
    )

    private static let schema: [FieldSchema] = [
        FieldSchema(
            "http_method",
            .string,
            help: "The method for the upstream, in upper case; not HEAD, CONNECT or TRACE."
        ),
        RequestTransformer.rule("remove", "Names of what is taken away."),
        RequestTransformer.rule("rename", "What is called otherwise, `old:new`."),
        FieldSchema(
            "replace",
            .record(
                RequestTransformer.lists("`name:value` for what is there.")
                    + [FieldSchema("uri", .string, help: "The path for the upstream.")]
            ),
            help: "What gets another value if it is there."
        ),
        RequestTransformer.rule("add", "What is added if it is not there, `name:value`."),
        RequestTransformer.rule("append", "What is added in any case, `name:value`."),
    ]

    private static func rule(_ name: String, _ help: String) -> FieldSchema {
        FieldSchema(name, .record(Self.lists(help)), help: help)
    }

    private static func lists(_ help: String) -> [FieldSchema] {
        [
            FieldSchema("headers", .list(.string), default: [], help: help),
            FieldSchema("querystring", .list(.string), default: [], help: help),
            FieldSchema("body", .list(.string), default: [], status: .notYet),
        ]
    }

    init(_ settings: Settings) throws(ConfigurationError) {
        self.fields = try FieldRules(
            settings,
            forbidden: [.xRequestID: "it is the gateway's own, see correlation-id"],
            takesTemplates: true
        )
        self.query = try QueryRules(settings)
        var replaced = ReplacedParts()
        replaced.host = try Self.host(settings)
        self.path = try Self.template(settings)
        if self.path == nil, let uri = settings.record("replace")?.string("uri") {
            replaced.path = try Self.path(uri, settings)
        }
        self.hasTemplates = self.path != nil || self.fields.hasTemplates || self.query.hasTemplates
        if let name = settings.string("http_method") {
            guard let method = ReplacedMethod(name) else {
                throw settings.error(
                    "http_method",
                    "'\(name)' cannot be sent instead; expected a method such as POST"
                )
            }
            replaced.method = method
        }
        self.replaced = replaced
    }

    /// The last `host` of `replace.headers`, if it is one that a client could have sent.
    private static func host(_ settings: Settings) throws(ConfigurationError) -> [UInt8]? {
        let reader = RuleReader(list: "headers", settings: settings)
        var host: [UInt8]?
        for (name, value) in try reader.pairs("replace", takesTemplates: true)
        where name.lowercased() == "host" {
            guard !value.contains("$(") else {
                throw reader.error("replace", "'\(value)': no client chooses the host; write it")
            }
            let bytes = Array("GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n".utf8)
            guard let head = try? RequestHead.parse(bytes), head.authorityText == value else {
                throw reader.error("replace", "'\(value)' is no host")
            }
            host = Array(value.utf8)
        }
        return host
    }

    private static func path(_ uri: String, _ settings: Settings) throws(ConfigurationError) -> [UInt8] {
        let place = settings.record("replace")?.position(of: "uri") ?? settings.position
        guard uri.hasPrefix("/"), uri.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }),
            let path = Route.canonical(path: uri)
        else {
            throw ConfigurationError(
                at: place,
                "replace.uri: '\(uri)' is no path; expected one such as /v2, without query"
            )
        }
        return Array(path.utf8)
    }

    /// The path that a request fills in; nil where it is written whole, or not at all.
    private static func template(_ settings: Settings) throws(ConfigurationError) -> Template? {
        guard let record = settings.record("replace"), let uri = record.string("uri") else { return nil }
        let template: Template?
        do throws(TemplateError) {
            template = try Template(uri)
        } catch {
            throw ConfigurationError(at: record.position(of: "uri"), "replace.uri: \(error.words)")
        }
        guard let template else { return nil }
        let example = template.example
        guard example.hasPrefix("/"), Route.canonical(path: example) == example else {
            throw ConfigurationError(
                at: record.position(of: "uri"),
                "replace.uri: '\(uri)' is no path; expected one such as /v2/$(uri_captures.id), without query"
            )
        }
        return template
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        guard self.hasTemplates else {
            try Self.change(passage, self.fields, self.query)
            if let path = self.replaced.path { passage.replaced.path = path }
            return self.replaceRest(passage)
        }
        try passage.setIdentityFields()
        let answers = TemplateAnswers(passage)
        try Self.change(passage, self.fields.filled(answers), self.query.filled(answers))
        if let path = self.replaced.path { passage.replaced.path = path }
        if let template = self.path {
            guard let path = answers.path(template) else { throw .unsafeField }
            passage.replaced.path = path
        }
        return self.replaceRest(passage)
    }

    private static func change(
        _ passage: Passage,
        _ fields: FieldRules,
        _ query: QueryRules
    ) throws(Refusal) {
        if !fields.isEmpty {
            try passage.setIdentityFields()
            let source = RequestSource(passage)
            do throws(FieldEditError) {
                try fields.apply(to: &passage.upstream, source)
            } catch {
                throw .unsafeField
            }
        }
        if !query.isEmpty {
            passage.upstreamQuery = .replaced(query.applied(to: passage.queryThatGoesOn[...]))
        }
    }

    private func replaceRest(_ passage: Passage) -> Step {
        if let host = self.replaced.host { passage.replaced.host = host }
        // `OPTIONS *` is no path, and HEAD's answer ends otherwise.
        if passage.request.method != .head, passage.request.path.first == UInt8(ascii: "/") {
            passage.replaced.method = self.replaced.method
        }
        return .proceed
    }
}

extension Passage {
    /// The query that goes on as things stand; empty without one.
    var queryThatGoesOn: [UInt8] {
        switch self.queryEdit {
        case .unchanged: self.request.query.map { Array($0) } ?? []
        case .replaced(let octets): octets ?? []
        }
    }
}

/// A request's fields as the upstream would see them.
struct RequestSource: FieldSource {
    let head: RequestHead
    private let dropped: FieldNameSet
    private let isTrusted: Bool

    init(_ passage: Passage) {
        self.head = passage.request
        self.dropped = passage.plan.identityFields
        self.isTrusted = passage.client.isTrustedPeer
    }

    func has(_ name: FieldName, after edits: FieldEdits) -> Bool {
        if edits.adds(name) { return true }
        var found = false
        self.head.forEach { field in
            if self.head.fields.isNamed(field, name), self.goesOn(field, edits) { found = true }
        }
        return found
    }

    func values(of name: FieldName, after edits: FieldEdits) -> [[UInt8]] {
        var values: [[UInt8]] = []
        self.head.forEach { field in
            guard self.head.fields.isNamed(field, name), self.goesOn(field, edits) else { return }
            values.append(Array(self.head.fields.value(field)))
        }
        return values + edits.values(of: name)
    }

    private func goesOn(_ field: FieldRange, _ edits: FieldEdits) -> Bool {
        self.head.goesOn(field, after: edits, dropping: self.dropped, isTrusted: self.isTrusted)
    }
}
