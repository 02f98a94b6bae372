// The settings of one openid-connect instance: what asks for a logout, and what is done then.
import Gateway
import OIDC
import Proxy

/// What ends a session besides `sign_out`, in Kong's words, and which tokens are given back.
struct LogoutChoice: Sendable, Equatable {
    /// The end of a path that asks for it.
    let suffix: [UInt8]
    /// The argument of a query that asks for it.
    let argument: String?
    /// The argument of a form that asks for it.
    let formArgument: String?
    /// The methods that may.
    let methods: [Method]
    /// The tokens that are given back, in this order.
    let revokes: [RevokedToken.Kind]
    /// What the revocation endpoint calls a token.
    let tokenParameter: String

    /// Reads the fields.
    init(_ check: inout SettingsCheck) {
        let settings = check.settings
        suffix = Array((settings.string("logout_uri_suffix") ?? "").utf8)
        argument = settings.string("logout_query_arg")
        formArgument = settings.string("logout_post_arg")
        for field in [
            "logout_uri_suffix", "logout_query_arg", "logout_post_arg", "revocation_token_param_name",
        ]
        where settings.string(field)?.isEmpty == true {
            check.fail(field, "must not be empty")
        }
        if suffix == [UInt8(ascii: "/")] {
            check.fail("logout_uri_suffix", "every page of a site may end with '/'; write more of the path")
        }
        let names: [String: Method] = ["DELETE": .delete, "GET": .get, "POST": .post]
        methods = (settings.strings("logout_methods") ?? []).compactMap { names[$0] }
        if methods.isEmpty { check.fail("logout_methods", "must not be empty") }
        if formArgument != nil, !methods.contains(.post) {
            check.fail("logout_post_arg", "needs POST among logout_methods")
        }
        // A refresh token that is taken back takes its access tokens along at most issuers (RFC 7009 §2.1).
        let kinds: [(RevokedToken.Kind, String)] = [
            (.refresh, "logout_revoke_refresh_token"), (.access, "logout_revoke_access_token"),
        ]
        revokes =
            settings.flag("logout_revoke") ? kinds.filter { settings.flag($0.1) }.map(\.0) : []
        tokenParameter = settings.string("revocation_token_param_name") ?? "token"
    }

    /// Whether any request of a route could ask for a logout.
    var isAsked: Bool { !suffix.isEmpty || argument != nil || formArgument != nil }

    /// Whether a form that was read does.
    func isAsked(by read: BodyRead) -> Bool {
        guard let formArgument, case .whole(let octets) = read, let form = QueryArguments(octets) else {
            return false
        }
        return form.count(of: formArgument) > 0
    }

    /// Whether this request does.
    func isAsked(by request: borrowing RequestHead) -> Bool {
        guard methods.contains(request.method) else { return false }
        if !suffix.isEmpty, request.path.suffix(suffix.count).elementsEqual(suffix) { return true }
        guard let argument, let query = request.query, let arguments = QueryArguments(query) else {
            return false
        }
        return arguments.count(of: argument) > 0
    }

    /// The session's tokens that are given back.
    func tokens(of session: Session) -> [RevokedToken] {
        revokes.compactMap { kind in
            let text = kind == .refresh ? session.refreshToken : session.accessToken
            return text.map { RevokedToken(kind, $0) }
        }
    }
}
