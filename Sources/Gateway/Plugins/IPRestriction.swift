// Who may come, by address.
package import JSON
import Proxy

/// The plugin `ip-restriction`: Kong's fields and defaults.
package final class IPRestriction: Plugin {
    private let allowed: AddressSet
    private let denied: AddressSet
    private let status: Int
    private let message: String?

    /// The kind, for the list of all plugins.
    package static let kind = PluginKind(
        name: "ip-restriction",
        order: .restrict,
        schema: IPRestriction.fields,
        mayBindConsumers: false,
        help: """
            Refuses by the client's address: whoever `deny` names, and where there is an `allow`, whoever it
            does not name. The address is the connection's, or what `trusted_ips` tell of it. Asked before
            authentication (Kong asks after it), so that a stranger's address reaches no login; therefore it
            cannot be bound to a consumer.
            """,
        make: { settings, _ throws(ConfigurationError) in try IPRestriction(settings) }
    )

    private static let fields: [FieldSchema] = [
        FieldSchema("allow", .list(.string), help: "Addresses or ranges (`10.0.0.0/8`) that may come."),
        FieldSchema("deny", .list(.string), help: "Addresses or ranges that may not, even if allowed."),
        FieldSchema(
            "status",
            .integer,
            range: 400...599,
            help: "The refusal's status; 403 if unset."
        ),
        FieldSchema("message", .string, help: "The refusal's message; `IP address not allowed: …` if unset."),
    ]

    init(_ settings: Settings) throws(ConfigurationError) {
        self.allowed = try Self.read(settings, "allow")
        self.denied = try Self.read(settings, "deny")
        self.status = settings.integer("status") ?? 403
        self.message = settings.string("message")
        guard !self.allowed.isEmpty || !self.denied.isEmpty else {
            throw ConfigurationError(
                at: settings.position,
                "ip-restriction needs allow or deny: with neither it restricts nobody"
            )
        }
    }

    private static func read(
        _ settings: Settings,
        _ name: String
    ) throws(ConfigurationError) -> AddressSet {
        let texts = settings.strings(name) ?? []
        // An empty list would read as "nobody" to one and as "everybody" to another.
        guard !settings.wrote(name) || !texts.isEmpty else {
            throw settings.error(name, "is empty; name an address or leave it out")
        }
        var ranges: [AddressRange] = []
        for text in texts {
            guard let range = AddressRange(text) else {
                throw settings.error(name, "'\(text)' is neither an address nor a range such as 10.0.0.0/8")
            }
            ranges.append(range)
        }
        return AddressSet(ranges)
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        let address = passage.client.address
        guard self.admits(address) else { throw self.refusal(address) }
        return .proceed
    }

    private func admits(_ address: IPAddress) -> Bool {
        !self.denied.contains(address) && (self.allowed.isEmpty || self.allowed.contains(address))
    }

    private func refusal(_ address: IPAddress) -> Refusal {
        .chosen(
            status: self.status,
            retryAfterSeconds: nil,
            .init("address-not-allowed", message: self.message ?? "IP address not allowed: \(address)")
        )
    }

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        let address = passage.client.address
        let isDenied = self.denied.contains(address)
        let passes = self.admits(address)
        let rule = RuleVerdict(
            rule: isDenied || self.allowed.isEmpty ? "deny" : "allow",
            source: "ip-restriction",
            passes: passes,
            detail: "the client's address is \(address)"
        )
        return PluginVerdict(passes ? .passes : .refuses(self.refusal(address)), rules: [rule])
    }
}
