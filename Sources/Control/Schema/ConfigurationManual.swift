// The page docs/configuration.md, from the same tables by which files are read.
package import Gateway
import JSON

/// Writes the manual's page on the configuration file.
package enum ConfigurationManual {
    /// The whole page, as Markdown.
    package static func markdown(_ kinds: [PluginKind]) -> String {
        var page = Self.opening
        page += Self.section("The file", EntityFields.file)
        page += Self.section("Services", EntityFields.service)
        page += Self.section("Routes", EntityFields.route, Self.routing)
        page += Self.section("Upstreams", EntityFields.upstream, Self.upstreams)
        page += Self.section("Targets", EntityFields.target)
        page += Self.section("Consumers", EntityFields.consumer)
        page += Self.section("Consumer groups", EntityFields.consumerGroup)
        page += Self.section("Plugins", EntityFields.plugin, Self.precedence(kinds))
        for kind in kinds.sorted(by: { $0.name < $1.name }) {
            page += Self.section("Plugin `\(kind.name)`", kind.schema, kind.help)
        }
        page += Self.section("Certificates", EntityFields.certificate, Self.certificates)
        page += Self.section("Names of certificates (`snis`)", EntityFields.sni)
        page += Self.section("Authorities (`ca_certificates`)", EntityFields.authority)
        page += Self.section("Vaults", EntityFields.vault)
        page += Self.section("Tests", EntityFields.test, Self.tests)
        page += "## Known and not served yet\n\nA file that has one of these hears so: "
        page += EntityFields.unservedEntities.map { "`\($0)`" }.joined(separator: ", ") + ".\n"
        return page
    }

    private static let opening = """
        # The configuration file

        This page is written by the program from the tables by which it reads files; a test compares them
        (`GATEHOUSE_WRITE_MANUAL=1` writes it anew). `gatehouse check FILE` says everything that is wrong in a file,
        with line and column; `gatehouse schema` prints the JSON Schema for editors.

        The file is decK's declarative format. Entities may be nested or stand at the outermost level and refer to
        each other by name. `null` is as if nothing were written. An unknown name is an error, and so is a known field
        that is not served yet, unless what it says changes nothing.

        A value may come from the environment: `'{vault://env/NAME}'` (upper case, `-` becomes `_`) or
        `${{ env "DECK_NAME" }}`. References are resolved in values that were already parsed, so a variable cannot
        change the file's shape; a variable that is missing or empty is an error.

        Text that YAML readers disagree on (`yes`, `0123`, `1e3`, `12:30`, dates, plain numbers) has to be quoted
        where text is expected.


        """

    private static let routing = """
        Of several routes that match, the first by this list is taken: more of hosts, headers, paths and methods
        demanded; hosts before headers before paths before methods; exact host before wildcard; with a port
        before without; pattern before
        prefix; more headers; higher `regex_priority` (patterns); longer path; earlier in the file. Paths are compared
        with the request's canonical path: decoded once, without `.` and `..` and doubled slashes.
        """

    private static let upstreams = """
        A service whose `host` is an upstream's name goes to one of its targets; [upstreams.md](upstreams.md) tells how.
        """

    private static let certificates = """
        For listeners with the word `ssl` ([tls.md](tls.md)). A handshake gets the certificate of the name that it asks
        for: the name itself, then with its first label a wildcard, then its last, then `*`, then the setting `ssl_cert`;
        else it is refused. A reload changes them for the next handshake.
        """

    private static func precedence(_ kinds: [PluginKind]) -> String {
        let names = kinds.sorted { ($0.order, $0.name) < ($1.order, $1.name) }.map { "`\($0.name)`" }
        return """
            One instance a plugin is asked for each request: the one bound to the most of consumer, route and
            service, in Kong's order. Whatever the file's order, plugins are asked in this one, and the first that
            refuses or answers ends it: \(names.joined(separator: ", ")).
            It is the order of Kong's priorities, but for `ip-restriction`, which Kong asks after
            authentication. Answers pass them in reverse.
            """
    }

    private static let tests = """
        `gatehouse check` runs them: nothing is sent, and `claims` stand for a user who is logged in.
        """

    // MARK: Tables

    /// A field with the path that leads to it.
    private struct Row {
        let path: String
        let field: FieldSchema
    }

    private static func section(_ title: String, _ fields: [FieldSchema], _ words: String = "") -> String {
        let rows = self.rows(fields, path: "")
        var text = "## \(title)\n\n"
        if !words.isEmpty { text += words + "\n\n" }
        let served = rows.filter { $0.field.status == .served || $0.field.status == .inert }
        if !served.isEmpty {
            text += "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
            for row in served { text += self.line(row) }
            text += "\n"
        }
        let later = rows.filter { $0.field.status == .notYet }.map { "`\($0.path)`" }
        if !later.isEmpty { text += "Known, not served yet: \(later.joined(separator: ", ")).\n\n" }
        let refused = rows.compactMap { row -> String? in
            guard case .refused(let why) = row.field.status else { return nil }
            return "`\(row.path)` (\(why))"
        }
        if !refused.isEmpty { text += "Refused: \(refused.joined(separator: "; ")).\n\n" }
        return text
    }

    private static func rows(_ fields: [FieldSchema], path: String) -> [Row] {
        fields.flatMap { field -> [Row] in
            let own = path.isEmpty ? field.name : "\(path).\(field.name)"
            let row = Row(path: own, field: field)
            guard field.status == .served else { return [row] }
            switch field.type {
            case .record(let inner): return [row] + self.rows(inner, path: own)
            case .list(.record(let inner)): return [row] + self.rows(inner, path: "\(own)[]")
            case .string, .integer, .number, .boolean, .list, .map, .any: return [row]
            }
        }
    }

    private static func line(_ row: Row) -> String {
        let field = row.field
        var meaning = field.help
        if !field.oneOf.isEmpty {
            meaning +=
                "\(meaning.isEmpty ? "" : " ")One of \(field.oneOf.map { "`\($0)`" }.joined(separator: ", "))."
        }
        if let range = field.range {
            let bounds = [range.lowerBound, range.upperBound].map {
                Int64(exactly: $0).map(String.init) ?? String($0)
            }
            meaning += " From \(bounds[0]) to \(bounds[1])."
        }
        if field.isRequired { meaning += " Required." }
        if field.status == .inert { meaning += "\(meaning.isEmpty ? "" : " ")Changes nothing." }
        let standard = field.default.map { "`\(self.shown($0))`" } ?? ""
        let cells = ["`\(row.path)`", self.name(field.type), standard, meaning].map {
            String($0.flatMap { $0 == "|" ? "\\|" : String($0) })
        }
        return "| \(cells.joined(separator: " | ")) |\n"
    }

    /// A value in one line; scalars stand bare.
    private static func shown(_ json: JSONValue) -> String {
        let wrapped = JSONValue.array([json]).serializedString
        return String(wrapped.dropFirst().dropLast())
    }

    private static func name(_ type: FieldType) -> String {
        switch type {
        case .string: "text"
        case .integer: "whole number"
        case .number: "number"
        case .boolean: "true or false"
        case .list(let element): "list of \(self.name(element))"
        case .record: "record"
        case .map(let element): "names with \(self.name(element))"
        case .any: "any"
        }
    }
}
