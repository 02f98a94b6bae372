// Which fields tell the upstream and the client who it is.
import Gateway
import JSON
import Proxy

/// A field that carries a token, and whether `Bearer ` stands before it.
struct TokenField: Sendable, Equatable {
    let name: FieldName
    let hasScheme: Bool

    /// Reads `name` or `name:bearer`.
    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let name = FieldName(String(first)) else { return nil }
        if parts.count == 2, parts[1].lowercased() != "bearer" { return nil }
        self.name = name
        hasScheme = parts.count == 2
    }

    /// The value for a token.
    func value(_ token: String) -> String { hasScheme ? "Bearer \(token)" : token }
}

/// A field that carries a claim.
struct ClaimField: Sendable, Equatable {
    let name: FieldName
    let path: [String]
}

/// The fields of one side.
struct IdentityFields: Sendable, Equatable {
    var accessToken: TokenField?
    var idToken: TokenField?
    var refreshToken: TokenField?
    var sessionID: FieldName?
    var userInfo: FieldName?
    /// What the issuer said of the token, and as it signed it.
    var introspection: FieldName?
    var introspectionJWT: FieldName?
    var claims: [ClaimField] = []

    /// All names that may be written: no copy of the client's survives (security row H1).
    var names: [FieldName] {
        let tokens = [accessToken?.name, idToken?.name, refreshToken?.name]
        return (tokens + [sessionID, userInfo, introspection, introspectionJWT]).compactMap { $0 }
            + claims.map(\.name)
    }

    /// Reads the settings that begin with `upstream` or `downstream`.
    init(_ side: String, _ check: inout SettingsCheck) {
        let settings = check.settings
        accessToken = Self.token("\(side)_access_token_header", &check)
        idToken = Self.token("\(side)_id_token_header", &check)
        if side == "upstream" { refreshToken = Self.token("\(side)_refresh_token_header", &check) }
        sessionID = Self.name("\(side)_session_id_header", &check)
        userInfo = Self.name("\(side)_user_info_header", &check)
        introspection = Self.name("\(side)_introspection_header", &check)
        introspectionJWT = Self.name("\(side)_introspection_jwt_header", &check)
        let names = settings.strings("\(side)_headers_names") ?? []
        for (claim, text) in zip(settings.strings("\(side)_headers_claims") ?? [], names) {
            guard let name = FieldName(text) else {
                check.fail("\(side)_headers_names", "'\(text)' is no name of a field")
                continue
            }
            claims.append(ClaimField(name: name, path: [claim]))
        }
        for record in settings.records("\(side)_headers") {
            guard let name = record.string("header").flatMap({ FieldName($0) }),
                let path = record.strings("path"), !path.isEmpty
            else {
                check.fail("\(side)_headers", "expected a header and the path of its claim")
                continue
            }
            claims.append(ClaimField(name: name, path: path))
        }
        for name in self.names where Self.reserved.contains(name) {
            check.fail("\(side)_headers", "'\(name)' is the proxy's own and cannot carry an identity")
        }
    }

    /// Fields that are the proxy's own.
    static let reserved: [FieldName] = [
        "host", "content-length", "transfer-encoding", "connection", "cookie", "set-cookie", "te", "upgrade",
    ]

    private static func token(_ field: String, _ check: inout SettingsCheck) -> TokenField? {
        guard let text = check.settings.string(field), !text.isEmpty else { return nil }
        guard let token = TokenField(text) else {
            check.fail(field, "expected the name of a field, with ':bearer' where the scheme shall be added")
            return nil
        }
        return token
    }

    private static func name(_ field: String, _ check: inout SettingsCheck) -> FieldName? {
        guard let text = check.settings.string(field), !text.isEmpty else { return nil }
        guard let name = FieldName(text) else {
            check.fail(field, "expected the name of a field")
            return nil
        }
        return name
    }
}
