// Consumers, groups, plugins and tests out of a file.
import Gateway
import JSON

extension EntityReader {
    mutating func readConsumerGroup(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["plugins", "consumers"]),
            EntityFields.consumerGroup,
            path: ""
        )
        guard let name = settings.string("name") else { return }
        let id = self.identifier(settings, "consumer group", name)
        self.register("consumer group", settings, id: id, names: [name])
        self.configuration.consumerGroups.append(ConsumerGroup(id: id, name: name))
        for nested in self.list(node, "consumers") {
            guard let member = nested.entry("username") ?? nested.entry("id"),
                case .scalar(let text, _) = member.node.value
            else {
                self.reader.fail(at: nested.position, "expected {username: …}")
                continue
            }
            self.pendingMembers.append(PendingMember(name: text, group: name, position: member.node.position))
        }
        for nested in self.list(node, "plugins") {
            self.pendingPlugins.append(
                PendingPlugin(
                    node: nested,
                    binding: PluginBinding(consumerGroup: name),
                    nestedIn: ["consumer_group"]
                )
            )
        }
    }

    mutating func readConsumer(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["plugins"]),
            EntityFields.consumer,
            path: ""
        )
        let (username, customID) = (settings.string("username"), settings.string("custom_id"))
        if username == nil, customID == nil {
            self.reader.fail(at: settings.position, "a consumer needs 'username' or 'custom_id'")
            return
        }
        let id = self.identifier(settings, "consumer", username ?? customID)
        self.register("consumer", settings, id: id, names: [username])
        if let customID {
            self.claim(customID, "the custom_id", at: settings.position(of: "custom_id"))
        }
        var consumer = Consumer(id: id, username: username, customID: customID)
        consumer.tags = settings.strings("tags") ?? []
        for credential in settings.records("keyauth_credentials") { self.readKey(credential, &consumer) }
        for acl in settings.records("acls") { self.readGroup(acl, &consumer) }
        for name in settings.records("mtls_auth_credentials") { self.readCertificateName(name, &consumer) }
        for membership in settings.records("groups") {
            guard let name = membership.string("name") else { continue }
            self.join(name, &consumer, at: membership.position(of: "name"))
        }
        self.consumerPlaces[id] = self.configuration.consumers.count
        self.configuration.consumers.append(consumer)
        for nested in self.list(node, "plugins") {
            self.pendingPlugins.append(
                PendingPlugin(node: nested, binding: PluginBinding(consumer: id), nestedIn: ["consumer"])
            )
        }
    }

    private mutating func readKey(_ settings: Settings, _ consumer: inout Consumer) {
        guard let key = settings.string("key") else { return }
        if key.isEmpty {
            self.reader.fail(at: settings.position(of: "key"), "key: expected a key, found nothing")
        }
        self.claim(key, "the key", at: settings.position(of: "key"), shown: false)
        let id =
            settings.string("id")
            ?? StableIdentifier.make("key:\(consumer.id):\(consumer.keys.count)")
        consumer.keys.append(KeyCredential(id: id, key: key))
    }

    private mutating func readGroup(_ settings: Settings, _ consumer: inout Consumer) {
        guard let group = settings.string("group") else { return }
        if group.isEmpty {
            self.reader.fail(at: settings.position(of: "group"), "group: expected a name, found nothing")
        }
        guard !consumer.groups.contains(group) else {
            self.reader.fail(
                at: settings.position(of: "group"),
                "the group '\(group)' is there twice for \(consumer.title)"
            )
            return
        }
        consumer.groups.append(group)
    }

    private mutating func join(_ group: String, _ consumer: inout Consumer, at position: Position) {
        guard self.configuration.consumerGroups.contains(where: { $0.name == group }) else {
            let hint = NearName.hint(group, among: self.configuration.consumerGroups.map(\.name))
            self.reader.fail(at: position, "there is no consumer group '\(group)'\(hint)")
            return
        }
        if !consumer.consumerGroups.contains(group) { consumer.consumerGroups.append(group) }
    }

    /// A credential at the file's outermost level, which names its consumer.
    mutating func readFlat(_ node: ConfigNode, _ kind: String) {
        let own =
            switch kind {
            case "keyauth_credentials": EntityFields.keyCredential
            case "acls": EntityFields.acl
            default: EntityFields.certificateCredential
            }
        let fields = own + [FieldSchema("consumer", EntityFields.reference, required: true)]
        let settings = self.reader.record(node, fields, path: "")
        guard let entry = node.entry("consumer"), let id = self.reference(entry.node, to: "consumer"),
            let index = self.consumerPlaces[id]
        else { return }
        var consumer = self.configuration.consumers[index]
        switch kind {
        case "keyauth_credentials": self.readKey(settings, &consumer)
        case "acls": self.readGroup(settings, &consumer)
        default: self.readCertificateName(settings, &consumer)
        }
        self.configuration.consumers[index] = consumer
    }

    /// Puts consumers into the groups that named them.
    mutating func settleMembers() {
        for member in self.pendingMembers {
            guard let id = self.names["consumer"]?[member.name],
                let index = self.consumerPlaces[id]
            else {
                let hint = NearName.hint(member.name, among: (self.names["consumer"] ?? [:]).keys)
                self.reader.fail(at: member.position, "there is no consumer '\(member.name)'\(hint)")
                continue
            }
            if !self.configuration.consumers[index].consumerGroups.contains(member.group) {
                self.configuration.consumers[index].consumerGroups.append(member.group)
            }
        }
    }

    // MARK: Plugins

    mutating func readPlugin(_ pending: PendingPlugin) {
        let node = pending.node
        let config = node.entry("config")
        let outline = self.without(["config"], node)
        let settings = self.reader.record(outline, EntityFields.plugin, path: "")
        guard let name = settings.string("name") else { return }
        guard let kind = self.kinds.first(where: { $0.name == name }) else {
            self.reader.fail(at: settings.position(of: "name"), self.unknownPlugin(name))
            return
        }
        let binding = self.binding(pending)
        let protocols = Set(settings.strings("protocols") ?? [])
        self.checkFit(kind, binding, protocols, settings)
        let written = config?.node ?? ConfigNode(.map([]), at: node.position)
        var instance = PluginInstance(
            name: name,
            id: settings.string("id") ?? Self.identifier(name, binding),
            binding: binding,
            settings: self.reader.record(written, kind.schema, path: ""),
            position: settings.position(of: "name")
        )
        instance.instanceName = settings.string("instance_name")
        instance.isEnabled = settings.boolean("enabled") ?? true
        instance.protocols = protocols
        instance.tags = settings.strings("tags") ?? []
        if let id = settings.string("id") {
            self.claim(id, "the id of a plugin", at: settings.position(of: "id"))
        }
        if let own = instance.instanceName {
            self.claim(own, "the instance_name", at: settings.position(of: "instance_name"))
        }
        self.configuration.plugins.append(instance)
    }

    /// Notes what a plugin of this kind cannot be bound to, and protocols of which we serve none.
    private mutating func checkFit(
        _ kind: PluginKind,
        _ binding: PluginBinding,
        _ protocols: Set<String>,
        _ settings: Settings
    ) {
        if !kind.mayBindConsumers, binding.consumer != nil || binding.consumerGroup != nil {
            let why =
                kind.order < .authenticateByCertificate
                ? "it is asked before the consumer is known" : "it decides who the consumer is or may do"
            self.reader.fail(
                at: settings.position(of: "name"),
                "'\(kind.name)' cannot be bound to a consumer or a group: \(why)"
            )
        }
        if protocols.isDisjoint(with: ["http", "https", "grpc", "grpcs"]) {
            self.reader.fail(
                at: settings.position(of: "protocols"),
                "protocols: expected http, https, grpc or grpcs: nothing else is served"
            )
        }
    }

    /// What the plugin is bound to: by its place, and by what it names.
    private mutating func binding(_ pending: PendingPlugin) -> PluginBinding {
        var binding = pending.binding
        for field in ["service", "route", "consumer", "consumer_group"] {
            guard let entry = pending.node.entry(field), !entry.node.isNull else { continue }
            guard !pending.nestedIn.contains(field) else {
                self.reader.fail(
                    at: entry.position,
                    "'\(field)' is there already: the plugin is nested in one"
                )
                continue
            }
            let kind = field == "consumer_group" ? "consumer group" : field
            guard let id = self.reference(entry.node, to: kind) else { continue }
            switch field {
            case "service": binding.service = id
            case "route": binding.route = id
            case "consumer": binding.consumer = id
            default: binding.consumerGroup = self.configuration.consumerGroups.first { $0.id == id }?.name
            }
        }
        if binding.consumer != nil, binding.consumerGroup != nil {
            self.reader.fail(
                at: pending.node.position,
                "a plugin is bound to a consumer or to a group, not to both"
            )
        }
        return binding
    }

    private static func identifier(_ name: String, _ binding: PluginBinding) -> String {
        let parts = [binding.service, binding.route, binding.consumer, binding.consumerGroup].map { $0 ?? "" }
        return StableIdentifier.make("plugin:\(name):\(parts.joined(separator: ":"))")
    }

    private func without(_ names: Set<String>, _ node: ConfigNode) -> ConfigNode {
        guard case .map(let entries) = node.value else { return node }
        return ConfigNode(.map(entries.filter { !names.contains($0.key) }), at: node.position)
    }

    private func unknownPlugin(_ name: String) -> String {
        guard !KnownPlugins.names.contains(name) else {
            return "the plugin '\(name)' is known, but not served yet; remove it"
        }
        return "there is no plugin '\(name)'\(NearName.hint(name, among: self.kinds.map(\.name)))"
    }

    // MARK: Tests

    mutating func readTest(_ node: ConfigNode) {
        let settings = self.reader.record(node, EntityFields.test, path: "")
        guard let request = settings.string("request"), let expect = settings.integer("expect") else {
            return
        }
        var fields: [(name: String, value: String)] = []
        for (name, value) in settings.map("headers").sorted(by: { $0.key < $1.key }) {
            if case .string(let text) = value { fields.append((name, text)) }
        }
        do throws(WrittenRequestError) {
            _ = try WrittenRequest(request, fields: fields)
        } catch {
            // One that the guard refuses may be what the test is about.
            if error.refusal == nil {
                self.reader.fail(at: settings.position(of: "request"), "request: \(error.message)")
            }
        }
        self.configuration.tests.append(
            ConfigurationTest(
                request: request,
                fields: fields,
                claims: settings.any("claims"),
                expect: expect,
                reason: settings.string("reason"),
                position: node.position
            )
        )
    }
}

/// A consumer that a group names.
struct PendingMember {
    let name: String
    let group: String
    let position: Position
}

/// Kong's plugins that we know by name: a file that uses one shall hear that it is not served, not that it is unknown.
enum KnownPlugins {
    static let names: Set<String> = [
        "acme", "ai-proxy", "aws-lambda", "azure-functions", "basic-auth", "bot-detection", "canary",
        "correlation-id", "cors", "datadog", "degraphql", "exit-transformer", "file-log", "forward-proxy",
        "grpc-gateway", "grpc-web", "header-cert-auth", "hmac-auth", "http-log", "ip-restriction", "jq",
        "jwt",
        "jwt-signer", "key-auth-enc", "ldap-auth", "ldap-auth-advanced", "loggly", "mocking", "mtls-auth",
        "oauth2", "oauth2-introspection", "oas-validation", "opa", "openid-connect", "opentelemetry",
        "post-function", "pre-function", "prometheus", "proxy-cache", "proxy-cache-advanced", "rate-limiting",
        "rate-limiting-advanced", "redirect", "request-size-limiting", "request-termination",
        "request-transformer", "request-transformer-advanced", "request-validator", "response-ratelimiting",
        "response-transformer", "response-transformer-advanced", "route-by-header", "saml", "session",
        "standard-webhooks", "statsd", "syslog", "tcp-log", "tls-handshake-modifier",
        "tls-metadata-headers", "udp-log", "upstream-oauth", "upstream-timeout", "vault-auth",
        "websocket-size-limit", "zipkin", "acl", "key-auth",
    ]
}
