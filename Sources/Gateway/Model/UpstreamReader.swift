// Upstreams out of settings: rules of health and of hashing, and what is wrong with them.
import Proxy

/// Reads upstreams; gathers what is wrong.
package struct UpstreamReader {
    /// What was found wrong so far.
    package private(set) var failures: [Diagnostic] = []

    /// A reader that has found nothing yet.
    package init() {}

    /// Reads an upstream but for its targets.
    package mutating func read(_ settings: Settings, id: String, name: String) -> Upstream {
        var upstream = Upstream(id: id, name: name)
        upstream.position = settings.position
        upstream.tags = settings.strings("tags") ?? []
        self.readRules(settings, &upstream)
        self.readHashing(settings, &upstream)
        return upstream
    }

    private mutating func fail(at position: Position, _ message: String) {
        self.failures.append(Diagnostic(.error, at: position, message))
    }

    private mutating func readRules(_ settings: Settings, _ upstream: inout Upstream) {
        upstream.rules.algorithm =
            settings.string("algorithm").flatMap(BalancingAlgorithm.init) ?? .roundRobin
        if upstream.rules.algorithm == .stickySessions {
            upstream.rules.stickyCookie = self.stickyCookie(settings)
        }
        upstream.rules.hostHeader = settings.string("host_header")
        upstream.rules.tellsServiceHost = settings.flag("use_srv_name")
        if let own = settings.record("gatehouse") {
            upstream.rules.trialSeconds = own.number("trial_seconds") ?? 10
            upstream.rules.slowStartSeconds = own.number("slow_start_seconds") ?? 0
            upstream.rules.retryPercent = own.number("retry_percent") ?? 20
        }
        guard let checks = settings.record("healthchecks") else { return }
        upstream.rules.threshold = checks.number("threshold") ?? 0
        if let passive = checks.record("passive") { self.readPassive(passive, &upstream.rules) }
        if let active = checks.record("active") { self.readActive(active, &upstream) }
    }

    // MARK: Health

    private mutating func readPassive(_ settings: Settings, _ rules: inout BalancingRules) {
        rules.passive = Self.limits(settings)
        let kind = settings.string("type") ?? "http"
        if kind == "tcp" { (rules.passive.healthyStatuses, rules.passive.unhealthyStatuses) = ([], []) }
    }

    private mutating func readActive(_ settings: Settings, _ upstream: inout Upstream) {
        var active = ActiveChecks()
        active.limits = Self.limits(settings)
        active.healthySeconds = settings.record("healthy")?.number("interval") ?? 0
        active.unhealthySeconds = settings.record("unhealthy")?.number("interval") ?? 0
        active.timeoutSeconds = settings.number("timeout") ?? 1
        active.concurrency = settings.integer("concurrency") ?? 10
        upstream.checking = self.checking(settings)
        switch settings.string("type") ?? "http" {
        case "tcp": active.kind = .tcp
        case "grpc", "grpcs": active.kind = .grpc(fields: self.checkFields(settings))
        default: active.kind = .http(path: self.checkPath(settings), fields: self.checkFields(settings))
        }
        upstream.rules.active = active
    }

    /// How checks of a type speak.
    private mutating func checking(_ settings: Settings) -> HealthChecking {
        var checking = HealthChecking()
        let kind = settings.string("type") ?? "http"
        checking.speaksTLS = kind == "https" || kind == "grpcs"
        checking.speaksHTTP2 = kind.hasPrefix("grpc")
        checking.verifiesTLS = settings.flag("https_verify_certificate")
        guard let name = settings.string("https_sni"), !name.isEmpty else { return checking }
        let isName = name.utf8.allSatisfy { Self.ofNames.contains($0) } && IPAddress(name) == nil
        if !isName || name.hasPrefix(".") || name.utf8.count > 253 {
            self.fail(
                at: settings.position(of: "https_sni"),
                "https_sni: expected the name in a target's certificate, such as api.example"
            )
        }
        checking.serverName = name.lowercased()
        return checking
    }

    private static let ofNames = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_".utf8)

    private mutating func checkPath(_ settings: Settings) -> String {
        let path = settings.string("http_path") ?? "/"
        if !path.hasPrefix("/") || !path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            self.fail(
                at: settings.position(of: "http_path"),
                "http_path: expected a path that begins with '/', with a query or without"
            )
        }
        return path
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
                !["host", "connection", "content-length", "transfer-encoding"].contains(name.lowercased())
            else {
                self.fail(
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
            self.fail(
                at: settings.position(of: "hash_on"),
                "hash_on: consistent-hashing needs something to choose by, such as ip"
            )
        }
        if case .cookie = upstream.hashOn, upstream.hashFallback != nil {
            self.fail(
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
                self.fail(at: settings.position(of: "\(field)_header"), message)
                return nil
            }
            return .header(name)
        case "query_arg":
            return self.companion("\(field)_query_arg", of: field, settings).map { .queryArgument($0) }
        case "uri_capture":
            return self.companion("\(field)_uri_capture", of: field, settings).map { .capture($0) }
        case "cookie" where field == "hash_on": return self.cookie(settings)
        case "none": return nil
        default:
            self.fail(at: place, "\(field): '\(word)' is known, but not served yet here")
            return nil
        }
    }

    private mutating func cookie(_ settings: Settings) -> HashSource? {
        guard let name = self.companion("hash_on_cookie", of: "hash_on", settings) else { return nil }
        let path = settings.string("hash_on_cookie_path") ?? "/"
        return self.isCookie(name, path, "hash_on_cookie", settings) ? .cookie(name, path: path) : nil
    }

    /// The cookie that keeps clients with their targets.
    private mutating func stickyCookie(_ settings: Settings) -> StickyCookie? {
        let field = "sticky_sessions_cookie"
        guard let name = self.companion(field, of: "algorithm", settings) else { return nil }
        let path = settings.string("\(field)_path") ?? "/"
        return self.isCookie(name, path, field, settings) ? StickyCookie(name: name, path: path) : nil
    }

    private mutating func isCookie(
        _ name: String,
        _ path: String,
        _ field: String,
        _ settings: Settings
    ) -> Bool {
        let isPath = path.hasPrefix("/") && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3B }
        guard FieldName(name) != nil, isPath else {
            self.fail(
                at: settings.position(of: field),
                "\(field): expected a cookie's name, and a path that begins with '/'"
            )
            return false
        }
        return true
    }

    /// A text that another field's word needs.
    private mutating func companion(_ name: String, of field: String, _ settings: Settings) -> String? {
        if let text = settings.string(name), !text.isEmpty { return text }
        let word = settings.string(field) ?? ""
        self.fail(at: settings.position(of: field), "\(field): '\(word)' needs \(name)")
        return nil
    }
}
