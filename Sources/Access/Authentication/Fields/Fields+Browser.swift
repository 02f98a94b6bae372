// Fields of openid-connect: what browsers may do with a cookie.
import Gateway
import JSON

extension OpenIDConnectFields {
    /// Fields about requests that a browser sends for somebody else's page.
    static let browser: [FieldSchema] = [
        field(
            "csrf_protection",
            .string,
            default: "cross-site",
            oneOf: CrossSiteChoice.allCases.map(\.rawValue),
            "Ours: which requests that change something are refused where a cookie alone proves the user: those of another site's page, of another origin's (`same-origin`), or none."
        ),
        field(
            "csrf_trusted_origins",
            .list(.string),
            "Ours: origins whose pages may send such requests all the same, besides those that `cors` lets ask with credentials."
        ),
        field(
            "csrf_token",
            .boolean,
            default: false,
            "Ours: whether such a request that says neither by Sec-Fetch-Site nor by Origin where it comes from has to show the session's token, which a cookie gives to scripts."
        ),
        field(
            "csrf_token_cookie_name",
            .string,
            default: "csrf-token",
            "Ours: name of the cookie that has the token; `__Host-` stands before it on https."
        ),
        field(
            "csrf_token_header_name",
            .string,
            default: "x-csrf-token",
            "Ours: the field in which a script shows the token."
        ),
    ]
}
