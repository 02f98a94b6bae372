// The program's settings file: names and words, with their places.
package import Gateway

/// A flat YAML file of settings; what the names mean is the program's.
package enum SettingsFile {
    /// One setting as it was written.
    package struct Entry: Sendable, Equatable {
        /// Its name.
        package let name: String
        /// Where its name stands: `settings.yaml:3:1`.
        package let place: String
        /// Its words: one for a scalar, none for nothing, several for a list.
        package let values: [String]
    }

    /// Reads a file's octets.
    ///
    /// - Throws: everything that is no `name: value` or `name: [value, …]`, in one error.
    package static func entries(of octets: [UInt8], name: String) throws(ConfigurationError) -> [Entry] {
        let (root, problems) = YAMLDocument.read(String(decoding: octets, as: UTF8.self), file: name)
        guard let root, problems.isEmpty else { throw ConfigurationError(problems) }
        guard case .map(let entries) = root.value else {
            throw ConfigurationError(at: root.position, "expected settings, one `name: value` a line")
        }
        var failures: [Diagnostic] = []
        let read = entries.map { entry in
            Entry(
                name: entry.key,
                place: entry.position.description,
                values: self.words(entry.node, of: entry.key, &failures)
            )
        }
        guard failures.isEmpty else { throw ConfigurationError(failures) }
        return read
    }

    private static func words(
        _ node: ConfigNode,
        of name: String,
        _ failures: inout [Diagnostic]
    ) -> [String] {
        if node.isNull { return [] }
        switch node.value {
        case .scalar(let text, _): return [text]
        case .list(let nodes): return nodes.flatMap { self.words($0, of: name, &failures) }
        case .map:
            failures.append(
                Diagnostic(
                    .error,
                    at: node.position,
                    "\(name): expected a value or a list, found \(node.kind)"
                )
            )
            return []
        }
    }
}
