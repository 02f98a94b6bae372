// What the settings say, read once and checked.
import Access
import Gateway
import Logging
import Names
import Proxy
import Store

/// The program's settings after flags, environment and file have been laid over each other.
struct ProgramSettings: Sendable {
    var proxyListen: [ListenSetting]
    var statusListen: [ListenSetting]
    var callsListen: [ListenSetting]
    var workers: Int
    var dataDirectory: String
    var keysDirectory: String
    var authPrefix: String
    /// Whose consumers may ask about tokens; nil for nobody.
    var introspectionGroup: String?
    /// What `iss` says in what we sign.
    var tokenIssuer: String
    /// What our pages look like.
    var theme: PageTheme
    /// Seconds for which browsers are told to come by https alone; 0 tells them nothing.
    var hstsSeconds: Int
    var trustedAddresses: [String]
    var redirectHosts: [String]
    var trustedAuthorityFile: String?
    var allowHTTPIssuers: Bool
    var accessLog: Bool
    var coreDumps: Bool
    var logLevel: Logger.Level
    var logFormat: LogFormat
    var tokenCacheBytes: Int
    var calloutHeaders: [String]
    var drainSeconds: Int
    /// Where sessions live.
    var sessionStorage: SessionStorage
    /// Seconds that sessions go on while their store is down; 0 refuses.
    var sessionGraceSeconds: Double
    var tls: TLSSettings
    /// How long answers about upstreams' names count.
    var names = NameRules()
    /// Who is asked for them; the system's resolver if there are none.
    var nameServers: [NameServer] = []
    /// What a client may ask of us.
    var limits: ProxyLimits
}

/// How a log line is written.
enum LogFormat: String, Sendable {
    case json, text
}

/// A setting that cannot be used: which, where it was written, and the mend.
struct SettingError: Error, CustomStringConvertible {
    let description: String

    init(_ name: String, from source: SettingSource, _ mend: String) {
        self.description = "setting '\(name)' (\(source)): \(mend)"
    }

    init(_ sentence: String) { self.description = sentence }
}

/// Where a setting's value was written.
enum SettingSource: Sendable, CustomStringConvertible {
    case flag, environment, standard
    case file(String)

    var description: String {
        switch self {
        case .flag: "flag"
        case .environment: "environment"
        case .standard: "default"
        case .file(let place): place
        }
    }
}

/// A setting as it was written, before it is read.
struct WrittenSetting: Sendable {
    var items: [String]
    var source: SettingSource
}

extension ProgramSettings {
    /// Reads `written` over the defaults.
    ///
    /// - Parameter written: by the setting's name; a flag beats the environment, which beats the file.
    /// - Throws: `SettingError`, which names the setting, its place and the mend.
    init(_ written: [String: WrittenSetting], cores: Int) throws(SettingError) {
        let read = SettingReader(written: written)
        try read.only("off", "admin_listen", "the Admin API is not served yet; write 'off'")
        self.proxyListen = try read.listeners("proxy_listen")
        self.statusListen = try read.listeners("status_listen")
        self.callsListen = try read.listeners("ext_authz_listen")
        self.workers =
            try read.text("workers") == "auto" ? cores : read.integer("workers", in: 1...1024)
        self.dataDirectory = try read.text("data_dir")
        self.keysDirectory = try read.text("keys_dir")
        self.authPrefix = try read.pathPrefix("auth_prefix")
        let groups = read.list("introspection_group")
        guard groups.count <= 1 else { throw read.error("introspection_group", "one group") }
        self.introspectionGroup = groups.first
        self.tokenIssuer = try read.text("token_issuer")
        self.theme = try ThemeFiles.theme(read)
        self.hstsSeconds = try read.integer("hsts_max_age", in: 0...63_072_000)
        self.trustedAddresses = read.list("trusted_ips")
        self.redirectHosts = read.list("redirect_hosts").map { $0.lowercased() }
        let authorities = read.list("trusted_ca_file").first
        self.trustedAuthorityFile = authorities == "" ? nil : authorities
        self.allowHTTPIssuers = try read.flag("allow_http_issuers")
        self.accessLog = try read.flag("access_log")
        self.coreDumps = try read.flag("core_dumps")
        self.logLevel = try read.logLevel("log_level")
        self.logFormat = try read.logFormat("log_format")
        self.tokenCacheBytes = try read.integer("token_cache_bytes", in: 0...(1 << 40))
        self.calloutHeaders = read.list("callout_headers")
        self.sessionStorage = try read.sessionStorage("session_store")
        self.sessionGraceSeconds = try read.grace("session_store_down")
        self.drainSeconds = try read.integer("drain_seconds", in: 0...86_400)
        let listeners = self.proxyListen + self.callsListen
        self.tls = try TLSSettings(read, isServed: listeners.contains(where: \.isTLS))
        self.nameServers = try read.nameServers("dns_resolver")
        self.names.validSeconds = Double(try read.integer("dns_valid_ttl", in: 1...86_400))
        self.names.staleSeconds = Double(try read.integer("dns_stale_ttl", in: 0...604_800))
        self.names.errorSeconds = Double(try read.integer("dns_error_ttl", in: 1...86_400))
        self.limits = try ProxyLimits(read)
        try self.checkListeners(read)
    }

    /// `trusted_ips` as ranges.
    func trustedRanges() throws(Failure) -> [AddressRange] {
        var ranges: [AddressRange] = []
        for text in self.trustedAddresses {
            guard let range = AddressRange(text) else {
                throw Failure(
                    "setting 'trusted_ips': '\(text)' is no address and no CIDR block such as 10.0.0.0/8"
                )
            }
            ranges.append(range)
        }
        return ranges
    }

    private func checkListeners(_ read: SettingReader) throws(SettingError) {
        guard !self.statusListen.contains(where: { $0.isTLS || $0.takesHTTP2 || $0.takesProxyHeader }) else {
            throw read.error("status_listen", "'ssl', 'http2' and 'proxy_protocol' are not served here")
        }
        guard !self.callsListen.contains(where: \.takesProxyHeader) else {
            throw read.error("ext_authz_listen", "'proxy_protocol' is not served here")
        }
        guard !self.trustedAddresses.isEmpty || !self.proxyListen.contains(where: \.takesProxyHeader) else {
            throw read.error("proxy_listen", "'proxy_protocol' wants the balancer's address in trusted_ips")
        }
    }
}

extension ProxyLimits {
    /// How many clients so many open files leave room for: an eighth and 64 are kept for upstreams and all else.
    static func connections(openFiles: Int) -> Int { max(1, openFiles - openFiles / 8 - 64) }

    /// The limits of a client's side as they were written.
    fileprivate init(_ read: SettingReader) throws(SettingError) {
        self.init()
        for form in read.list("path_allows") {
            switch form {
            case "semicolon": self.allowedInPath.insert(.semicolon)
            case "encoded-slash": self.allowedInPath.insert(.encodedSlash)
            default:
                throw read.error("path_allows", "expected 'semicolon' or 'encoded-slash', found '\(form)'")
            }
        }
        self.headBytes = try read.integer("limit_head_bytes", in: 1024...(1 << 20))
        self.lineBytes = min(self.lineBytes, self.headBytes)
        self.fields = try read.integer("limit_fields", in: 1...1000)
        let bodyBytes = try read.integer("limit_body_bytes", in: 0...(1 << 50))
        self.bodyBytes = bodyBytes == 0 ? nil : bodyBytes
        self.headSeconds = Double(try read.integer("limit_head_seconds", in: 1...3600))
        self.bodySeconds = Double(try read.integer("limit_body_seconds", in: 1...86_400))
        self.bodyRate = try read.integer("limit_body_rate", in: 0...(1 << 30))
        self.idleSeconds = Double(try read.integer("limit_idle_seconds", in: 1...86_400))
        self.drainIdleSeconds = Double(try read.integer("drain_idle_seconds", in: 0...86_400))
        self.requestsPerConnection = try read.integer("limit_requests_per_connection", in: 1...(1 << 30))
        self.connectionsPerWorker = try read.integer("limit_connections", in: 1...(1 << 24))
        let total = try read.integer("limit_connections_total", in: 0...(1 << 24))
        self.connectionsTotal = total == 0 ? nil : total
        let perAddress = try read.integer("limit_connections_per_address", in: 0...(1 << 24))
        self.connectionsPerAddress = perAddress == 0 ? nil : perAddress
    }
}
