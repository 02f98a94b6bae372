// Every setting of the program: its name, its default, what it is for.
import Gateway

/// A setting: a flag, an environment variable and a key of the settings file at once.
struct Setting: Sendable {
    /// Its name in the settings file; the flag has `-` for `_`, the variable `GATEHOUSE_` and upper case.
    let name: String
    /// The value when nothing else is said, as one would write it; empty: unset.
    let standard: String
    /// Whether it holds a list, written with commas in a flag or a variable.
    let isList: Bool
    /// One sentence for `--help` and the manual.
    let help: String

    init(_ name: String, _ standard: String, isList: Bool = false, _ help: String) {
        self.name = name
        self.standard = standard
        self.isList = isList
        self.help = help
    }

    /// The flag's name without its dashes: `proxy-listen`.
    var flag: String { self.name.split(separator: "_").joined(separator: "-") }

    /// The variable's name: `GATEHOUSE_PROXY_LISTEN`.
    var variable: String { "GATEHOUSE_" + self.name.uppercased() }
}

extension Setting {
    /// All of them, in the order of the manual.
    static let all: [Setting] = [
        Setting(
            "proxy_listen",
            "0.0.0.0:8000",
            isList: true,
            "Addresses that take traffic, in Kong's syntax (`0.0.0.0:8443 ssl http2`); `off` opens none."
        ),
        Setting(
            "admin_listen",
            "off",
            "Address of the Admin API. Not served yet: `off` is the only value."
        ),
        Setting(
            "status_listen",
            "127.0.0.1:8007",
            "Address of `/status`, `/status/ready` and `/metrics`; `off` opens none."
        ),
        Setting(
            "ext_authz_listen",
            "off",
            isList: true,
            "Addresses at which Envoy asks by gRPC, over HTTP/2 (`0.0.0.0:9191`, `0.0.0.0:9191 ssl`); nothing else is served there; `off` opens none."
        ),
        Setting(
            "ssl_cert",
            "",
            isList: true,
            "PEM file of the certificate for names that the configuration has none for; two for two kinds of keys."
        ),
        Setting("ssl_cert_key", "", isList: true, "PEM file of its private key; as many as `ssl_cert`."),
        Setting(
            "ssl_protocols",
            "TLSv1.2, TLSv1.3",
            isList: true,
            "What clients may speak; nothing older is served."
        ),
        Setting(
            "ssl_cipher_suite",
            "intermediate",
            "`intermediate`: with TLS 1.2, by suites with forward secrecy and authenticated encryption alone; `modern`: TLS 1.3 alone."
        ),
        Setting(
            "upstream_ca_file",
            "",
            "PEM file of the authorities that services with TLS are checked by; empty: the system's."
        ),
        Setting("workers", "auto", "Event loops; `auto` is one a core."),
        Setting(
            "data_dir",
            "./data",
            "What is kept across a restart: issuers' keys, the socket for commands. Made 0700; one program's at a time."
        ),
        Setting("keys_dir", "./keys", "Our own keys. Made 0700 on first start; keys never leave it."),
        Setting("auth_prefix", "/oauth2", "Where our own paths stand on the proxy listener."),
        Setting("page_name", "", "What stands above the heading of our own pages; empty: nothing."),
        Setting(
            "page_logo_file",
            "",
            "Picture above the heading of our own pages: PNG, JPEG, WebP or SVG, at most 64 KiB; empty: none."
        ),
        Setting(
            "page_style_file",
            "",
            "CSS that follows our own on our pages, at most 64 KiB; it loads nothing. Empty: none."
        ),
        Setting(
            "hsts_max_age",
            "31536000",
            "Seconds for which our own answers over https tell browsers to come to that host by https alone; 0 tells them nothing."
        ),
        Setting(
            "introspection_group",
            "",
            "The acl group whose consumers may ask about tokens at `/oauth2/introspect`; empty: nobody may."
        ),
        Setting(
            "token_issuer",
            "gatehouse",
            "What `iss` says in tokens that we sign: signed identities, answers about tokens."
        ),
        Setting(
            "trusted_ips",
            "",
            isList: true,
            "Peers whose forwarded-request fields are believed, and who may call out to us: addresses or CIDR blocks."
        ),
        Setting(
            "redirect_hosts",
            "",
            isList: true,
            "Hosts that a login or a sign-out may lead to, besides the exact hosts of the routes."
        ),
        Setting(
            "trusted_ca_file",
            "",
            "PEM file of the authorities that identity providers and `rediss://` are checked by; empty: the system's."
        ),
        Setting(
            "allow_http_issuers",
            "false",
            "Whether identity providers may be reached over plain http beyond loopback."
        ),
        Setting("access_log", "on", "Whether each exchange writes one line."),
        Setting(
            "log_level",
            "info",
            "The least level that is written: trace, debug, info, notice, warning, error, critical."
        ),
        Setting("log_format", "json", "How lines are written: `json`, or `text` for people."),
        Setting(
            "core_dumps",
            "off",
            "Whether a crash may leave the memory, with keys and tokens in it, in a file, and debuggers may look in."
        ),
        Setting(
            "token_cache_bytes",
            "16777216",
            "Bound of the verified-token cache, in bytes for each worker."
        ),
        Setting(
            "session_store",
            "cookie",
            "Where sessions live: `cookie`, or a Redis: `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://…`, `unix:///PATH`, `redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE`, `redis+cluster://HOST:PORT,HOST:PORT`."
        ),
        Setting(
            "session_store_down",
            "refuse",
            "While the store is down: `refuse` answers 503; `grace=SECONDS` lets sessions go on that were looked up so lately."
        ),
        Setting(
            "callout_headers",
            "X-Original-URL, X-Original-URI, X-Forwarded-Uri, X-Rewrite-URL",
            isList: true,
            "The fields that a callout's original request is read from."
        ),
        Setting(
            "path_allows",
            "",
            isList: true,
            "Forms of a path that are let in though they are refused by default: `semicolon`, `encoded-slash`."
        ),
        Setting(
            "dns_resolver",
            "",
            isList: true,
            "Servers that are asked for the names of upstreams: up to three addresses, with a port if it is not 53. Empty: the system's."
        ),
        Setting(
            "dns_valid_ttl",
            "10",
            "Seconds after which the name of an upstream in use is resolved anew, whatever its record says; a service (SRV) sooner if its record says so."
        ),
        Setting(
            "dns_stale_ttl",
            "3600",
            "Seconds that the last addresses of a name are used beyond that, while it does not resolve."
        ),
        Setting("dns_error_ttl", "1", "Seconds until a name that did not resolve is asked for again."),
        Setting("limit_head_bytes", "32768", "Octets of a request's head; more is 431."),
        Setting("limit_fields", "100", "Fields of a request's head; more is 431."),
        Setting("limit_body_bytes", "0", "Octets of a request's body; more is 413. 0 is no limit."),
        Setting(
            "limit_head_seconds",
            "10",
            "Seconds from a request's first octet to the end of its head; then 408."
        ),
        Setting("limit_body_seconds", "60", "Seconds between two pieces of a request's body; then 408."),
        Setting(
            "limit_body_rate",
            "240",
            "Octets a second that a request's body must keep up, `limit_body_seconds` given in advance; then 408. 0 is no limit."
        ),
        Setting("limit_idle_seconds", "60", "Seconds that an idle connection of a client is kept."),
        Setting("limit_requests_per_connection", "10000", "Requests on one connection; the last closes it."),
        Setting("limit_connections", "16384", "Connections that one worker holds; more are closed at once."),
        Setting(
            "limit_connections_total",
            "0",
            "Connections that all workers together hold; more are closed at once. 0 is what the open files allow."
        ),
        Setting(
            "limit_connections_per_address",
            "0",
            "Connections from one IPv4 address or IPv6 /64, `trusted_ips` excepted; more are closed at once. 0 is no limit."
        ),
        Setting("drain_seconds", "30", "How long exchanges under way may go on after SIGTERM."),
        Setting(
            "drain_idle_seconds",
            "2",
            "How long an idle connection may still bring a request after SIGTERM."
        ),
    ]

    /// The setting of that name, if there is one.
    static func named(_ name: String) -> Setting? { self.all.first { $0.name == name } }
}
