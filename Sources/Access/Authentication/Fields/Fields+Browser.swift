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
    ]
}
