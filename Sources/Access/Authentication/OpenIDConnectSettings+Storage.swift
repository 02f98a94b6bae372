// The settings of one openid-connect instance: where its sessions live.
import Gateway
import Store

extension OpenIDConnectSettings {
    /// Where sessions live, if the instance says so.
    static func storage(_ check: inout SettingsCheck) -> SessionStorage? {
        let settings = check.settings
        guard settings.wrote("session_storage") else {
            if settings.wrote("redis") {
                check.fail("redis", "has a meaning with session_storage: redis alone")
            }
            return nil
        }
        switch settings.string("session_storage") {
        case "cookie": return .cookie
        case "redis": return settings.record("redis").map { .redis(address($0, &check)) } ?? .usualRedis
        case let other:
            check.fail("session_storage", "'\(other ?? "")' is not served yet; expected cookie or redis")
            return nil
        }
    }

    /// The `redis` record as an address.
    private static func address(_ record: Settings, _ check: inout SettingsCheck) -> RedisAddress {
        var address = RedisAddress(place(record, &check))
        address.user = record.string("username")
        address.password = record.string("password")
        if address.user != nil, address.password == nil {
            check.fail("redis", "username: needs a password")
        }
        address.database = record.integer("database") ?? 0
        if address.database < 0 { check.fail("redis", "database: must not be negative") }
        if address.cluster != nil, address.database != 0 {
            check.fail("redis", "database: a cluster has none but 0")
        }
        if record.flag("ssl") {
            var tls = RedisAddress.TLS()
            tls.verifies = record.boolean("ssl_verify") ?? true
            tls.serverName = record.string("server_name")
            if !tls.verifies {
                check.warn(
                    "redis",
                    "ssl_verify: the server's certificate is not verified; use trusted_ca_file"
                )
            }
            address.tls = tls
        }
        address.connectSeconds = seconds("connect_timeout", record, &check)
        address.commandSeconds = seconds("read_timeout", record, &check)
        if let prefix = record.string("prefix") { address.prefix = prefix }
        return address
    }

    private static func place(_ record: Settings, _ check: inout SettingsCheck) -> RedisAddress.Place {
        let sentinels = sentinels(record, &check)
        if let cluster = cluster(record, &check) {
            if sentinels != nil { check.fail("redis", "cluster_nodes: not together with sentinel_nodes") }
            return .cluster(cluster)
        }
        if let sentinels { return .sentinels(sentinels) }
        if let path = record.string("socket") {
            if !path.hasPrefix("/") || path.utf8.count > 103 {
                check.fail("redis", "socket: expected an absolute path of at most 103 octets")
            }
            return .socket(path: path)
        }
        return .tcp(host: record.string("host") ?? "127.0.0.1", port: port(record, "port", &check))
    }

    private static func port(_ record: Settings, _ field: String, _ check: inout SettingsCheck) -> Int {
        let port = record.integer("port") ?? 6379
        if !(1...65_535).contains(port) { check.fail("redis", "\(field): expected a number from 1 to 65535") }
        return port
    }

    /// The cluster, if the record names servers of one.
    private static func cluster(_ record: Settings, _ check: inout SettingsCheck) -> RedisAddress.Cluster? {
        let nodes = record.records("cluster_nodes")
        guard !nodes.isEmpty else { return nil }
        if record.string("socket") != nil { check.fail("redis", "socket: not together with cluster_nodes") }
        var cluster = RedisAddress.Cluster(
            nodes: nodes.map {
                RedisAddress.Node(
                    host: $0.string("ip") ?? "127.0.0.1",
                    port: port($0, "cluster_nodes: port", &check)
                )
            }
        )
        cluster.maximumRedirections = record.integer("cluster_max_redirections") ?? 5
        if !(1...100).contains(cluster.maximumRedirections) {
            check.fail("redis", "cluster_max_redirections: expected a number from 1 to 100")
        }
        return cluster
    }

    /// Who names the server, if the record says that somebody does.
    private static func sentinels(
        _ record: Settings,
        _ check: inout SettingsCheck
    ) -> RedisAddress.Sentinels? {
        let nodes = record.records("sentinel_nodes")
        let fields = ["sentinel_master", "sentinel_password", "sentinel_role", "sentinel_username"]
        let written = fields.filter { record.string($0) != nil }
        guard !nodes.isEmpty else {
            for field in written { check.fail("redis", "\(field): needs sentinel_nodes") }
            return nil
        }
        guard let master = record.string("sentinel_master"), RedisAddress.Sentinels.isName(master) else {
            check.fail("redis", "sentinel_master: expected the name by which sentinel_nodes know the master")
            return nil
        }
        if let role = record.string("sentinel_role"), role != "master" {
            check.fail("redis", "sentinel_role: '\(role)' cannot hold sessions; expected master")
        }
        if record.string("socket") != nil { check.fail("redis", "socket: not together with sentinel_nodes") }
        var sentinels = RedisAddress.Sentinels(
            master: master,
            nodes: nodes.map {
                RedisAddress.Node(
                    host: $0.string("host") ?? "127.0.0.1",
                    port: port($0, "sentinel_nodes: port", &check)
                )
            }
        )
        sentinels.user = record.string("sentinel_username")
        sentinels.password = record.string("sentinel_password")
        if sentinels.user != nil, sentinels.password == nil {
            check.fail("redis", "sentinel_username: needs sentinel_password")
        }
        return sentinels
    }

    private static func seconds(_ field: String, _ record: Settings, _ check: inout SettingsCheck) -> Double {
        let milliseconds = record.integer(field) ?? 2000
        if !(1...60_000).contains(milliseconds) {
            check.fail("redis", "\(field): expected milliseconds from 1 to 60000")
        }
        return Double(milliseconds) / 1000
    }
}

extension RedisAddress {
    /// Kong's own default.
    static let standard = RedisAddress(.tcp(host: "127.0.0.1", port: 6379))
}
