// Nodes to entities: fields are checked, names are unique, references are resolved.
import Gateway

/// Gathers a file's entities, nested or flat.
struct EntityReader {
    /// A plugin that waits until all names are known.
    struct PendingPlugin {
        let node: ConfigNode
        let binding: PluginBinding
        /// What it is nested in: it may not name another.
        let nestedIn: Set<String>
    }

    let kinds: [PluginKind]
    var reader: SettingsReader
    var configuration = Configuration()
    var pendingPlugins: [PendingPlugin] = []
    /// Each consumer's place, by id.
    var consumerPlaces: [String: Int] = [:]
    /// Each upstream's place, by id.
    var upstreamPlaces: [String: Int] = [:]
    /// Memberships that wait until all consumers are known.
    var pendingMembers: [PendingMember] = []
    /// Ids by name and by id, for each kind of entity.
    var names: [String: [String: String]] = [:]
    /// Where each unique value was first seen.
    private var seen: [String: Position] = [:]

    init(kinds: [PluginKind], reader: SettingsReader) {
        self.kinds = kinds
        self.reader = reader
    }

    var diagnostics: [Diagnostic] { self.reader.diagnostics }

    /// Reads the whole file; the order makes that names are known before they are referred to.
    mutating func readFile(_ root: ConfigNode) {
        guard case .map(let entries) = root.value else {
            self.reader.fail(at: root.position, "expected a record with _format_version and services")
            return
        }
        let (served, unserved) = (
            entries.filter { !EntityFields.unservedEntities.contains($0.key) },
            entries.filter { EntityFields.unservedEntities.contains($0.key) }
        )
        for entry in unserved where !entry.node.isNull && !entry.node.isEmptyList {
            self.reader.fail(at: entry.position, "'\(entry.key)' is known, but not served yet; remove it")
        }
        // The lists are read below, by what they hold.
        let outline = served.filter { entry in
            guard case .list = entry.node.value else { return true }
            return !EntityFields.file.contains { $0.name == entry.key }
        }
        _ = self.reader.record(ConfigNode(.map(outline), at: root.position), EntityFields.file, path: "")
        for node in self.list(root, "consumer_groups") { self.readConsumerGroup(node) }
        for node in self.list(root, "certificates") { self.readCertificate(node) }
        for node in self.list(root, "snis") { self.readServerName(node) }
        for node in self.list(root, "ca_certificates") { self.readAuthority(node) }
        for node in self.list(root, "upstreams") { self.readUpstream(node) }
        for node in self.list(root, "targets") { self.readTarget(node, upstream: nil) }
        for node in self.list(root, "services") { self.readService(node) }
        for node in self.list(root, "routes") { self.readRoute(node, service: nil) }
        for node in self.list(root, "consumers") { self.readConsumer(node) }
        self.settleMembers()
        for node in self.list(root, "keyauth_credentials") { self.readFlat(node, "keyauth_credentials") }
        for node in self.list(root, "acls") { self.readFlat(node, "acls") }
        for node in self.list(root, "mtls_auth_credentials") { self.readFlat(node, "mtls_auth_credentials") }
        for node in self.list(root, "plugins") {
            self.pendingPlugins.append(PendingPlugin(node: node, binding: PluginBinding(), nestedIn: []))
        }
        for pending in self.pendingPlugins { self.readPlugin(pending) }
        for node in self.list(root, "tests") { self.readTest(node) }
    }

    /// The nodes of a nested list; nothing if it is not there.
    func list(_ node: ConfigNode, _ name: String) -> [ConfigNode] {
        guard let entry = node.entry(name), case .list(let nodes) = entry.node.value else { return [] }
        return nodes
    }

    /// The node without its nested lists, which are read by themselves.
    func flat(_ node: ConfigNode, without names: [String]) -> ConfigNode {
        guard case .map(let entries) = node.value, entries.contains(where: { names.contains($0.key) }) else {
            return node
        }
        let kept = entries.filter { entry in
            guard names.contains(entry.key), case .list = entry.node.value else { return true }
            return false
        }
        return ConfigNode(.map(kept), at: node.position)
    }

    // MARK: Names

    /// Notes a value that may be there once only.
    mutating func claim(_ value: String, _ what: String, at position: Position, shown: Bool = true) {
        let key = "\(what)\u{0}\(value)"
        if let first = self.seen[key] {
            let name = shown ? " '\(value)'" : ""
            self.reader.fail(at: position, "\(what)\(name) is already there in line \(first.line)")
        } else {
            self.seen[key] = position
        }
    }

    /// Makes an entity known by its names.
    mutating func register(_ kind: String, _ settings: Settings, id: String, names: [String?]) {
        if settings.wrote("id") { self.claim(id, "the id of a \(kind)", at: settings.position(of: "id")) }
        self.names[kind, default: [:]][id] = id
        for name in names {
            guard let name else { continue }
            self.claim(name, "the \(kind)", at: settings.position(of: settings.nameField))
            self.names[kind, default: [:]][name] = id
        }
    }

    /// The id of what a field refers to, by name or by a record with `name`, `username` or `id`.
    mutating func reference(_ node: ConfigNode, to kind: String) -> String? {
        let name: String
        switch node.value {
        case .scalar(let text, _): name = text
        case .map(let entries):
            guard entries.count == 1, let entry = entries.first,
                ["id", "name", "username"].contains(entry.key), case .scalar(let text, _) = entry.node.value
            else {
                self.reader.fail(at: node.position, "expected the name of a \(kind), or {name: …} or {id: …}")
                return nil
            }
            name = text
        case .list:
            self.reader.fail(at: node.position, "expected the name of a \(kind), found a list")
            return nil
        }
        let known = self.names[kind] ?? [:]
        guard let id = known[name] else {
            let hint = NearName.hint(name, among: known.keys)
            self.reader.fail(at: node.position, "there is no \(kind) '\(name)'\(hint)")
            return nil
        }
        return id
    }

    /// The written id, or one made from what the entity is called.
    func identifier(_ settings: Settings, _ kind: String, _ name: String?) -> String {
        settings.string("id")
            ?? StableIdentifier.make(
                "\(kind):\(name ?? "\(settings.position.line).\(settings.position.column)")"
            )
    }
}

extension Settings {
    /// Which field holds an entity's name.
    fileprivate var nameField: String { self.has("username") ? "username" : "name" }
}

extension ConfigNode {
    /// Whether this is a list of nothing.
    var isEmptyList: Bool {
        guard case .list(let nodes) = self.value else { return false }
        return nodes.isEmpty
    }
}

/// Identifiers for what the file gives none: the same for the same name, in every load.
enum StableIdentifier {
    /// A UUID of version 8 (RFC 9562 §5.8) from a name; it tells entities apart and is no secret.
    static func make(_ name: String) -> String {
        let (high, low) = Self.hashes(name)
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for index in 0..<32 {
            if [8, 12, 16, 20].contains(index) { text.append(UInt8(ascii: "-")) }
            let half = index < 16 ? high : low
            let digit = UInt8(truncatingIfNeeded: half >> UInt64((15 - index % 16) * 4)) & 0xF
            switch index {
            case 12: text.append(UInt8(ascii: "8"))
            case 16: text.append(UInt8(ascii: "a"))
            default: text.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// FNV-1a with a last mixing, from two seeds.
    private static func hashes(_ name: String) -> (UInt64, UInt64) {
        var (one, other): (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x9AE1_6A3B_2F90_404F)
        for octet in name.utf8 {
            one = (one ^ UInt64(octet)) &* 0x100_0000_01B3
            other = (other ^ UInt64(octet)) &* 0x100_0000_01B3
        }
        return (Self.mixed(one), Self.mixed(other))
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        let mixed = (value ^ (value >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ (mixed >> 33)
    }
}
