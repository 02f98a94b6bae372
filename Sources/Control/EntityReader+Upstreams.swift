// Upstreams and targets out of a file.
import Gateway
import Proxy

extension EntityReader {
    mutating func readUpstream(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["targets"]),
            EntityFields.upstream,
            path: ""
        )
        guard let written = settings.string("name") else { return }
        let name = written.lowercased()
        if !ServiceURL.isHost(name) {
            self.reader.fail(
                at: settings.position(of: "name"),
                "name: expected what can stand as a host: letters, digits, '.', '-' and '_'"
            )
        }
        let id = self.identifier(settings, "upstream", name)
        self.register("upstream", settings, id: id, names: [name])
        self.names["upstream", default: [:]][written] = id
        var upstream = Upstream(id: id, name: name)
        upstream.position = settings.position
        upstream.tags = settings.strings("tags") ?? []
        self.readRules(settings, &upstream)
        self.readHashing(settings, &upstream)
        self.upstreamPlaces[id] = self.configuration.upstreams.count
        self.configuration.upstreams.append(upstream)
        for nested in self.list(node, "targets") { self.readTarget(nested, upstream: id) }
    }

    private mutating func readRules(_ settings: Settings, _ upstream: inout Upstream) {
        upstream.rules.algorithm =
            settings.string("algorithm").flatMap(BalancingAlgorithm.init) ?? .roundRobin
        if let host = settings.string("host_header") {
            if ServiceAddress(host, port: 0) == nil {
                self.reader.fail(
                    at: settings.position(of: "host_header"),
                    "host_header: expected a host, with a port or without"
                )
            }
            upstream.rules.hostHeader = host
        }
        if let own = settings.record("gatehouse") {
            upstream.rules.trialSeconds = own.number("trial_seconds") ?? 10
            upstream.rules.slowStartSeconds = own.number("slow_start_seconds") ?? 0
            upstream.rules.retryPercent = own.number("retry_percent") ?? 20
        }
        guard let checks = settings.record("healthchecks") else { return }
        upstream.rules.threshold = checks.number("threshold") ?? 0
        if let passive = checks.record("passive") { self.readPassive(passive, &upstream.rules) }
        if let active = checks.record("active") { self.readActive(active, &upstream.rules) }
    }

    // MARK: Health

    private mutating func readPassive(_ settings: Settings, _ rules: inout BalancingRules) {
        rules.passive = Self.limits(settings)
        let kind = settings.string("type") ?? "http"
        if kind.hasPrefix("grpc") {
            self.reader.fail(
                at: settings.position(of: "type"),
                "the type '\(kind)' is known, but not served yet; 'http' and 'tcp' are"
            )
        }
        if kind == "tcp" { (rules.passive.healthyStatuses, rules.passive.unhealthyStatuses) = ([], []) }
    }

    private mutating func readActive(_ settings: Settings, _ rules: inout BalancingRules) {
        var active = ActiveChecks()
        active.limits = Self.limits(settings)
        active.healthySeconds = settings.record("healthy")?.number("interval") ?? 0
        active.unhealthySeconds = settings.record("unhealthy")?.number("interval") ?? 0
        active.timeoutSeconds = settings.number("timeout") ?? 1
        active.concurrency = settings.integer("concurrency") ?? 10
        let kind = settings.string("type") ?? "http"
        switch kind {
        case "tcp": active.kind = .tcp
        case "http":
            let path = settings.string("http_path") ?? "/"
            if !path.hasPrefix("/") || !path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
                self.reader.fail(
                    at: settings.position(of: "http_path"),
                    "http_path: expected a path that begins with '/', with a query or without"
                )
            }
            active.kind = .http(path: path, fields: self.checkFields(settings))
        default:
            self.reader.fail(
                at: settings.position(of: "type"),
                "the type '\(kind)' is known, but not served yet; 'http' and 'tcp' are"
            )
        }
        rules.active = active
    }

    private static func limits(_ settings: Settings) -> HealthLimits {
        var limits = HealthLimits()
        if let healthy = settings.record("healthy") {
            limits.successes = healthy.integer("successes") ?? 0
            limits.healthyStatuses = Set(healthy.integers("http_statuses") ?? [])
        }
        if let unhealthy = settings.record("unhealthy") {
            limits.httpFailures = unhealthy.integer("http_failures") ?? 0
            limits.tcpFailures = unhealthy.integer("tcp_failures") ?? 0
            limits.timeouts = unhealthy.integer("timeouts") ?? 0
            limits.unhealthyStatuses = Set(unhealthy.integers("http_statuses") ?? [])
        }
        return limits
    }

    /// The fields that checks send, as lines.
    private mutating func checkFields(_ settings: Settings) -> [String] {
        var lines: [String] = []
        for (name, value) in settings.map("headers").sorted(by: { $0.key < $1.key }) {
            guard case .list(let elements) = value else { continue }
            let values = elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
            let isSound = values.allSatisfy { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }
            guard FieldName(name) != nil, isSound,
                !["host", "connection"].contains(name.lowercased())
            else {
                self.reader.fail(
                    at: settings.position(of: "headers"),
                    "headers.\(name): a check cannot send this field"
                )
                continue
            }
            lines += values.map { "\(name): \($0)" }
        }
        return lines
    }

    // MARK: Hashing

    private mutating func readHashing(_ settings: Settings, _ upstream: inout Upstream) {
        upstream.hashOn = self.hashSource("hash_on", settings)
        upstream.hashFallback = self.hashSource("hash_fallback", settings)
        if upstream.rules.algorithm == .consistentHashing, settings.string("hash_on") == "none" {
            self.reader.fail(
                at: settings.position(of: "hash_on"),
                "hash_on: consistent-hashing needs something to choose by, such as ip"
            )
        }
        if case .cookie = upstream.hashOn, upstream.hashFallback != nil {
            self.reader.fail(
                at: settings.position(of: "hash_fallback"),
                "hash_fallback: a cookie is set where a client has none, so nothing falls back"
            )
        }
    }

    private mutating func hashSource(_ field: String, _ settings: Settings) -> HashSource? {
        let place = settings.position(of: field)
        let word = settings.string(field) ?? "none"
        switch word {
        case "consumer": return .consumer
        case "ip": return .ip
        case "path": return .path
        case "header":
            guard let text = self.companion("\(field)_header", of: field, settings) else { return nil }
            guard let name = FieldName(text) else {
                let message = "\(field)_header: '\(text)' is no name of a header"
                self.reader.fail(at: settings.position(of: "\(field)_header"), message)
                return nil
            }
            return .header(name)
        case "query_arg":
            return self.companion("\(field)_query_arg", of: field, settings).map { .queryArgument($0) }
        case "cookie" where field == "hash_on": return self.cookie(settings)
        case "none": return nil
        default:
            self.reader.fail(at: place, "\(field): '\(word)' is known, but not served yet here")
            return nil
        }
    }

    private mutating func cookie(_ settings: Settings) -> HashSource? {
        guard let name = self.companion("hash_on_cookie", of: "hash_on", settings) else { return nil }
        let path = settings.string("hash_on_cookie_path") ?? "/"
        let isPath = path.hasPrefix("/") && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3B }
        guard FieldName(name) != nil, isPath else {
            self.reader.fail(
                at: settings.position(of: "hash_on_cookie"),
                "hash_on_cookie: expected a cookie's name, and a path that begins with '/'"
            )
            return nil
        }
        return .cookie(name, path: path)
    }

    /// A text that another field's word needs.
    private mutating func companion(_ name: String, of field: String, _ settings: Settings) -> String? {
        if let text = settings.string(name), !text.isEmpty { return text }
        let word = settings.string(field) ?? ""
        self.reader.fail(at: settings.position(of: field), "\(field): '\(word)' needs \(name)")
        return nil
    }

    // MARK: Targets

    /// Reads a target; `upstream` is the id of the one that it is nested in.
    mutating func readTarget(_ node: ConfigNode, upstream nested: String?) {
        let fields = nested == nil ? EntityFields.flatTarget : EntityFields.target
        let settings = self.reader.record(node, fields, path: "")
        var id = nested
        if nested == nil, let entry = node.entry("upstream"), !entry.node.isNull {
            id = self.reference(entry.node, to: "upstream")
        }
        if settings.wrote("id") {
            self.claim(settings.string("id") ?? "", "the id of a target", at: settings.position(of: "id"))
        }
        guard let text = settings.string("target"), let id, let index = self.upstreamPlaces[id] else {
            return
        }
        guard let address = ServiceAddress(text.lowercased(), port: 8000) else {
            self.reader.fail(
                at: settings.position(of: "target"),
                "target: expected host:port, found '\(text)'"
            )
            return
        }
        let name = self.configuration.upstreams[index].name
        let place = settings.position(of: "target")
        self.claim("\(address.host):\(address.port) of \(name)", "the target", at: place)
        self.configuration.upstreams[index].targets.append(
            UpstreamPlace(
                host: address.host,
                port: address.port,
                weight: settings.integer("weight") ?? 100,
                isFailover: settings.flag("failover")
            )
        )
    }
}

/// A host with a port, as targets are written.
struct ServiceAddress: Equatable {
    let host: String
    let port: Int

    /// Reads `host`, `host:port` or `[address]:port`; nil if it is none.
    init?(_ text: String, port standard: Int) {
        guard !text.contains("/"), let url = ServiceURL("http://\(text)") else { return nil }
        self.host = url.host
        self.port = url.port ?? standard
    }
}
