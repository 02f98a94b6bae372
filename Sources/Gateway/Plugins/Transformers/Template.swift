// Values that a request fills in: the part of Kong's templates that asks and computes nothing.
import Proxy

/// Why a text is no template that is served.
struct TemplateError: Error {
    let words: String
}

/// A value with places such as `$(headers.x-tenant)`; read once, when its plugin is made.
struct Template: Sendable {
    /// What a place asks for.
    enum Question: Sendable {
        case field(FieldName)
        case argument(String)
        /// A named group of the pattern that the path matched.
        case capture(String)
    }

    enum Part: Sendable {
        case text([UInt8])
        case place(Question)
    }

    let parts: [Part]

    /// Reads a value; nil if it has no place to fill in.
    init?(_ value: String) throws(TemplateError) {
        guard value.contains("$(") else { return nil }
        var parts: [Part] = []
        var rest = value[...]
        while let opening = rest.firstRange(of: "$(") {
            parts.append(.text(Array(rest[..<opening.lowerBound].utf8)))
            rest = rest[opening.upperBound...]
            guard let closing = rest.firstIndex(of: ")") else {
                throw TemplateError(words: "'$(' has no ')' behind it")
            }
            parts.append(.place(try Self.question(rest[..<closing])))
            rest = rest[rest.index(after: closing)...]
        }
        parts.append(.text(Array(rest.utf8)))
        self.parts = parts
    }

    /// The value with a letter in each place.
    var example: String {
        self.parts.map { part in
            if case .text(let text) = part { String(decoding: text, as: UTF8.self) } else { "x" }
        }.joined()
    }

    private static func question(_ text: Substring) throws(TemplateError) -> Question {
        let table = text.prefix { $0 != "." && $0 != "[" }
        guard let name = self.name(text[table.endIndex...]),
            ["headers", "query_params", "uri_captures"].contains(table)
        else {
            guard table != "shared" else {
                throw TemplateError(
                    words: "'$(\(text))': nothing is shared here; only Kong's own plugins do that"
                )
            }
            throw TemplateError(
                words: "'$(\(text))' is not served; write $(headers.NAME), $(query_params.NAME) or "
                    + "$(uri_captures.NAME), and no code"
            )
        }
        switch table {
        case "headers": return .field(try self.field(name))
        case "query_params": return .argument(name)
        default: return .capture(name)
        }
    }

    /// What stands as `.name`, `["name"]` or `['name']`.
    private static func name(_ text: Substring) -> String? {
        let letters: Substring
        if text.hasPrefix(".") {
            letters = text.dropFirst()
        } else if ["\"", "'"].contains(where: { text.hasPrefix("[\($0)") && text.hasSuffix("\($0)]") }),
            text.count > 4
        {
            letters = text.dropFirst(2).dropLast(2)
        } else {
            return nil
        }
        let isName = letters.utf8.allSatisfy { octet in
            (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
                || octet == 0x2D || octet == 0x5F
        }
        return isName && !letters.isEmpty ? String(letters) : nil
    }

    /// As in Kong, `_` stands for `-` in the names of fields.
    private static func field(_ name: String) throws(TemplateError) -> FieldName {
        guard let field = FieldName(String(name.map { $0 == "_" ? "-" : $0 })) else {
            throw TemplateError(words: "'\(name)' is no name of a header")
        }
        guard field == .host || !field.belongsToHop else {
            throw TemplateError(words: "'\(name)' belongs to the connection; nothing of it is passed on")
        }
        guard field != .cookie else {
            throw TemplateError(words: "cookies may be our sessions; no template reads them")
        }
        return field
    }
}

/// What a request says to templates, as it stood before the rules that have them.
///
/// Fields and arguments that go on, and what the pattern of its path took. Of several values the first; of none nothing, as in Kong.
struct TemplateAnswers {
    private let passage: Passage
    private let source: RequestSource
    private let edits: FieldEdits
    private let arguments: QueryKeys

    init(_ passage: Passage) {
        self.passage = passage
        self.source = RequestSource(passage)
        self.edits = passage.upstream
        self.arguments = QueryKeys(passage.queryThatGoesOn[...])
    }

    /// The value as octets that nobody has checked yet.
    func filled(_ template: Template) -> [UInt8] {
        self.joined(template) { question in self.answer(question) }
    }

    /// The value as a path; nil if it is none that a request could have, or another spelling of one: nothing that a client
    /// says leads out of the place that it was given.
    func path(_ template: Template) -> [UInt8]? {
        var isWhole = true
        let octets = self.joined(template) { question in
            let answer = self.answer(question)
            // What the pattern took is a piece of a path already, and may be nothing.
            if case .capture = question { return answer }
            // The path without it is another resource, such as all of them.
            if answer.isEmpty { isWhole = false }
            return QueryRules.encoded(answer)
        }
        guard isWhole else { return nil }
        let canonical = Route.canonical(path: String(decoding: octets, as: UTF8.self))
        return canonical?.utf8.elementsEqual(octets) == true ? octets : nil
    }

    private func joined(_ template: Template, _ answer: (Template.Question) -> [UInt8]) -> [UInt8] {
        var octets: [UInt8] = []
        for part in template.parts {
            switch part {
            case .text(let text): octets += text
            case .place(let question): octets += answer(question)
            }
        }
        return octets
    }

    private func answer(_ question: Template.Question) -> [UInt8] {
        switch question {
        case .field(.host): return Array(self.source.head.authority)
        case .field(let name): return self.source.values(of: name, after: self.edits).first ?? []
        case .argument(let name): return self.arguments.values(of: name).first ?? []
        case .capture(let name):
            guard let match = self.passage.match else { return [] }
            let path = self.source.head.path
            return self.passage.plan.router.capture(name, of: match, in: path).map { Array($0) } ?? []
        }
    }
}
