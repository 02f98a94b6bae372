// The settings of `rate-limiting`.
import JSON

/// Names, periods and checks.
enum RateLimitingFields {
    /// Each period with its window in seconds, the shortest first.
    static let periods: [(name: String, seconds: Int)] = [
        ("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400), ("month", 2_592_000),
        ("year", 31_536_000),
    ]

    static let help = """
        Refuses whoever comes more often than a limit allows, with 429 and `Retry-After`. Each answer says
        in `X-RateLimit-Limit-Minute`, `X-RateLimit-Remaining-Minute` and so on what is left, and in
        `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` the same of the tightest limit;
        `RateLimit-Reset` and `Retry-After` are seconds until the window ends, or until a refused client may
        come again. nginx is told 403 with the same headers, since it takes every other status of a callout for a
        fault.

        The window slides: a limit of 60 in a minute counts what came in this minute, and of the minute
        before the share that the last 60 seconds still cover (after 15 seconds three quarters of it). So
        two bursts at a minute's border are one, unlike with Kong's fixed windows. A month is 30 days, a
        year 365; windows begin at multiples of their length since 1970. A request that is refused counts
        nowhere, and `gatehouse explain` counts nothing.

        The counts are one for all workers, exact to the request, and outlive a reload as long as the
        instance (its `id`, or what it is bound to) and `limit_by` stay the same, even if the limit changes;
        a restart begins anew. Each limit of an instance keeps up to 65,536 clients, at most 2 MB, by a
        keyed hash of their name. Beyond that a newcomer takes the place of a client with the least use and
        starts where that one stopped: it may be refused too early, but nobody's use is ever forgotten,
        however many addresses somebody sends.

        An IPv6 client is counted by its network of 64 bits (Kong counts the whole address): one subscriber
        has 2^64 addresses. Where `limit_by` finds nothing, such as no consumer, the client's address
        counts. A header is what the client says, so counting by one limits only clients that cannot choose
        it.
        """

    static let all: [FieldSchema] =
        Self.periods.map {
            FieldSchema($0.name, .integer, range: 1...4_000_000_000, help: "Requests in a \($0.name).")
        } + [
            FieldSchema(
                "limit_by",
                .string,
                default: "consumer",
                oneOf: ["consumer", "credential", "ip", "service", "header", "path", "consumer-group"],
                help: "Whose requests are counted together."
            ),
            FieldSchema("header_name", .string, help: "The header of `limit_by: header`."),
            FieldSchema("path", .string, help: "The path of `limit_by: path`."),
            FieldSchema(
                "policy",
                .string,
                default: "local",
                oneOf: ["local", "cluster", "redis"],
                help:
                    "Where the counts live: this process. `cluster` and `redis` are known, not served yet."
            ),
            FieldSchema(
                "fault_tolerant",
                .boolean,
                default: true,
                status: .inert,
                help: "Counts in the process do not fail."
            ),
            FieldSchema(
                "hide_client_headers",
                .boolean,
                default: false,
                help: "Leaves out the headers, `Retry-After` too."
            ),
            FieldSchema(
                "error_code",
                .integer,
                default: 429,
                range: 400...599,
                help: "The refusal's status."
            ),
            FieldSchema(
                "error_message",
                .string,
                default: "API rate limit exceeded",
                help: "The refusal's message."
            ),
            FieldSchema("sync_rate", .number, default: -1, status: .notYet),
            FieldSchema("redis", .any, help: "Must name no `host`: counts in Redis are not served yet."),
        ]
        + [
            "redis_host", "redis_password", "redis_username", "redis_server_name",
        ].map { FieldSchema($0, .string, status: .notYet, secret: $0 == "redis_password") }
        + [
            FieldSchema("redis_port", .integer, default: 6379, status: .notYet),
            FieldSchema("redis_timeout", .integer, default: 2000, status: .notYet),
            FieldSchema("redis_database", .integer, default: 0, status: .notYet),
            FieldSchema("redis_ssl", .boolean, default: false, status: .notYet),
            FieldSchema("redis_ssl_verify", .boolean, default: false, status: .notYet),
            FieldSchema("throttling", .any, status: .notYet),
        ]

    /// What no single field can tell.
    static func check(_ settings: Settings) throws(ConfigurationError) {
        let policy = settings.string("policy") ?? "local"
        guard policy == "local" else {
            throw settings.error("policy", "'\(policy)' is known, but not served yet; use local")
        }
        // A dump has Kong's defaults here; only a host says that Redis is meant.
        if let redis = settings.any("redis"), redis.object == nil || !(redis["host"] ?? .null).isNull {
            throw settings.error("redis", "counts in Redis are known, but not served yet; remove it")
        }
        var shorter: (name: String, count: Int)?
        for (name, _) in Self.periods {
            guard let count = settings.integer(name) else { continue }
            if let shorter, count < shorter.count {
                throw settings.error(
                    name,
                    "\(count) in a \(name) is less than \(shorter.count) in a \(shorter.name): never reached"
                )
            }
            shorter = (name, count)
        }
        guard shorter != nil else {
            throw ConfigurationError(
                at: settings.position,
                "rate-limiting needs a limit: one of second, minute, hour, day, month, year"
            )
        }
    }
}
