// From claims to a consumer of ours.
package import Gateway

/// Which claims name a consumer, and by which of its fields.
package struct ConsumerRule: Sendable, Equatable {
    /// Paths of claims; the first that finds a consumer wins.
    package var paths: [[String]] = []
    /// `username`, `custom_id`, `id`.
    package var fields: [String] = []
    /// Whether usernames are compared without case.
    package var ignoresCase = false
    /// Whether it is fine to find nobody.
    package var isOptional = false

    /// What came of looking for a consumer.
    package enum Outcome: Sendable, Equatable {
        /// Nobody was looked for.
        case notAsked
        /// Found, with the claim that named it.
        case found(Consumer, claim: String)
        /// Nobody has the name, or no claim names anybody.
        case missing
    }

    /// Looks for the consumer that `claims` name.
    package func consumer(of claims: ClaimSources, among directory: ConsumerDirectory) -> Outcome {
        guard !paths.isEmpty else { return .notAsked }
        for path in paths {
            guard let value = claims.claim(at: path)?.value, let name = ClaimRule.text(value), !name.isEmpty
            else {
                continue
            }
            for field in fields {
                if let consumer = find(name, by: field, among: directory) {
                    return .found(consumer, claim: path.joined(separator: "."))
                }
            }
        }
        return .missing
    }

    private func find(_ name: String, by field: String, among directory: ConsumerDirectory) -> Consumer? {
        switch field {
        case "id": return Self.same(directory.consumer(id: name), \.id, name)
        case "custom_id": return Self.same(directory.consumer(customID: name), \.customID, name)
        case "username":
            if let consumer = Self.same(directory.consumer(username: name), \.username, name) {
                return consumer
            }
            guard ignoresCase else { return nil }
            let matches = directory.all.filter { $0.username.map { Self.isSame($0, name) } ?? false }
            // Two of that name in other case: nobody is taken for somebody else.
            return matches.count == 1 ? matches[0] : nil
        default: return nil
        }
    }

    /// Whether two names differ in case alone; a letter that only looks like another has another length.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        one.utf8.count == other.utf8.count && one.lowercased().utf8.elementsEqual(other.lowercased().utf8)
    }

    /// Guards against texts that Swift takes for equal and an issuer does not: octets decide.
    private static func same(
        _ consumer: Consumer?,
        _ field: KeyPath<Consumer, String>,
        _ name: String
    ) -> Consumer? {
        guard let consumer, consumer[keyPath: field].utf8.elementsEqual(name.utf8) else { return nil }
        return consumer
    }

    private static func same(
        _ consumer: Consumer?,
        _ field: KeyPath<Consumer, String?>,
        _ name: String
    ) -> Consumer? {
        guard let consumer, consumer[keyPath: field]?.utf8.elementsEqual(name.utf8) == true else {
            return nil
        }
        return consumer
    }
}
