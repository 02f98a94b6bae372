// The settings as flags of `gatehouse serve`.
import ArgumentParser

extension ArgumentHelp {
    /// The table's sentence about a setting, with its default and its variable.
    static func setting(_ name: String) -> ArgumentHelp {
        guard let setting = Setting.named(name) else { return "" }
        let standard = setting.standard.isEmpty ? "unset" : setting.standard
        return ArgumentHelp("\(setting.help) (\(setting.variable); default: \(standard))")
    }
}

/// One flag a setting; each may be left out.
struct SettingsFlags: ParsableArguments {
    @Option(help: .setting("proxy_listen")) var proxyListen: String?
    @Option(help: .setting("admin_listen")) var adminListen: String?
    @Option(help: .setting("status_listen")) var statusListen: String?
    @Option(help: .setting("ext_authz_listen")) var extAuthzListen: String?
    @Option(help: .setting("ssl_cert")) var sslCert: String?
    @Option(help: .setting("ssl_cert_key")) var sslCertKey: String?
    @Option(help: .setting("ssl_protocols")) var sslProtocols: String?
    @Option(help: .setting("ssl_cipher_suite")) var sslCipherSuite: String?
    @Option(help: .setting("upstream_ca_file")) var upstreamCaFile: String?
    @Option(help: .setting("workers")) var workers: String?
    @Option(help: .setting("data_dir")) var dataDir: String?
    @Option(help: .setting("keys_dir")) var keysDir: String?
    @Option(help: .setting("auth_prefix")) var authPrefix: String?
    @Option(help: .setting("introspection_group")) var introspectionGroup: String?
    @Option(help: .setting("token_issuer")) var tokenIssuer: String?
    @Option(help: .setting("page_name")) var pageName: String?
    @Option(help: .setting("page_logo_file")) var pageLogoFile: String?
    @Option(help: .setting("page_style_file")) var pageStyleFile: String?
    @Option(help: .setting("hsts_max_age")) var hstsMaxAge: String?
    @Option(help: .setting("trusted_ips")) var trustedIps: String?
    @Option(help: .setting("redirect_hosts")) var redirectHosts: String?
    @Option(help: .setting("trusted_ca_file")) var trustedCaFile: String?
    @Option(help: .setting("allow_http_issuers")) var allowHttpIssuers: String?
    @Option(help: .setting("access_log")) var accessLog: String?
    @Option(help: .setting("core_dumps")) var coreDumps: String?
    @Option(help: .setting("log_level")) var logLevel: String?
    @Option(help: .setting("log_format")) var logFormat: String?
    @Option(help: .setting("token_cache_bytes")) var tokenCacheBytes: String?
    @Option(help: .setting("session_store")) var sessionStore: String?
    @Option(help: .setting("session_store_down")) var sessionStoreDown: String?
    @Option(help: .setting("callout_headers")) var calloutHeaders: String?
    @Option(help: .setting("path_allows")) var pathAllows: String?
    @Option(help: .setting("dns_resolver")) var dnsResolver: String?
    @Option(help: .setting("dns_valid_ttl")) var dnsValidTtl: String?
    @Option(help: .setting("dns_stale_ttl")) var dnsStaleTtl: String?
    @Option(help: .setting("dns_error_ttl")) var dnsErrorTtl: String?
    @Option(help: .setting("limit_head_bytes")) var limitHeadBytes: String?
    @Option(help: .setting("limit_fields")) var limitFields: String?
    @Option(help: .setting("limit_body_bytes")) var limitBodyBytes: String?
    @Option(help: .setting("limit_head_seconds")) var limitHeadSeconds: String?
    @Option(help: .setting("limit_body_seconds")) var limitBodySeconds: String?
    @Option(help: .setting("limit_body_rate")) var limitBodyRate: String?
    @Option(help: .setting("limit_idle_seconds")) var limitIdleSeconds: String?
    @Option(help: .setting("limit_requests_per_connection")) var limitRequestsPerConnection: String?
    @Option(help: .setting("limit_connections")) var limitConnections: String?
    @Option(help: .setting("limit_connections_total")) var limitConnectionsTotal: String?
    @Option(help: .setting("limit_connections_per_address")) var limitConnectionsPerAddress: String?
    @Option(help: .setting("drain_seconds")) var drainSeconds: String?
    @Option(help: .setting("drain_idle_seconds")) var drainIdleSeconds: String?

    /// What was given, by the setting's name.
    var given: [String: String] {
        let all: [(String, String?)] = [
            ("proxy_listen", self.proxyListen), ("admin_listen", self.adminListen),
            ("status_listen", self.statusListen), ("ext_authz_listen", self.extAuthzListen),
            ("ssl_cert", self.sslCert), ("ssl_cert_key", self.sslCertKey),
            ("ssl_protocols", self.sslProtocols), ("ssl_cipher_suite", self.sslCipherSuite),
            ("upstream_ca_file", self.upstreamCaFile),
            ("workers", self.workers), ("data_dir", self.dataDir), ("keys_dir", self.keysDir),
            ("auth_prefix", self.authPrefix), ("introspection_group", self.introspectionGroup),
            ("token_issuer", self.tokenIssuer), ("page_name", self.pageName),
            ("page_logo_file", self.pageLogoFile), ("page_style_file", self.pageStyleFile),
            ("hsts_max_age", self.hstsMaxAge),
            ("trusted_ips", self.trustedIps),
            ("redirect_hosts", self.redirectHosts), ("trusted_ca_file", self.trustedCaFile),
            ("allow_http_issuers", self.allowHttpIssuers), ("access_log", self.accessLog),
            ("core_dumps", self.coreDumps),
            ("log_level", self.logLevel), ("log_format", self.logFormat),
            ("token_cache_bytes", self.tokenCacheBytes), ("session_store", self.sessionStore),
            ("session_store_down", self.sessionStoreDown), ("callout_headers", self.calloutHeaders),
            ("path_allows", self.pathAllows),
            ("dns_resolver", self.dnsResolver),
            ("dns_valid_ttl", self.dnsValidTtl),
            ("dns_stale_ttl", self.dnsStaleTtl),
            ("dns_error_ttl", self.dnsErrorTtl),
            ("limit_head_bytes", self.limitHeadBytes),
            ("limit_fields", self.limitFields),
            ("limit_body_bytes", self.limitBodyBytes),
            ("limit_head_seconds", self.limitHeadSeconds),
            ("limit_body_seconds", self.limitBodySeconds),
            ("limit_body_rate", self.limitBodyRate),
            ("limit_idle_seconds", self.limitIdleSeconds),
            ("limit_requests_per_connection", self.limitRequestsPerConnection),
            ("limit_connections", self.limitConnections),
            ("limit_connections_total", self.limitConnectionsTotal),
            ("limit_connections_per_address", self.limitConnectionsPerAddress),
            ("drain_seconds", self.drainSeconds),
            ("drain_idle_seconds", self.drainIdleSeconds),
        ]
        return Dictionary(uniqueKeysWithValues: all.compactMap { name, value in value.map { (name, $0) } })
    }
}
