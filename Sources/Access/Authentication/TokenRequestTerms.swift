// What of a client's request goes along to the token endpoint, and what of that one's answer comes back.
import Gateway
import OIDC
import Proxy

/// What a client may hand through with a credential that the issuer trades for tokens, and what it is told besides.
struct TokenRequestTerms: Sendable, Equatable {
    /// Fields of the client's request (`token_headers_client`).
    let clientFields: [FieldName]
    /// Arguments of its query (`token_post_args_client`).
    let clientArguments: [String]
    /// Fields of the answer that the client gets (`token_headers_replay`), under their names there and here.
    let replayed: [Replay]
    /// The grants whose fields it gets.
    let grants: Set<AuthenticationMethod>

    struct Replay: Sendable, Equatable {
        let name: String
        let field: FieldName
    }

    /// A field for the client, with its value.
    struct Replayed: Sendable {
        let field: FieldName
        let value: String
    }

    /// What one request hands through.
    struct Handed: Sendable {
        var fields: [(String, String)] = []
        var arguments: [(String, String)] = []

        /// All of it as words, for keys that tell requests apart (security row H4).
        var words: [String] {
            [String(fields.count)] + fields.flatMap { [$0.0, $0.1] } + arguments.flatMap { [$0.0, $0.1] }
        }
    }

    /// Grants that a client's own credential leads to.
    private static let served: [AuthenticationMethod] = [.password, .clientCredentials, .refreshToken]
    /// Fields of a request that are the gateway's own to write, or lead on to somebody else's secret.
    private static let ownFields = [
        "authorization", "content-type", "content-length", "transfer-encoding", "host", "connection",
        "accept",
        "cookie", "proxy-authorization", "dpop",
    ]
    /// Fields of an answer that are the gateway's own to write, or would speak for it.
    private static let ownAnswerFields = [
        "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "date",
        "location",
        "set-cookie", "keep-alive", "trailer", "upgrade", "www-authenticate", "strict-transport-security",
    ]

    /// Reads the settings.
    init(_ check: inout SettingsCheck) {
        let settings = check.settings
        clientFields = (settings.strings("token_headers_client") ?? []).compactMap { name in
            guard let field = FieldName(name), !Self.ownFields.contains(name.lowercased()) else {
                check.fail("token_headers_client", "'\(name)' is no field that a client may hand through")
                return nil
            }
            return field
        }
        clientArguments = settings.strings("token_post_args_client") ?? []
        let written = settings.strings("token_post_args_names") ?? []
        for name in clientArguments where SettingsCheck.ownTokenArguments.contains(name) {
            check.fail("token_post_args_client", "'\(name)' is the gateway's own to write")
        }
        for name in clientArguments where written.contains(name) {
            check.fail("token_post_args_client", "'\(name)' is in token_post_args_names, which wins")
        }
        let prefix = settings.string("token_headers_prefix") ?? ""
        replayed = (settings.strings("token_headers_replay") ?? []).compactMap { name in
            guard FieldName(name) != nil, let field = FieldName(prefix + name),
                !Self.ownAnswerFields.contains((prefix + name).lowercased())
            else {
                check.fail(
                    "token_headers_replay",
                    "'\(prefix + name)' is no field that the issuer may speak by"
                )
                return nil
            }
            return Replay(name: name, field: field)
        }
        let words = settings.strings("token_headers_grants")
        if words?.contains("authorization_code") == true {
            check.fail(
                "token_headers_grants",
                "'authorization_code' is not served: a browser is told nothing"
            )
        }
        grants = words.map { Set($0.compactMap { AuthenticationMethod(rawValue: $0) }) } ?? Set(Self.served)
    }

    /// What a request hands through: what is there once, and short enough.
    func handed(_ request: borrowing RequestHead) -> Handed {
        var handed = Handed()
        for field in clientFields {
            let values = request.fields.strings(of: field)
            guard values.count == 1, Self.isHandable(values[0]) else { continue }
            handed.fields.append((field.description, values[0]))
        }
        guard !clientArguments.isEmpty, let query = request.query, let arguments = QueryArguments(query)
        else {
            return handed
        }
        for name in clientArguments {
            guard let value = arguments.single(name), Self.isHandable(value) else { continue }
            handed.arguments.append((name, value))
        }
        return handed
    }

    private static func isHandable(_ value: String) -> Bool {
        value.utf8.count <= OpenIDConnect.longestHandedThrough
            && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    /// What the client is told of the fields that came with tokens.
    func replayed(_ tokens: TokenSet, of method: AuthenticationMethod) -> [Replayed] {
        guard !replayed.isEmpty, grants.contains(method) else { return [] }
        return replayed.flatMap { replay in
            tokens.fields.filter { $0.0.lowercased() == replay.name.lowercased() }.map {
                Replayed(field: replay.field, value: $0.1)
            }
        }
    }
}

extension RelyingParty {
    /// The client, with what a request hands through.
    func handing(_ handed: TokenRequestTerms.Handed) -> RelyingParty {
        var party = self
        party.extraFields += handed.fields
        party.handedParameters = handed.arguments
        return party
    }
}
