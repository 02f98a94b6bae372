// The fields of every entity: Kong's names and defaults, and what we serve of them.
import JSON

/// The fields of the file's entities.
package enum EntityFields {
    /// A reference is a name, or a record with a name or an id.
    package static let reference = FieldType.any

    static let identity: [FieldSchema] = [
        FieldSchema("id", .string, help: "A stable identifier; kept."),
        FieldSchema("tags", .list(.string), help: "Words for your own tools; kept, and change nothing."),
        FieldSchema("created_at", .any, status: .inert, help: "Written by exports; ignored."),
        FieldSchema("updated_at", .any, status: .inert, help: "Written by exports; ignored."),
    ]

    /// A service without what is nested in it.
    package static let service: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, help: "The name by which routes and plugins refer to it."),
            FieldSchema("enabled", .boolean, default: true, help: "False: its routes are not served."),
            FieldSchema(
                "url",
                .string,
                help:
                    "Short for protocol, host, port and path: `https://host:port/path`; without a port 80, or 443."
            ),
            FieldSchema(
                "protocol",
                .string,
                default: "http",
                oneOf: [
                    "http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss",
                ],
                help: "How to speak to it; `http`, `https`, `grpc` and `grpcs` are served."
            ),
            FieldSchema("host", .string, help: "A host name, an address, or the name of an upstream."),
            FieldSchema(
                "port",
                .integer,
                default: 80,
                range: 0...65535,
                help: "The port; targets have their own."
            ),
            FieldSchema("path", .string, help: "What goes before the rest of the path."),
            FieldSchema(
                "retries",
                .integer,
                default: 5,
                range: 0...32767,
                help: "How often to try again where that is safe."
            ),
            FieldSchema(
                "connect_timeout",
                .integer,
                default: 60000,
                range: 1...2_147_483_646,
                help: "Milliseconds to connect."
            ),
            FieldSchema(
                "write_timeout",
                .integer,
                default: 60000,
                range: 1...2_147_483_646,
                help: "Milliseconds between two writes."
            ),
            FieldSchema(
                "read_timeout",
                .integer,
                default: 60000,
                range: 1...2_147_483_646,
                help: "Milliseconds between two reads."
            ),
            FieldSchema("routes", .list(.any), help: "Its routes, nested."),
            FieldSchema("plugins", .list(.any), help: "Plugins for all of its routes, nested."),
            FieldSchema(
                "client_certificate",
                Self.reference,
                help: "With TLS: the certificate that it is shown when it asks for one, by id."
            ),
            FieldSchema(
                "tls_verify",
                .boolean,
                default: true,
                help:
                    "With TLS: whether it has to prove its `host`. In Kong false by default; here that is a warning."
            ),
            FieldSchema(
                "ca_certificates",
                .list(.string),
                help: "With TLS: whose signatures are believed, by id; without it `upstream_ca_file`."
            ),
            FieldSchema(
                "tls_verify_depth",
                .integer,
                status: .refused(why: "the length of a chain is not bounded here; leave it out")
            ),
            FieldSchema("tls_sans", .any, status: .notYet),
        ]

    /// A route without what is nested in it.
    package static let route: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, help: "The name by which plugins refer to it, and for logs."),
            FieldSchema("service", Self.reference, help: "Its service, by name; none is allowed."),
            FieldSchema(
                "protocols",
                .list(.string),
                default: ["http", "https"],
                oneOf: [
                    "http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss",
                ],
                help: "How clients may come; `https` alone answers others by https_redirect_status_code."
            ),
            FieldSchema("methods", .list(.string), help: "Methods, in upper case."),
            FieldSchema(
                "hosts",
                .list(.string),
                help: "Host names; `*.example.com` or `example.*` too. `example.com:8443` demands a port."
            ),
            FieldSchema(
                "headers",
                .map(.list(.string)),
                help:
                    "Fields with the values that they may have; one value that begins with `~*` is a pattern."
            ),
            FieldSchema("paths", .list(.string), help: "Path prefixes; `~` begins a pattern."),
            FieldSchema(
                "regex_priority",
                .integer,
                default: 0,
                help: "Among patterns, the higher is asked first."
            ),
            FieldSchema(
                "strip_path",
                .boolean,
                default: true,
                help: "Whether the matched prefix is cut off before the service's path is put there."
            ),
            FieldSchema(
                "path_handling",
                .string,
                default: "v0",
                oneOf: ["v0", "v1"],
                help: "How service path and request path are joined: `v0` by one slash, `v1` as they are."
            ),
            FieldSchema(
                "preserve_host",
                .boolean,
                default: false,
                help: "Whether the service sees the client's Host."
            ),
            FieldSchema(
                "https_redirect_status_code",
                .integer,
                default: 426,
                help: "What http gets on an https route: 426, 301, 302, 307 or 308."
            ),
            FieldSchema(
                "request_buffering",
                .boolean,
                default: true,
                status: .inert,
                help: "We always stream."
            ),
            FieldSchema(
                "response_buffering",
                .boolean,
                default: true,
                status: .inert,
                help: "We always stream."
            ),
            FieldSchema("plugins", .list(.any), help: "Plugins for this route, nested."),
            FieldSchema(
                "snis",
                .list(.string),
                help: "Names of which a client's handshake has to have asked for one; for https and grpcs."
            ),
            FieldSchema("sources", .list(.any), status: .notYet),
            FieldSchema("destinations", .list(.any), status: .notYet),
            FieldSchema("expression", .string, status: .notYet),
            FieldSchema("priority", .integer, status: .notYet),
        ]

    /// A consumer without what is nested in it.
    package static let consumer: [FieldSchema] =
        Self.identity + [
            FieldSchema("username", .string, help: "The name; it or custom_id is needed."),
            FieldSchema("custom_id", .string, help: "A name that another system has for it."),
            FieldSchema(
                "keyauth_credentials",
                .list(.record(Self.keyCredential)),
                default: [],
                help: "Its keys."
            ),
            FieldSchema("acls", .list(.record(Self.acl)), default: [], help: "The groups that acl looks at."),
            FieldSchema(
                "mtls_auth_credentials",
                .list(.record(Self.certificateCredential)),
                default: [],
                help: "Names in certificates that stand for it."
            ),
            FieldSchema(
                "groups",
                .list(.record(Self.membership)),
                default: [],
                help: "The consumer_groups that it belongs to."
            ),
            FieldSchema("plugins", .list(.any), help: "Plugins for this consumer, nested."),
            FieldSchema("basicauth_credentials", .list(.any), status: .notYet),
            FieldSchema("hmacauth_credentials", .list(.any), status: .notYet),
            FieldSchema("jwt_secrets", .list(.any), status: .notYet),
            FieldSchema("oauth2_credentials", .list(.any), status: .notYet),
        ]

    /// A key of a consumer.
    package static let keyCredential: [FieldSchema] =
        Self.identity + [
            FieldSchema("key", .string, required: true, secret: true, help: "The key."),
            FieldSchema("ttl", .integer, status: .notYet),
        ]

    /// A group that acl looks at.
    package static let acl: [FieldSchema] =
        Self.identity + [FieldSchema("group", .string, required: true, help: "A group's name.")]

    /// A consumer group that a consumer belongs to.
    package static let membership: [FieldSchema] =
        Self.identity + [FieldSchema("name", .string, required: true, help: "A consumer group's name.")]

    /// A consumer group without what is nested in it.
    package static let consumerGroup: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, required: true, help: "The group's name."),
            FieldSchema("consumers", .list(.any), default: [], help: "Its consumers, by username."),
            FieldSchema("plugins", .list(.any), help: "Plugins for its consumers, nested."),
        ]

    /// A plugin but for its `config`, whose fields are the kind's.
    package static let plugin: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, required: true, help: "Which plugin."),
            FieldSchema("instance_name", .string, help: "A name of its own."),
            FieldSchema("enabled", .boolean, default: true, help: "False: as if it were not there."),
            FieldSchema("service", Self.reference, help: "Only requests to this service."),
            FieldSchema("route", Self.reference, help: "Only requests on this route."),
            FieldSchema("consumer", Self.reference, help: "Only requests of this consumer."),
            FieldSchema("consumer_group", Self.reference, help: "Only requests of this group's consumers."),
            FieldSchema(
                "protocols",
                .list(.string),
                default: ["grpc", "grpcs", "http", "https"],
                oneOf: [
                    "http", "https", "grpc", "grpcs", "tcp", "tls", "tls_passthrough", "udp", "ws", "wss",
                ],
                help: "Which requests it is asked for."
            ),
            FieldSchema("config", .any, help: "The plugin's own settings."),
            FieldSchema("ordering", .any, status: .notYet),
            FieldSchema("condition", .any, status: .notYet),
            FieldSchema("partials", .any, status: .notYet),
        ]

    /// One entry of `tests`.
    package static let test: [FieldSchema] = [
        FieldSchema("request", .string, required: true, help: "`GET https://host/path`."),
        FieldSchema("headers", .map(.string), help: "Fields of the request."),
        FieldSchema("claims", .any, help: "Claims of a user who is logged in; none for a stranger."),
        FieldSchema(
            "expect",
            .integer,
            range: 100...599,
            required: true,
            help: "The status: 200 stands for passed on to the service."
        ),
        FieldSchema("reason", .string, help: "The refusal's reason word."),
    ]

    /// What a file may say at its outermost level.
    package static let file: [FieldSchema] = [
        FieldSchema("_format_version", .string, oneOf: ["3.0"], required: true, help: "`\"3.0\"`, quoted."),
        FieldSchema("_comment", .any, status: .inert),
        FieldSchema("_ignore", .any, status: .inert),
        FieldSchema("_transform", .boolean, status: .inert),
        FieldSchema("_workspace", .string, status: .inert, help: "There is one workspace; ignored."),
        FieldSchema("_info", .record(Self.info), help: "Facts for tools."),
        FieldSchema("_konnect", .any, status: .notYet),
        FieldSchema("services", .list(.any), help: "Where requests go."),
        FieldSchema("routes", .list(.any), help: "Which requests are meant."),
        FieldSchema("upstreams", .list(.any), help: "Names that stand for several targets."),
        FieldSchema("targets", .list(.any), help: "Targets, each with its `upstream`."),
        FieldSchema("certificates", .list(.any), help: "What is shown to clients that speak TLS."),
        FieldSchema("snis", .list(.any), help: "Names, each with its `certificate`."),
        FieldSchema("ca_certificates", .list(.any), help: "Whose signatures are believed."),
        FieldSchema("consumers", .list(.any), help: "Who is known."),
        FieldSchema("consumer_groups", .list(.any), help: "Sets of consumers that share plugins."),
        FieldSchema("keyauth_credentials", .list(.any), help: "Keys, each with its `consumer`."),
        FieldSchema("acls", .list(.any), help: "Groups, each with its `consumer`."),
        FieldSchema(
            "mtls_auth_credentials",
            .list(.any),
            help: "Names in certificates, each with its `consumer`."
        ),
        FieldSchema("plugins", .list(.any), help: "Plugins for everything, or for what they name."),
        FieldSchema("vaults", .list(.any), help: "Where references lead; only `env` is served yet."),
        FieldSchema("tests", .list(.any), help: "Requests, and what has to become of them."),
    ]

    private static let info: [FieldSchema] = [
        FieldSchema("select_tags", .list(.string), status: .inert),
        FieldSchema("default_lookup_tags", .any, status: .inert),
        FieldSchema("defaults", .any, status: .notYet),
    ]

    /// One entry of `vaults`.
    package static let vault: [FieldSchema] =
        Self.identity + [
            FieldSchema("name", .string, required: true, help: "`env`."),
            FieldSchema("prefix", .string, required: true, help: "The name in `{vault://prefix/name}`."),
            FieldSchema("description", .string, status: .inert),
            FieldSchema("config", .record(Self.vaultConfig), help: "Its settings."),
        ]

    private static let vaultConfig: [FieldSchema] = [
        FieldSchema("prefix", .string, help: "What the variables' names begin with."),
        FieldSchema("base64_decode", .boolean, default: false, status: .notYet),
        FieldSchema("ttl", .any, status: .inert),
        FieldSchema("neg_ttl", .any, status: .inert),
        FieldSchema("resurrect_ttl", .any, status: .inert),
    ]

    /// Entities of the file that are known by name and not served.
    package static let unservedEntities: [String] = [
        "keys", "key_sets", "partials", "licenses",
        "filter_chains", "custom_entities", "service_packages", "rbac_roles", "_plugin_configs",
        "consumer_group_plugins", "consumer_group_consumers", "plugins_partials",
    ]
}
