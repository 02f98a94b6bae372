// Fields of openid-connect: sessions and their cookies.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about sessions and their cookies.
    static let session: [FieldSchema] = [
        field(
            "disable_session",
            .list(.string),
            oneOf: [
                "authorization_code", "bearer", "client_credentials", "introspection", "kong_oauth2",
                "password", "refresh_token", "session", "userinfo",
            ],
            status: .inert,
            "Methods that start no session; only authorization_code ever does."
        ),
        field(
            "jwt_session_claim",
            .string,
            default: "sid",
            status: .notYet,
            "Binding of a bearer token to a cookie."
        ),
        field("jwt_session_cookie", .string, status: .notYet, "Binding of a bearer token to a cookie."),
        field(
            "redis",
            .record(redisFields),
            "The Redis of session_storage: redis; without it the one of session_store, else 127.0.0.1:6379."
        ),
        field(
            "session_absolute_timeout",
            .number,
            default: 86400,
            "Seconds a session may live; 0 is no limit."
        ),
        field(
            "session_audience",
            .string,
            default: "default",
            "Sessions of different audiences are different sessions."
        ),
        field(
            "session_bind",
            .list(.string),
            oneOf: ["ip", "scheme", "user-agent"],
            "Facts of the client that a session is bound to from its login on: with others it is no session."
        ),
        field("session_cookie_domain", .string, "Domain of the session cookie; none by default."),
        field("session_cookie_http_only", .boolean, default: true, "Must stay true."),
        field(
            "session_cookie_name",
            .string,
            default: "session",
            "Name of the session cookie; by default session-<hash of issuer, client and audience>."
        ),
        field("session_cookie_path", .string, default: "/", "Path of the session cookie."),
        field(
            "session_cookie_same_site",
            .string,
            default: "Lax",
            oneOf: ["Default", "Lax", "None", "Strict"],
            "SameSite of the session cookie; Default is Lax."
        ),
        field(
            "session_cookie_secure",
            .boolean,
            "Secure of the session cookie; by default what the scheme says."
        ),
        field(
            "session_enforce_same_subject",
            .boolean,
            default: false,
            status: .notYet,
            "Sessions that outlive the browser, or are kept in a store."
        ),
        field(
            "session_hash_storage_key",
            .boolean,
            default: false,
            status: .inert,
            "Details of sessions that are kept elsewhere."
        ),
        field(
            "session_hash_subject",
            .boolean,
            default: false,
            status: .inert,
            "Details of sessions that are kept elsewhere."
        ),
        field(
            "session_idling_timeout",
            .number,
            default: 900,
            "Seconds a session may lie unused; 0 is no limit."
        ),
        field(
            "session_memcached_host",
            .string,
            default: "127.0.0.1",
            status: .notYet,
            "Memcached for sessions."
        ),
        field(
            "session_memcached_port",
            .integer,
            default: 11211,
            status: .notYet,
            "Memcached for sessions."
        ),
        field("session_memcached_prefix", .string, status: .notYet, "Memcached for sessions."),
        field("session_memcached_socket", .string, status: .notYet, "Memcached for sessions."),
        field("session_memcached_ssl", .boolean, status: .notYet, "Memcached for sessions."),
        field(
            "session_memcached_ssl_verify",
            .boolean,
            default: true,
            status: .notYet,
            "Memcached for sessions."
        ),
        field(
            "session_remember",
            .boolean,
            default: false,
            "Whether a cookie that outlives the browser brings the session back, after the browser was closed or the session has ended by itself."
        ),
        field(
            "session_remember_absolute_timeout",
            .number,
            default: 2592000,
            "Seconds from the login on in which a session can be brought back, and that one may live which was; 0 is no limit."
        ),
        field(
            "session_remember_cookie_name",
            .string,
            default: "remember",
            "Name of the cookie that brings a session back; by default remember-<hash of issuer, client and audience>."
        ),
        field(
            "session_remember_rolling_timeout",
            .number,
            default: 604800,
            "Seconds in which a session can be brought back after it was last used; 0 is no limit."
        ),
        field(
            "session_request_headers",
            .list(.string),
            oneOf: [
                "absolute-timeout", "audience", "id", "idling-timeout", "rolling-timeout", "subject",
                "timeout",
            ],
            "Facts of the session that the upstream is told, in `Session-Id`, `Session-Timeout` and the like; timeouts are the seconds left."
        ),
        field(
            "session_response_headers",
            .list(.string),
            oneOf: [
                "absolute-timeout", "audience", "id", "idling-timeout", "rolling-timeout", "subject",
                "timeout",
            ],
            "Facts of the session that the client is told, in the same fields."
        ),
        field(
            "session_rolling_timeout",
            .number,
            default: 3600,
            "Seconds a session is good for until it is renewed; 0 is no limit."
        ),
        field(
            "session_secret",
            .string,
            secret: true,
            "Secret that cookies are sealed with, instead of the key ring."
        ),
        field(
            "session_storage",
            .string,
            default: "cookie",
            oneOf: ["cookie", "memcache", "memcached", "redis"],
            "Where sessions are kept: cookie or redis; by default what the setting session_store says."
        ),
        field(
            "session_store_metadata",
            .boolean,
            default: false,
            status: .inert,
            "Redis always knows whose sessions there are, under hashes; cookies know it by themselves."
        ),
        field(
            "stream_leeway",
            .number,
            default: 60,
            "Ours: seconds that a stream or tunnel may go on after the token or session that let it in has ended."
        ),
    ]
}
