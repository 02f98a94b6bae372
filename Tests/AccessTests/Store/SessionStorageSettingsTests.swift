// What may be written about where sessions live.
import Gateway
import JSON
import Store
import Testing

@testable import Access

struct SessionStorageSettingsTests {
    private func settings(_ config: [String: JSONValue]) throws -> OpenIDConnectSettings {
        try OpenIDConnectSettings(
            Settings(
                .object(AccessStage.usual.merging(config) { _, new in new }),
                schema: OpenIDConnectFields.all
            )
        )
    }

    @Test func `without a word the program's setting decides, and a word beats it`() throws {
        #expect(try settings([:]).session.storage == nil)
        #expect(try settings(["session_storage": "cookie"]).session.storage == .cookie)
        #expect(try settings(["session_storage": "redis"]).session.storage == .usualRedis)
    }

    @Test func `Kong's record says where`() throws {
        var wanted = RedisAddress(.tcp(host: "db.example", port: 6380))
        wanted.user = "gate"
        wanted.password = "pass"
        wanted.database = 3
        wanted.prefix = "kong:"
        wanted.connectSeconds = 0.5
        wanted.commandSeconds = 1.5
        var tls = RedisAddress.TLS()
        tls.serverName = "redis.example"
        wanted.tls = tls
        let record: JSONValue = [
            "host": "db.example", "port": 6380, "username": "gate", "password": "pass", "database": 3,
            "prefix": "kong:", "connect_timeout": 500, "read_timeout": 1500, "ssl": true,
            "server_name": "redis.example",
        ]
        #expect(
            try settings(["session_storage": "redis", "redis": record]).session.storage == .redis(wanted)
        )
        let socket: JSONValue = ["socket": "/run/redis.sock"]
        #expect(
            try settings(["session_storage": "redis", "redis": socket]).session.storage
                == .redis(RedisAddress(.socket(path: "/run/redis.sock")))
        )
    }

    @Test func `Kong's record says who names the server`() throws {
        var sentinels = RedisAddress.Sentinels(
            master: "m",
            nodes: [
                RedisAddress.Node(host: "a", port: 26_379), RedisAddress.Node(host: "127.0.0.1", port: 6379),
            ]
        )
        (sentinels.user, sentinels.password) = ("watch", "word")
        var wanted = RedisAddress(.sentinels(sentinels))
        wanted.password = "pass"
        // As decK dumps it: host and port have their defaults.
        let record: JSONValue = [
            "host": "127.0.0.1", "port": 6379, "password": "pass", "sentinel_master": "m",
            "sentinel_nodes": [["host": "a", "port": 26_379], [:]], "sentinel_role": "master",
            "sentinel_username": "watch", "sentinel_password": "word",
        ]
        #expect(
            try settings(["session_storage": "redis", "redis": record]).session.storage == .redis(wanted)
        )
    }

    @Test func `Kong's record says which servers tell of a cluster`() throws {
        var cluster = RedisAddress.Cluster(
            nodes: [
                RedisAddress.Node(host: "10.0.0.1", port: 7000),
                RedisAddress.Node(host: "127.0.0.1", port: 6379),
            ]
        )
        // As decK dumps it: host, port and database have their defaults.
        var record: [String: JSONValue] = [
            "host": "127.0.0.1", "port": 6379, "database": 0, "password": "pass",
            "cluster_nodes": [["ip": "10.0.0.1", "port": 7000], [:]],
        ]
        var wanted = RedisAddress(.cluster(cluster))
        wanted.password = "pass"
        #expect(
            try settings(["session_storage": "redis", "redis": .object(record)]).session.storage
                == .redis(wanted)
        )
        record["cluster_max_redirections"] = 2
        cluster.maximumRedirections = 2
        wanted.place = .cluster(cluster)
        #expect(
            try settings(["session_storage": "redis", "redis": .object(record)]).session.storage
                == .redis(wanted)
        )
    }

    @Test(
        arguments: [
            (["session_storage": "memcached"], "session_storage"),
            (["session_storage": "memcache"], "session_storage"),
            (["redis": ["host": "h"]], "redis"),
            (["session_storage": "redis", "redis": ["port": 0]], "port"),
            (["session_storage": "redis", "redis": ["port": 65_536]], "port"),
            (["session_storage": "redis", "redis": ["socket": "relative"]], "socket"),
            (["session_storage": "redis", "redis": ["username": "u"]], "username"),
            (["session_storage": "redis", "redis": ["database": -1]], "database"),
            (["session_storage": "redis", "redis": ["connect_timeout": 0]], "connect_timeout"),
            (["session_storage": "redis", "redis": ["read_timeout": 60_001]], "read_timeout"),
            (["session_storage": "redis", "redis": ["sentinel_master": "m"]], "sentinel_master"),
            (
                ["session_storage": "redis", "redis": ["sentinel_nodes": [["host": "h", "port": 1]]]],
                "sentinel_nodes"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": [
                        "sentinel_master": "m", "sentinel_nodes": [["host": "h"]], "sentinel_role": "any",
                    ],
                ],
                "sentinel_role:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": [
                        "sentinel_master": "m", "sentinel_nodes": [["host": "h"]], "sentinel_role": "slave",
                    ],
                ],
                "sentinel_role:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": ["sentinel_master": "m", "sentinel_nodes": [["host": "h"]], "socket": "/s"],
                ],
                "socket:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": [
                        "sentinel_master": "m", "sentinel_nodes": [["host": "h"]], "sentinel_username": "u",
                    ],
                ],
                "sentinel_username:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": ["sentinel_master": "m m", "sentinel_nodes": [["host": "h"]]],
                ],
                "sentinel_master:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": ["sentinel_master": "m", "sentinel_nodes": [["host": "h", "port": 0]]],
                ],
                "sentinel_nodes: port"
            ),
            (["session_storage": "redis", "redis": ["sentinel_password": "s"]], "sentinel_password:"),
            (
                ["session_storage": "redis", "redis": ["cluster_nodes": [["ip": "10.0.0.1", "port": 0]]]],
                "cluster_nodes: port"
            ),
            (
                ["session_storage": "redis", "redis": ["cluster_nodes": [["ip": "a"]], "socket": "/s"]],
                "socket:"
            ),
            (
                ["session_storage": "redis", "redis": ["cluster_nodes": [["ip": "a"]], "database": 1]],
                "database:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": ["cluster_nodes": [["ip": "a"]], "cluster_max_redirections": 0],
                ],
                "cluster_max_redirections:"
            ),
            (
                [
                    "session_storage": "redis",
                    "redis": [
                        "cluster_nodes": [["ip": "a"]], "sentinel_master": "m",
                        "sentinel_nodes": [["host": "h"]],
                    ],
                ],
                "not together with sentinel_nodes"
            ),
        ] as [([String: JSONValue], String)]
    )
    func `what cannot be served is refused by its name`(config: [String: JSONValue], field: String) {
        let error = #expect(throws: ConfigurationError.self) { try settings(config) }
        #expect(error?.diagnostics.contains { $0.message.contains(field) } == true)
    }
}
