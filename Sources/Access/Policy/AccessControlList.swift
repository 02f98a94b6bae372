// The plugin `acl`: which groups may pass.
package import Gateway
package import JSON
package import Proxy

/// Lets groups pass or keeps them out; Kong's fields and texts.
package final class AccessControlList: Plugin {
    private enum Rule: Sendable {
        case allow(Set<String>)
        case deny(Set<String>)
    }

    private let rule: Rule
    private let hidesGroups: Bool
    private let prefersAuthenticatedGroups: Bool
    private let includesConsumerGroups: Bool

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "acl",
        order: .authorize,
        schema: AccessControlList.fields,
        mayBindConsumers: false,
        help: "Lets groups of consumers pass, or keeps them out.",
        make: { settings, _ throws(ConfigurationError) in try AccessControlList(settings) }
    )

    private static let fields: [FieldSchema] = [
        FieldSchema("allow", .list(.string), help: "Groups that may pass; nobody else may."),
        FieldSchema("deny", .list(.string), help: "Groups that may not pass; everybody else may."),
        FieldSchema(
            "hide_groups_header",
            .boolean,
            default: false,
            help: "Whether X-Consumer-Groups and X-Authenticated-Groups are kept from the upstream."
        ),
        FieldSchema(
            "always_use_authenticated_groups",
            .boolean,
            default: false,
            help: "Whether an issuer's groups count even where a consumer is known."
        ),
        FieldSchema(
            "include_consumer_groups",
            .boolean,
            default: false,
            help: "Whether the names of consumer groups count as groups."
        ),
    ]

    init(_ settings: Settings) throws(ConfigurationError) {
        let (allow, deny) = (settings.strings("allow"), settings.strings("deny"))
        // P8: an empty list would let everybody pass, or nobody, and its writer means neither.
        for (name, list) in [("allow", allow), ("deny", deny)] where list?.isEmpty == true {
            throw settings.error(name, "expected at least one group, found none")
        }
        switch (allow, deny) {
        case (let groups?, nil): self.rule = .allow(Set(groups))
        case (nil, let groups?): self.rule = .deny(Set(groups))
        case (nil, nil): throw settings.error("allow", "acl needs 'allow' or 'deny'")
        case (.some, .some): throw settings.error("deny", "acl takes 'allow' or 'deny', not both")
        }
        self.hidesGroups = settings.flag("hide_groups_header")
        self.prefersAuthenticatedGroups = settings.flag("always_use_authenticated_groups")
        self.includesConsumerGroups = settings.flag("include_consumer_groups")
    }

    package var emittedFields: [FieldName] { ["x-consumer-groups"] }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        guard let identity = passage.identity else {
            throw .unauthenticated(.init("no-credential", message: "Unauthorized"))
        }
        guard let groups = self.groups(of: identity), self.admits(groups) else {
            throw .forbidden(.init("group-not-allowed", message: "You cannot consume this service"))
        }
        if self.hidesGroups {
            passage.identity?.groups = []
        } else if identity.consumer != nil, !groups.isEmpty {
            do throws(FieldEditError) {
                try passage.upstream.set("x-consumer-groups", groups.joined(separator: ", "))
            } catch {
                throw .unsafeField
            }
        }
        return .proceed
    }

    /// The groups that count; nil for a stranger to both lists: neither a consumer nor groups of an issuer.
    private func groups(of identity: Identity) -> [String]? {
        if self.prefersAuthenticatedGroups, !identity.groups.isEmpty { return identity.groups }
        guard let consumer = identity.consumer else { return identity.groups.isEmpty ? nil : identity.groups }
        return consumer.groups + (self.includesConsumerGroups ? consumer.consumerGroups : [])
    }

    private func admits(_ groups: [String]) -> Bool {
        switch self.rule {
        // Octets decide who passes: to Swift the Kelvin sign equals K, to an issuer it does not.
        case .allow(let names):
            groups.contains { group in
                names.firstIndex(of: group).map { names[$0].utf8.elementsEqual(group.utf8) } ?? false
            }
        case .deny(let names): !groups.contains { names.contains($0) }
        }
    }

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        let name: String
        let wanted: Set<String>
        switch self.rule {
        case .allow(let groups): (name, wanted) = ("allow", groups)
        case .deny(let groups): (name, wanted) = ("deny", groups)
        }
        let found = passage.identity.flatMap { self.groups(of: $0) } ?? []
        let detail =
            "\(name) \(wanted.sorted().joined(separator: ", ")); found \(found.joined(separator: ", "))"
        do throws(Refusal) {
            _ = try self.request(passage)
            return PluginVerdict(
                .passes,
                rules: [RuleVerdict(rule: name, source: "acl", passes: true, detail: detail)]
            )
        } catch {
            let rule = RuleVerdict(rule: name, source: "acl", passes: false, detail: detail)
            return PluginVerdict(.refuses(error), rules: [rule])
        }
    }
}
