// The fields of upstreams and targets: Kong's names and defaults, and a record of our own.
import JSON

extension EntityFields {
    private static let hashWords = [
        "none", "consumer", "ip", "header", "cookie", "path", "query_arg", "uri_capture",
    ]

    /// An upstream without its targets.
    package static let upstream: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, required: true, help: "What services write as their `host`."),
            FieldSchema(
                "algorithm",
                .string,
                default: "round-robin",
                oneOf: [
                    "round-robin", "least-connections", "consistent-hashing", "latency", "sticky-sessions",
                ],
                help: "How a target is chosen."
            ),
            FieldSchema("host_header", .string, help: "The `Host` to send in place of the target's."),
            FieldSchema("healthchecks", .record(Self.healthchecks), default: [:], help: "Who is healthy."),
            FieldSchema("gatehouse", .record(Self.own), default: [:], help: "Ours: Kong has no such field."),
            FieldSchema("targets", .list(.any), help: "Its targets, nested."),
            FieldSchema(
                "slots",
                .integer,
                default: 10000,
                range: 10...65536,
                status: .inert,
                help: "Our hashing needs none."
            ),
            FieldSchema(
                "use_srv_name",
                .boolean,
                default: false,
                help: "Whether `Host` is the host that a record of SRV names, not the target's name."
            ),
            FieldSchema("client_certificate", .any, status: .notYet),
        ] + Self.hashing

    private static let hashing: [FieldSchema] = [
        FieldSchema(
            "hash_on",
            .string,
            default: "none",
            oneOf: Self.hashWords,
            help: "What `consistent-hashing` chooses by."
        ),
        FieldSchema("hash_on_header", .string, help: "The header of `hash_on: header`."),
        FieldSchema("hash_on_cookie", .string, help: "The cookie of `cookie`; set where a client has none."),
        FieldSchema("hash_on_cookie_path", .string, default: "/", help: "The path for which it is set."),
        FieldSchema("hash_on_query_arg", .string, help: "The argument of `hash_on: query_arg`."),
        FieldSchema("hash_on_uri_capture", .string, help: Self.captureHelp),
        FieldSchema(
            "hash_fallback",
            .string,
            default: "none",
            oneOf: Self.hashWords,
            help: "What counts where a request has none of `hash_on`; `none` takes turns."
        ),
        FieldSchema("hash_fallback_header", .string, help: "The header of `hash_fallback: header`."),
        FieldSchema("hash_fallback_query_arg", .string, help: "The argument of `hash_fallback: query_arg`."),
        FieldSchema("hash_fallback_uri_capture", .string, help: "The same, of `hash_fallback: uri_capture`."),
        FieldSchema(
            "sticky_sessions_cookie",
            .string,
            help: "The cookie of `sticky-sessions`; it tells which target a client is with."
        ),
        FieldSchema(
            "sticky_sessions_cookie_path",
            .string,
            default: "/",
            help: "The path for which it is set."
        ),
    ]

    private static let captureHelp =
        "The named group of the path's pattern that `hash_on: uri_capture` means."

    private static let own: [FieldSchema] = [
        FieldSchema(
            "trial_seconds",
            .number,
            default: 10,
            range: 0...86400,
            help:
                "After how long one request tries an unhealthy target that no active check can bring back; 0 never."
        ),
        FieldSchema(
            "slow_start_seconds",
            .number,
            default: 0,
            range: 0...3600,
            help: "In how long a target that came back grows into its weight."
        ),
        FieldSchema(
            "retry_percent",
            .number,
            default: 20,
            range: 0...100,
            help: "How many retries a hundred requests allow, besides ten a second and worker."
        ),
    ]

    // MARK: Health

    private static let healthchecks: [FieldSchema] = [
        FieldSchema(
            "threshold",
            .number,
            default: 0,
            range: 0...100,
            help: "Percent of the weight that has to be healthy; below it nobody is asked."
        ),
        FieldSchema("active", .record(Self.active), default: [:], help: "Checks beside the requests."),
        FieldSchema("passive", .record(Self.passive), default: [:], help: "What requests tell."),
    ]

    private static let active: [FieldSchema] = [
        FieldSchema(
            "type",
            .string,
            default: "http",
            oneOf: ["http", "tcp", "https", "grpc", "grpcs"],
            help:
                "What is asked: a GET (`http`, `https`), gRPC's health service (`grpc`, `grpcs`) or a connection (`tcp`)."
        ),
        FieldSchema("timeout", .number, default: 1, range: 0.001...65535, help: "Seconds for one check."),
        FieldSchema("concurrency", .integer, default: 10, range: 1...1000, help: "Checks at once."),
        FieldSchema("http_path", .string, default: "/", help: "The path that is asked for."),
        FieldSchema("headers", .map(.list(.string)), help: "Fields to send with it."),
        FieldSchema(
            "healthy",
            .record([Self.interval, Self.statuses([200, 302]), Self.count("successes")]),
            default: [:],
            help: "For targets that are healthy, and what makes one so."
        ),
        FieldSchema(
            "unhealthy",
            .record(
                [Self.interval, Self.statuses([429, 404, 500, 501, 502, 503, 504, 505])] + Self.failures
            ),
            default: [:],
            help: "For targets that are not, and what makes one so."
        ),
        FieldSchema(
            "https_verify_certificate",
            .boolean,
            default: true,
            help: "Whether a target has to prove its name to checks over TLS."
        ),
        FieldSchema(
            "https_sni",
            .string,
            help: "The name that these checks ask for and want proven; the target's own where it is left out."
        ),
    ]

    private static let passive: [FieldSchema] = [
        FieldSchema(
            "type",
            .string,
            default: "http",
            oneOf: ["http", "https", "tcp", "grpc", "grpcs"],
            help: "`tcp`: statuses do not count."
        ),
        FieldSchema(
            "healthy",
            .record([
                Self.statuses([
                    200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307,
                    308,
                ]),
                Self.count("successes"),
            ]),
            default: [:],
            help: "What speaks for a target."
        ),
        FieldSchema(
            "unhealthy",
            .record([Self.statuses([429, 500, 503])] + Self.failures),
            default: [:],
            help: "What takes one out."
        ),
    ]

    private static let interval = FieldSchema(
        "interval",
        .number,
        default: 0,
        range: 0...65535,
        help: "Seconds between two checks; 0 is none."
    )

    private static let failures = [
        Self.count("http_failures"), Self.count("tcp_failures"), Self.count("timeouts"),
    ]

    private static func statuses(_ standard: [Int]) -> FieldSchema {
        FieldSchema(
            "http_statuses",
            .list(.integer),
            default: .array(standard.map { .integer(Int64($0)) }),
            range: 100...999
        )
    }

    private static func count(_ name: String) -> FieldSchema {
        FieldSchema(name, .integer, default: 0, range: 0...255, help: "So many in a row; 0 counts none.")
    }

    /// A target, nested in its upstream.
    package static let target: [FieldSchema] =
        Self.identity + [
            FieldSchema(
                "target",
                .string,
                required: true,
                help:
                    "`host:port`; without a port, 8000 as in Kong. `_service._proto.name` is looked up as SRV, port and weight with it."
            ),
            FieldSchema("weight", .integer, default: 100, range: 0...65535, help: "Its share; 0 is none."),
            FieldSchema(
                "failover",
                .boolean,
                default: false,
                help: "Whether it is used only while no other target is healthy."
            ),
        ]

    /// A target at the outermost level, which names its upstream.
    package static let flatTarget: [FieldSchema] =
        Self.target + [FieldSchema("upstream", Self.reference, required: true, help: "Its upstream.")]
}
