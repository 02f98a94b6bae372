// Fields of openid-connect: the browser's login; the end of a session; refusals.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about the browser's login.
    static let login: [FieldSchema] = [
        field("audience", .list(.string), "Audiences to ask for."),
        field("authorization_cookie_domain", .string, "Domain of that cookie."),
        field("authorization_cookie_http_only", .boolean, default: true, "Must stay true."),
        field(
            "authorization_cookie_name",
            .string,
            default: "authorization",
            "First part of the name of a login attempt's cookie."
        ),
        field("authorization_cookie_path", .string, default: "/", "Path of that cookie."),
        field(
            "authorization_cookie_same_site",
            .string,
            default: "Default",
            oneOf: ["Default", "Lax", "None", "Strict"],
            "SameSite of that cookie; Default is Lax."
        ),
        field(
            "authorization_cookie_secure",
            .boolean,
            "Secure of that cookie; by default what the scheme says."
        ),
        field(
            "authorization_query_args_client",
            .list(.string),
            "Arguments that the client may hand through to the authorization request, in the query of the address that it asks for."
        ),
        field(
            "authorization_query_args_names",
            .list(.string),
            "Names of more arguments for the authorization request."
        ),
        field("authorization_query_args_values", .list(.string), "Their values, in the same order."),
        field(
            "authorization_rolling_timeout",
            .number,
            default: 600,
            "Seconds a login may take, at most 600."
        ),
        field(
            "kept_body_bytes",
            .integer,
            default: 65_536,
            "Ours: most octets of a form that is kept through the login, where it was sent without a session; 0 keeps none."
        ),
        field(
            "login_action",
            .string,
            default: "redirect",
            oneOf: ["redirect", "response", "upstream"],
            "What follows a login: redirect, or upstream (a redirect to the original URL first)."
        ),
        field(
            "login_methods",
            .list(.string),
            default: ["authorization_code"],
            oneOf: [
                "authorization_code", "bearer", "client_credentials", "introspection", "kong_oauth2",
                "password", "refresh_token", "session", "userinfo",
            ],
            "Which methods the login action follows; only authorization_code."
        ),
        field(
            "login_redirect_mode",
            .string,
            default: "fragment",
            oneOf: ["fragment", "query"],
            status: .inert,
            "Where tokens would stand in the URL; they never do."
        ),
        field("login_redirect_uri", .list(.string), "Where a login ends, instead of the original URL."),
        field(
            "login_title",
            .string,
            "Ours: what the page that offers several logins calls this one; else the issuer's host."
        ),
        field(
            "login_tokens",
            .list(.string),
            default: [],
            oneOf: ["access_token", "id_token", "introspection", "refresh_token", "tokens"],
            "Tokens to hand to the browser; must stay empty."
        ),
        field(
            "preserve_query_args",
            .boolean,
            default: false,
            status: .inert,
            "Whether the query survives a login; it does."
        ),
        field(
            "redirect_uri",
            .list(.string),
            "Where the issuer sends the browser back; else <scheme>://<host><auth_prefix>/callback."
        ),
        field(
            "require_proof_key_for_code_exchange",
            .boolean,
            "PKCE (S256) is always used unless this is false."
        ),
        field(
            "require_pushed_authorization_requests",
            .boolean,
            "Whether the authorization request is pushed (RFC 9126); unwritten, where the issuer's metadata demands it."
        ),
        field(
            "require_signed_request_object",
            .boolean,
            "Whether the authorization request is signed (RFC 9101), by client_jwk or client_key; unwritten, where the issuer's metadata demands it."
        ),
        field(
            "response_mode",
            .string,
            default: "query",
            oneOf: ["form_post", "form_post.jwt", "fragment", "fragment.jwt", "jwt", "query", "query.jwt"],
            "How the issuer answers: query, form_post (needs https), or either of them signed (jwt, query.jwt, form_post.jwt)."
        ),
        field("response_type", .list(.string), default: ["code"], "What the issuer answers; only code."),
        field(
            "scopes",
            .list(.string),
            default: ["openid"],
            "Scopes to ask for; a login always asks for openid."
        ),
        field(
            "token_headers_client",
            .list(.string),
            "Fields of a client's request that go along where its own credential is traded for tokens (`password`, `client_credentials`, `refresh_token`); one that is there twice, or longer than 512 octets, does not."
        ),
        field(
            "token_headers_grants",
            .list(.string),
            oneOf: ["authorization_code", "client_credentials", "password", "refresh_token"],
            "The grants whose answer's fields the client gets by token_headers_replay; unwritten, all but authorization_code, which must not be here."
        ),
        field(
            "token_headers_names",
            .list(.string),
            "Names of more fields of the token request."
        ),
        field(
            "token_headers_prefix",
            .string,
            "What stands before the names of those fields for the client."
        ),
        field(
            "token_headers_replay",
            .list(.string),
            "Fields of the token endpoint's answer that the client gets with what its own credential was traded for."
        ),
        field(
            "token_headers_values",
            .list(.string),
            "Their values, in the same order."
        ),
        field(
            "token_post_args_client",
            .list(.string),
            "Arguments of a client's query that go along where its own credential is traded for tokens, in the place of ours of the same name (`scope`)."
        ),
        field(
            "token_post_args_names",
            .list(.string),
            "Names of more arguments of the token request."
        ),
        field(
            "token_post_args_values",
            .list(.string),
            "Their values, in the same order."
        ),
    ]

    /// Fields about the end of a session.
    static let logout: [FieldSchema] = [
        field(
            "logout_methods",
            .list(.string),
            default: ["DELETE", "POST"],
            oneOf: ["DELETE", "GET", "POST"],
            "Methods of a logout by logout_uri_suffix or logout_query_arg; a GET that no page of ours led to only asks."
        ),
        field(
            "logout_post_arg",
            .string,
            "Argument of a form that asks for a logout; every form that is posted is then read first, up to 65,536 octets."
        ),
        field("logout_query_arg", .string, "Argument of a query that asks for a logout."),
        field("logout_redirect_uri", .list(.string), "Where the issuer sends the browser after a logout."),
        field(
            "logout_revoke",
            .boolean,
            default: false,
            "Whether a logout gives the session's tokens back to the issuer (RFC 7009)."
        ),
        field(
            "logout_revoke_access_token",
            .boolean,
            default: true,
            "Whether logout_revoke means the access token."
        ),
        field(
            "logout_revoke_refresh_token",
            .boolean,
            default: true,
            "Whether logout_revoke means the refresh token."
        ),
        field(
            "logout_uri_suffix",
            .string,
            "End of a path that asks for a logout; auth_prefix/sign_out is always there."
        ),
    ]

    /// Fields about refusals.
    static let answers: [FieldSchema] = [
        field("display_errors", .boolean, default: false, "Whether the answer tells the reason."),
        field(
            "expose_error_code",
            .boolean,
            default: true,
            "Whether WWW-Authenticate carries the error code."
        ),
        field("forbidden_destroy_session", .boolean, default: true, "Whether a 403 ends the session."),
        field("forbidden_error_message", .string, default: "Forbidden", "Text of a 403."),
        field(
            "forbidden_redirect_uri",
            .list(.string),
            "Where a browser that navigates is sent instead of a 403."
        ),
        field("unauthorized_destroy_session", .boolean, default: true, "Whether a 401 ends the session."),
        field("unauthorized_error_message", .string, default: "Unauthorized", "Text of a 401."),
        field(
            "unauthorized_redirect_uri",
            .list(.string),
            "Where a browser that navigates is sent instead of a 401."
        ),
        field(
            "unexpected_redirect_uri",
            .list(.string),
            "Where a browser that navigates is sent instead of a failure of ours (5xx): an issuer or a store that is away; the first counts."
        ),
    ]
}
