// What the settings say, and what is refused.
import ArgumentParser
import Logging
import Proxy
import Testing

@testable import gatehouse

struct ProgramSettingsTests {
    private func settings(
        flags: [String: String] = [:],
        environment: [String: String] = [:],
        file: String? = nil
    ) throws -> ProgramSettings {
        let sources = SettingsSources(
            flags: flags,
            environment: environment,
            file: file.map { ("settings.yaml", Array($0.utf8)) }
        )
        return try ProgramSettings(sources.written().settings, cores: 2)
    }

    @Test func `the defaults are those of the manual`() throws {
        let settings = try self.settings()
        #expect(settings.proxyListen == [ListenSetting(host: "0.0.0.0", port: 8000)])
        #expect(settings.statusListen == [ListenSetting(host: "127.0.0.1", port: 8007)])
        #expect(settings.workers == 2)
        #expect(settings.authPrefix == "/oauth2")
        #expect(settings.trustedAddresses.isEmpty)
        #expect(!settings.allowHTTPIssuers)
    }

    @Test func `a flag beats the environment, which beats the file`() throws {
        let file = "workers: 3\nauth_prefix: /file\nlog_level: error\n"
        let environment = ["GATEHOUSE_AUTH_PREFIX": "/environment", "GATEHOUSE_LOG_LEVEL": "debug"]
        let settings = try self.settings(flags: ["log_level": "trace"], environment: environment, file: file)
        #expect(settings.workers == 3)
        #expect(settings.authPrefix == "/environment")
        #expect(settings.logLevel == .trace)
    }

    @Test func `lists are read by comma in a variable and as items in the file`() throws {
        let variable = try self.settings(environment: ["GATEHOUSE_TRUSTED_IPS": "10.0.0.0/8, ::1"])
        #expect(variable.trustedAddresses == ["10.0.0.0/8", "::1"])
        let file = try self.settings(file: "trusted_ips: [10.0.0.0/8, \"::1\"]\n")
        #expect(file.trustedAddresses == ["10.0.0.0/8", "::1"])
    }

    @Test func `an unknown variable is a warning and an unknown key an error with a near name`() throws {
        let sources = SettingsSources(flags: [:], environment: ["GATEHOUSE_PORT": "tcp://1"], file: nil)
        #expect(try sources.written().warnings.count == 1)
        let error = #expect(throws: SettingError.self) { try self.settings(file: "proxy_listn: \"off\"\n") }
        #expect(
            error?.description
                == "settings.yaml:1:1: error: no setting is called 'proxy_listn'; did you mean 'proxy_listen'?"
        )
    }

    @Test(arguments: [
        ("workers", "0"), ("workers", "many"), ("log_level", "loud"), ("access_log", "maybe"),
        ("auth_prefix", "oauth2"), ("auth_prefix", "/oauth2/"), ("auth_prefix", "/a/../b"),
        ("proxy_listen", "8000"), ("proxy_listen", "0.0.0.0:65536"), ("proxy_listen", "0.0.0.0:8443 spdy"),
        ("status_listen", "127.0.0.1:8007 ssl"), ("proxy_listen", "0.0.0.0:8000 proxy_protocol"),
        ("ssl_cert", "a.pem"), ("ssl_protocols", "TLSv1.1"), ("ssl_cipher_suite", "old"),
        ("admin_listen", "127.0.0.1:8001"), ("ext_authz_listen", "127.0.0.1:9000"),
        ("session_store", "redis://"), ("session_store", "memcached://h"), ("session_store_down", "grace"),
        ("session_store_down", "grace=0"), ("session_store_down", "grace=86401"), ("drain_seconds", "-1"),
        ("log_format", "xml"),
        ("path_allows", "dots"), ("limit_head_bytes", "1023"), ("limit_body_bytes", "-1"),
        ("limit_connections", "0"), ("limit_connections_total", "-1"), ("limit_body_rate", "fast"),
        ("limit_connections_per_address", "-1"), ("limit_requests_per_connection", "0"),
        ("drain_idle_seconds", "-1"), ("dns_valid_ttl", "0"), ("dns_stale_ttl", "-1"), ("dns_error_ttl", "0"),
    ])
    func `a value that cannot be served is refused and named`(name: String, value: String) throws {
        let error = #expect(throws: SettingError.self) { try self.settings(flags: [name: value]) }
        #expect(error?.description.hasPrefix("setting '\(name)' (flag): ") == true)
    }

    @Test func `listeners may be off, several, or IPv6`() throws {
        #expect(try self.settings(flags: ["status_listen": "off"]).statusListen.isEmpty)
        let several = try self.settings(flags: ["proxy_listen": "127.0.0.1:80, [::1]:81 backlog=9"])
        #expect(
            several.proxyListen == [
                ListenSetting(host: "127.0.0.1", port: 80), ListenSetting(host: "::1", port: 81, backlog: 9),
            ]
        )
    }

    @Test func `limits are those of the table, and what is written replaces them`() throws {
        #expect(try self.settings().limits == ProxyLimits())
        let written = [
            "path_allows": "semicolon, encoded-slash", "limit_body_bytes": "10", "limit_head_bytes": "1024",
            "limit_head_seconds": "3", "limit_body_rate": "0", "limit_requests_per_connection": "1",
            "limit_connections_total": "5", "limit_connections_per_address": "6", "drain_idle_seconds": "0",
        ]
        let limits = try self.settings(flags: written).limits
        #expect(limits.allowedInPath == [.semicolon, .encodedSlash])
        #expect(limits.bodyBytes == 10)
        #expect(limits.headBytes == 1024)
        #expect(limits.lineBytes == 1024)
        #expect(limits.headSeconds == 3)
        #expect(limits.bodyRate == 0)
        #expect(limits.requestsPerConnection == 1)
        #expect(limits.connectionsTotal == 5)
        #expect(limits.connectionsPerAddress == 6)
        #expect(limits.drainIdleSeconds == 0)
    }

    @Test func `names have the times of the table, and what is written replaces them`() throws {
        #expect(try self.settings().names == NameRules())
        let written = ["dns_valid_ttl": "1", "dns_stale_ttl": "0", "dns_error_ttl": "2"]
        let names = try self.settings(flags: written).names
        #expect(names.validSeconds == 1)
        #expect(names.staleSeconds == 0)
        #expect(names.errorSeconds == 2)
    }

    @Test func `an eighth of the open files and 64 are kept from the clients`() {
        #expect(ProxyLimits.connections(openFiles: 1024) == 832)
        #expect(ProxyLimits.connections(openFiles: 1_048_576) == 917_440)
        #expect(ProxyLimits.connections(openFiles: 20) == 1)
    }

    @Test func `every setting has its flag`() throws {
        let help = Serve.helpMessage(columns: 400)
        for setting in Setting.all { #expect(help.contains("--\(setting.flag) "), "\(setting.name)") }
    }
}
