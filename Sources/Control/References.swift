// References to the environment in scalars: `{vault://env/NAME}` and `${{ env "DECK_NAME" }}`.

/// Why a reference leads nowhere; never the value.
struct ReferenceError: Error, Equatable {
    let message: String
}

/// Resolves references; only in scalars that were already parsed, so that a value cannot change the file's shape.
struct References {
    private let environment: [String: String]
    /// What a vault's variables begin with, by the vault's name in references.
    private var vaults: [String: String] = ["env": ""]

    init(environment: [String: String]) {
        self.environment = environment
    }

    /// Adds a vault over the environment.
    mutating func addVault(named name: String, variablesBeginWith prefix: String) {
        self.vaults[name] = prefix
    }

    /// The text with its references replaced; nil if it has none.
    func resolve(_ text: String) throws(ReferenceError) -> String? {
        if text.hasPrefix("{vault://"), text.hasSuffix("}") { return try self.fromVault(text) }
        guard text.utf8.contains(UInt8(ascii: "$")), text.contains("${{") else { return nil }
        return try self.fromEnvironment(text)
    }

    private func fromVault(_ text: String) throws(ReferenceError) -> String {
        let parts = text.dropFirst("{vault://".count).dropLast().split(
            separator: "/",
            omittingEmptySubsequences: false
        )
        guard parts.count >= 2, !parts[1].isEmpty else {
            throw ReferenceError(message: "expected {vault://env/NAME}")
        }
        guard let prefix = self.vaults[String(parts[0])] else {
            throw ReferenceError(message: "the vault '\(parts[0])' is not served yet; only 'env' is")
        }
        guard parts.count == 2, !parts[1].contains("?"), !parts[1].contains("#") else {
            throw ReferenceError(message: "parts of a secret are not served yet; expected {vault://env/NAME}")
        }
        let name = prefix + parts[1]
        let usual = String(name.uppercased().map { $0 == "-" ? "_" : $0 })
        return try self.value(self.environment[usual] != nil ? usual : name)
    }

    private func fromEnvironment(_ text: String) throws(ReferenceError) -> String {
        var result = ""
        var rest = text[...]
        while let start = rest.range(of: "${{") {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].range(of: "}}") else {
                throw ReferenceError(message: "'${{' without '}}'")
            }
            result += try self.value(Self.variable(rest[start.upperBound..<end.lowerBound]))
            rest = rest[end.upperBound...]
        }
        return result + rest
    }

    /// The variable's name in ` env "DECK_NAME" `, with or without a conversion that our types make needless.
    private static func variable(_ expression: Substring) throws(ReferenceError) -> String {
        let pipeline = expression.split(separator: "|", omittingEmptySubsequences: false)
        let words = pipeline[0].split(separator: " ")
        guard words.count == 2, words[0] == "env", words[1].count > 2, let quote = words[1].first,
            quote == "\"" || quote == "'" || quote == "`", words[1].last == quote
        else { throw ReferenceError(message: "expected ${{ env \"DECK_NAME\" }}") }
        for conversion in pipeline.dropFirst() {
            let name = conversion.filter { $0 != " " }
            guard ["toBool", "toInt", "toFloat"].contains(name) else {
                throw ReferenceError(message: "'\(name)' is not served; expected toBool, toInt or toFloat")
            }
        }
        let name = String(words[1].dropFirst().dropLast())
        guard name.hasPrefix("DECK_") else {
            throw ReferenceError(message: "the name '\(name)' has to begin with DECK_")
        }
        return name
    }

    private func value(_ name: String) throws(ReferenceError) -> String {
        guard let value = self.environment[name] else {
            throw ReferenceError(message: "the environment has no variable \(name)")
        }
        guard !value.isEmpty else { throw ReferenceError(message: "the variable \(name) is empty") }
        return value
    }
}

extension Substring {
    /// Where `words` stand first.
    fileprivate func range(of words: String) -> Range<Index>? {
        var start = self.startIndex
        while start < self.endIndex {
            if self[start...].hasPrefix(words) { return start..<self.index(start, offsetBy: words.count) }
            start = self.index(after: start)
        }
        return nil
    }
}
