// decK's declarative file: text to a checked configuration, with everything that is wrong in one go.
package import Gateway

/// What became of a file.
package struct LoadedFile: Sendable {
    /// The configuration; nil if there is an error.
    package let configuration: Configuration?
    /// Errors and warnings, in the order of the file.
    package let diagnostics: [Diagnostic]
}

/// Reads declarative files.
package enum DeclarativeFile {
    /// Reads a file's octets.
    ///
    /// - Parameters:
    ///   - octets: UTF-8 YAML.
    ///   - name: the file's name for errors.
    ///   - environment: where references lead.
    ///   - kinds: the plugins that there are.
    package static func load(
        _ octets: [UInt8],
        name: String,
        environment: [String: String],
        kinds: [PluginKind]
    ) -> LoadedFile {
        guard let text = String(validating: octets, as: UTF8.self) else {
            let position = Position(file: name, line: 1, column: 1)
            return LoadedFile(
                configuration: nil,
                diagnostics: [Diagnostic(.error, at: position, "the file is not UTF-8")]
            )
        }
        return self.load(text, name: name, environment: environment, kinds: kinds)
    }

    /// Reads a file's text.
    package static func load(
        _ text: String,
        name: String,
        environment: [String: String],
        kinds: [PluginKind]
    ) -> LoadedFile {
        let (root, problems) = YAMLDocument.read(text, file: name)
        guard let root, problems.isEmpty else { return LoadedFile(configuration: nil, diagnostics: problems) }
        var reader = SettingsReader()
        var references = References(environment: environment)
        self.readVaults(root, &references, &reader)
        var unresolved: [Diagnostic] = []
        let resolved = references.resolve(root, into: &unresolved)
        reader.take(unresolved)
        var entities = EntityReader(kinds: kinds, reader: reader)
        entities.readFile(resolved)
        let diagnostics = entities.diagnostics.enumerated().sorted {
            ($0.element.position.line, $0.element.position.column, $0.offset)
                < ($1.element.position.line, $1.element.position.column, $1.offset)
        }.map(\.element)
        let isSound = !diagnostics.contains { $0.severity == .error }
        return LoadedFile(configuration: isSound ? entities.configuration : nil, diagnostics: diagnostics)
    }

    /// Reads `vaults` before any reference is followed; only those over the environment are served.
    private static func readVaults(
        _ root: ConfigNode,
        _ references: inout References,
        _ reader: inout SettingsReader
    ) {
        guard let entry = root.entry("vaults"), case .list(let nodes) = entry.node.value else { return }
        for node in nodes {
            let vault = reader.record(node, EntityFields.vault, path: "vaults")
            guard let name = vault.string("name"), let prefix = vault.string("prefix") else { continue }
            guard name == "env" else {
                reader.fail(
                    at: vault.position(of: "name"),
                    "the vault '\(name)' is not served yet; only 'env' is"
                )
                continue
            }
            references.addVault(
                named: prefix,
                variablesBeginWith: vault.record("config")?.string("prefix") ?? ""
            )
        }
    }
}
