// Fields of openid-connect: ways to show who one is; other sources of claims; what is kept.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about ways to show who one is.
    static let methods: [FieldSchema] = [
        field(
            "anonymous",
            .string,
            "Consumer (username, custom_id or id) for whoever shows no valid credential."
        ),
        field(
            "auth_methods",
            .list(.string),
            default: ["authorization_code", "session", "refresh_token", "bearer"],
            oneOf: [
                "authorization_code", "bearer", "client_credentials", "introspection", "kong_oauth2",
                "password", "refresh_token", "session", "userinfo",
            ],
            "Which ways of showing who one is are open; unwritten, introspection too where introspection_endpoint is written."
        ),
        field(
            "bearer_token_cookie_name",
            .string,
            "Cookie that carries the bearer token, where bearer_token_param_type has cookie."
        ),
        field(
            "bearer_token_header_name",
            .string,
            "Field that carries the bearer token, besides authorization."
        ),
        field(
            "bearer_token_param_type",
            .list(.string),
            default: ["header"],
            oneOf: ["body", "cookie", "header", "query"],
            "Where a bearer token may stand; body is the access_token of a form, and the upstream gets the form as it came."
        ),
        field(
            "client_credentials_param_type",
            .list(.string),
            default: ["header"],
            oneOf: ["body", "header", "query"],
            "Where a client's identifier and secret may stand."
        ),
        field(
            "enable_hs_signatures",
            .boolean,
            default: false,
            status: .notYet,
            "Whether tokens signed with the client secret are taken."
        ),
        field(
            "hide_credentials",
            .boolean,
            default: true,
            "Whether the upstream is spared the credential."
        ),
        field(
            "id_token_param_name",
            .string,
            status: .notYet,
            "Field or argument that carries an ID token."
        ),
        field(
            "id_token_param_type",
            .list(.string),
            default: ["header"],
            oneOf: ["body", "header", "query"],
            status: .notYet,
            "Where an ID token may stand."
        ),
        field(
            "ignore_signature",
            .list(.string),
            default: [],
            oneOf: [
                "authorization_code", "client_credentials", "introspection", "password", "refresh_token",
                "session", "userinfo",
            ],
            "Must stay empty: signatures are always verified."
        ),
        field("leeway", .number, default: 0, "Seconds by which clocks may differ."),
        field(
            "password_param_type",
            .list(.string),
            default: ["header"],
            oneOf: ["body", "header", "query"],
            "Where a user name and password may stand."
        ),
        field("refresh_token_param_name", .string, "Field that carries the refresh token."),
        field(
            "refresh_token_param_type",
            .list(.string),
            default: ["header"],
            oneOf: ["body", "header", "query"],
            "Where a refresh token may stand."
        ),
        field("refresh_tokens", .boolean, default: true, "Whether a session renews its access token."),
        field(
            "reverify",
            .boolean,
            default: false,
            status: .notYet,
            "Whether a session's tokens are verified anew on each request."
        ),
        field("run_on_preflight", .boolean, default: true, "Whether CORS preflights need a login too."),
        field("verify_claims", .boolean, default: true, "Must stay true."),
        field("verify_nonce", .boolean, default: true, "Must stay true."),
        field(
            "verify_parameters",
            .boolean,
            default: false,
            status: .inert,
            "Checks of the configuration are always made."
        ),
        field("verify_signature", .boolean, default: true, "Must stay true."),
    ]

    /// Fields about other sources of claims.
    static let introspection: [FieldSchema] = [
        field(
            "cache_introspection",
            .boolean,
            default: true,
            "Whether answers of introspection are kept, for as long as cache_ttl says (60 s unwritten) and exp allows."
        ),
        field(
            "introspect_jwt_tokens",
            .boolean,
            default: false,
            "Whether JWTs that verify are introspected as well, so that revoked ones are refused."
        ),
        field(
            "introspection_accept",
            .string,
            default: "application/json",
            oneOf: ["application/json", "application/jwt", "application/token-introspection+jwt"],
            "Form in which introspection answers; a signed one is verified by the issuer's keys."
        ),
        field("introspection_check_active", .boolean, default: true, "Must stay true."),
        field(
            "introspection_headers_client",
            .list(.string),
            "Fields of the request that go along with the introspection request."
        ),
        field(
            "introspection_headers_names",
            .list(.string),
            "Names of more fields of the introspection request."
        ),
        field(
            "introspection_headers_values",
            .list(.string),
            "Values of those fields, in the same order."
        ),
        field(
            "introspection_hint",
            .string,
            default: "access_token",
            "Hint on the kind of token, for introspection; an empty one is not sent."
        ),
        field(
            "introspection_post_args_client",
            .list(.string),
            "Arguments of the request's query that become arguments of the introspection request."
        ),
        field(
            "introspection_post_args_client_headers",
            .list(.string),
            "Fields of the request that become arguments of the introspection request."
        ),
        field(
            "introspection_post_args_names",
            .list(.string),
            "Names of more arguments of the introspection request."
        ),
        field(
            "introspection_post_args_values",
            .list(.string),
            "Their values, in the same order."
        ),
        field(
            "introspection_token_param_name",
            .string,
            default: "token",
            "Argument that carries the token to introspection."
        ),
        field("principals", .record(principalsFields), status: .notYet, "Kong's directory of principals."),
        field(
            "resolve_distributed_claims",
            .boolean,
            default: false,
            status: .notYet,
            "Whether claims kept elsewhere are fetched."
        ),
        field(
            "revocation_token_param_name",
            .string,
            default: "token",
            "Argument that carries the token to revocation."
        ),
        field(
            "search_user_info",
            .boolean,
            default: false,
            "Whether userinfo is asked at login, for claims that the tokens lack."
        ),
        field(
            "token_exchange",
            .record(tokenExchangeFields),
            status: .notYet,
            "Exchange of a foreign token for one of this issuer."
        ),
        field(
            "userinfo_accept",
            .string,
            default: "application/json",
            oneOf: ["application/json", "application/jwt"],
            "Form in which the userinfo endpoint answers; application/jwt is verified by the issuer's keys."
        ),
        field(
            "userinfo_headers_client",
            .list(.string),
            status: .notYet,
            "Fields and arguments of the userinfo request."
        ),
        field(
            "userinfo_headers_names",
            .list(.string),
            "Names of more fields of the userinfo request."
        ),
        field(
            "userinfo_headers_values",
            .list(.string),
            "Values of those fields, in the same order."
        ),
        field(
            "userinfo_query_args_client",
            .list(.string),
            status: .notYet,
            "Fields and arguments of the userinfo request."
        ),
        field(
            "userinfo_query_args_names",
            .list(.string),
            "Names of arguments of the userinfo request."
        ),
        field(
            "userinfo_query_args_values",
            .list(.string),
            "Their values, in the same order."
        ),
    ]

    /// Fields about what is kept.
    static let caching: [FieldSchema] = [
        field(
            "cache_token_exchange",
            .boolean,
            default: true,
            status: .inert,
            "Whether these answers are kept."
        ),
        field(
            "cache_tokens",
            .boolean,
            default: true,
            "Whether tokens of the grants are kept for the same credential."
        ),
        field(
            "cache_tokens_salt",
            .string,
            status: .inert,
            secret: true,
            "Salt of that cache; ours has a random one."
        ),
        field(
            "cache_ttl",
            .number,
            default: 3600,
            "Seconds a kept token without a lifetime is good for; where written, also the most that an answer about a token is kept."
        ),
        field("cache_ttl_max", .number, "Most seconds that a token or an answer about one is kept."),
        field(
            "cache_ttl_min",
            .number,
            "Least seconds that an answer about a token is kept, unless the token ends before."
        ),
        field("cache_ttl_neg", .number, "Seconds that a refusal of a token is kept; 10 unwritten."),
        field(
            "cache_ttl_resurrect",
            .number,
            default: 86400,
            "Seconds that an issuer's keys serve beyond their lifetime while they cannot be fetched."
        ),
        field(
            "cache_user_info",
            .boolean,
            default: true,
            "Whether userinfo's answers about tokens are kept, as introspection's are."
        ),
        field(
            "cluster_cache_items",
            .list(.string),
            default: ["introspection"],
            oneOf: ["introspection", "tokens"],
            status: .inert,
            "What a shared cache holds."
        ),
        field(
            "cluster_cache_redis",
            .record(clusterCacheRedisFields),
            status: .notYet,
            "The shared cache's Redis."
        ),
        field(
            "cluster_cache_strategy",
            .string,
            default: "off",
            oneOf: ["off", "redis"],
            status: .notYet,
            "Whether instances share a cache."
        ),
        field(
            "token_cache_key_include_scope",
            .boolean,
            default: false,
            status: .inert,
            "Whether the scope is part of that cache's key; it always is."
        ),
    ]
}
