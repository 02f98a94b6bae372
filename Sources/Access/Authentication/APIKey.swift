// The plugin `key-auth`: a consumer by its key.
package import Gateway
package import JSON
package import Proxy

/// Proves a consumer by a key in a header or in the query; Kong's fields and texts.
package final class APIKey: Plugin {
    private let keyNames: [(text: String, field: FieldName)]
    private let isInHeader: Bool
    private let isInQuery: Bool
    private let hidesCredentials: Bool
    private let runsOnPreflight: Bool
    private let anonymous: Consumer?
    private let challenge: String
    private let keys: KeyIndex
    private let signer: ConsumerSigner?
    package let warnings: [Diagnostic]

    /// The kind, for the list of all plugins.
    static func kind(_ services: AccessServices) -> PluginKind {
        PluginKind(
            name: "key-auth",
            order: .authenticateByKey,
            schema: APIKey.fields,
            mayBindConsumers: false,
            help: "Proves a consumer by a key.",
            make: { settings, scope throws(ConfigurationError) in try APIKey(settings, scope, services) }
        )
    }

    static let fields: [FieldSchema] =
        [
            FieldSchema(
                "key_names",
                .list(.string),
                default: ["apikey"],
                help: "Where keys are looked for, in order."
            ),
            FieldSchema(
                "key_in_header",
                .boolean,
                default: true,
                help: "Whether headers of these names are read."
            ),
            FieldSchema(
                "key_in_query",
                .boolean,
                default: true,
                help: "Whether query arguments of these names are read; better false, queries end up in logs."
            ),
            FieldSchema("key_in_body", .boolean, default: false, status: .notYet),
            FieldSchema(
                "hide_credentials",
                .boolean,
                default: true,
                help: "Whether the key is kept from the upstream."
            ),
            FieldSchema(
                "anonymous",
                .string,
                help: "The consumer, by id or username, that stands in when no key is proven."
            ),
            FieldSchema("realm", .string, help: "The realm of `WWW-Authenticate: Key`."),
            FieldSchema(
                "run_on_preflight",
                .boolean,
                default: true,
                help: "Whether OPTIONS needs a key too."
            ),
            FieldSchema("identity_realms", .any, status: .notYet),
        ] + SignedIdentityChoice.consumerFields

    init(_ settings: Settings, _ scope: PluginScope, _ services: AccessServices) throws(ConfigurationError) {
        self.keyNames = try Self.readNames(settings)
        self.isInHeader = settings.flag("key_in_header")
        self.isInQuery = settings.flag("key_in_query")
        self.hidesCredentials = settings.flag("hide_credentials")
        self.runsOnPreflight = settings.flag("run_on_preflight")
        guard self.isInHeader || self.isInQuery else {
            throw settings.error("key_in_header", "no key could ever be found; allow the header or the query")
        }
        self.warnings = self.isInQuery ? [Self.queryWarning(settings, scope)] : []
        self.anonymous = try scope.consumer(settings, "anonymous")
        let realm = settings.string("realm")
        guard realm?.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) ?? true else {
            throw settings.error("realm", "expected visible ASCII without quotes and backslashes")
        }
        self.signer = try ConsumerSigner(settings, scope, services, taken: self.keyNames.map(\.field))
        self.challenge = realm.map { "Key realm=\"\($0)\"" } ?? "Key"
        do {
            self.keys = try scope.consumers.derived { directory throws(KeyIndex.Failure) in
                try KeyIndex(directory)
            }
        } catch {
            throw ConfigurationError(
                at: scope.position,
                "the consumers' keys cannot be hashed: no randomness"
            )
        }
    }

    package var emittedFields: [FieldName] { self.signer.map { [$0.field] } ?? [] }

    private static func queryWarning(_ settings: Settings, _ scope: PluginScope) -> Diagnostic {
        Diagnostic(
            .warning,
            at: settings.wrote("key_in_query") ? settings.position(of: "key_in_query") : scope.position,
            "key-auth takes keys from the query, where logs and histories see them; set key_in_query: false"
        )
    }

    private static func readNames(
        _ settings: Settings
    ) throws(ConfigurationError) -> [(text: String, field: FieldName)] {
        var names: [(text: String, field: FieldName)] = []
        for text in settings.strings("key_names") ?? [] {
            guard let field = FieldName(text) else {
                throw settings.error("key_names", "'\(text)' is no name of a header")
            }
            names.append((text, field))
        }
        guard !names.isEmpty else { throw settings.error("key_names", "expected at least one, found none") }
        return names
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        if passage.request.method == .options, !self.runsOnPreflight { return .proceed }
        // Another plugin has proven somebody, and this one may be passed by anybody.
        if self.anonymous != nil, let known = passage.identity, !known.isAnonymous { return .proceed }
        let identity: Identity
        do throws(Refusal) {
            identity = try self.prove(passage)
        } catch {
            guard let consumer = self.anonymous else { throw error }
            identity = Identity(
                subject: consumer.title,
                consumer: consumer,
                method: "key-auth",
                isAnonymous: true
            )
        }
        passage.identity = identity
        try self.signer?.sign(identity, passage)
        if self.hidesCredentials { self.hide(passage) }
        return .proceed
    }

    /// Whose key it is.
    private func prove(_ passage: Passage) throws(Refusal) -> Identity {
        guard let key = try self.findKey(passage.request) else {
            throw self.refusal("no-credential", "No API key found in request")
        }
        let owner: KeyIndex.Owner?
        do throws(KeyIndex.Failure) {
            owner = try self.keys.owner(of: key)
        } catch {
            throw .failed(.init("internal-error"))
        }
        guard let owner else { throw self.refusal("unknown-credential", "Unauthorized") }
        return Identity(
            subject: owner.consumer.title,
            consumer: owner.consumer,
            credentialIdentifier: owner.credentialID,
            method: "key-auth"
        )
    }

    private func refusal(_ reason: String, _ message: String) -> Refusal {
        .unauthenticated(.init(reason, message: message, challenges: [self.challenge]))
    }

    /// The one key of the request; two under one name are none.
    private func findKey(_ request: RequestHead) throws(Refusal) -> [UInt8]? {
        let arguments =
            self.isInQuery ? (request.query.map { QueryKeys($0) } ?? QueryKeys([])) : QueryKeys([])
        for name in self.keyNames {
            if self.isInHeader, let field = request.first(name.field) {
                guard request.count(of: name.field) == 1 else {
                    throw self.refusal("duplicate-credential", "Duplicate API key found")
                }
                let value = Array(request.fields.value(field))
                if !value.isEmpty { return value }
            }
            let values = arguments.values(of: name.text)
            guard values.count <= 1 else {
                throw self.refusal("duplicate-credential", "Duplicate API key found")
            }
            if let value = values.first, !value.isEmpty { return value }
        }
        return nil
    }

    /// Keeps keys from the upstream, under any of the names (H6).
    private func hide(_ passage: Passage) {
        if self.isInHeader {
            for name in self.keyNames { passage.upstream.remove(name.field) }
        }
        guard self.isInQuery, let query = passage.request.query else { return }
        let arguments = QueryKeys(query)
        let names = self.keyNames.map(\.text)
        guard names.contains(where: { !arguments.values(of: $0).isEmpty }) else { return }
        passage.upstreamQuery = .replaced(arguments.without(names))
    }

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        do throws(Refusal) {
            _ = try self.request(passage)
            let who = passage.identity?.isAnonymous == true ? "nobody proven, anonymous stands in" : nil
            return PluginVerdict(
                .passes,
                rules: [RuleVerdict(rule: "key", source: "key-auth", passes: true, detail: who)]
            )
        } catch {
            let rule = RuleVerdict(rule: "key", source: "key-auth", passes: false, detail: error.message)
            return PluginVerdict(.refuses(error), rules: [rule])
        }
    }
}
