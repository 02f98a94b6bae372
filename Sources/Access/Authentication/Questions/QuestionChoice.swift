// What an instance was told about asking the issuer for tokens.
import Gateway
import OIDC
import Proxy

/// How tokens are proven by asking their issuer, as written.
struct QuestionChoice: Sendable, Equatable {
    /// `introspection` or `userinfo`.
    var method: AuthenticationMethod
    /// Whether a JWT that verifies is asked about as well.
    var includesJWT: Bool
    var introspection: IntrospectionTerms
    /// Whether answers are kept at all.
    var keepsAnswers: Bool
    /// The longest that an answer is kept, in seconds; a token that was revoked may pass so long.
    var seconds: Double
    /// How long a refusal is kept.
    var refusalSeconds: Double
    /// Fields of the request that go into the question.
    var clientFields: [FieldName]
    /// Fields of the request that become parameters of the question.
    var clientFieldParameters: [FieldName]
    /// Arguments of the request's query that become parameters of the question.
    var clientArguments: [String]

    /// Whether what is asked depends on more of a request than its token.
    var dependsOnClient: Bool {
        !(clientFields.isEmpty && clientFieldParameters.isEmpty && clientArguments.isEmpty)
    }

    /// The longest that an answer is kept where nothing is written.
    static let usualSeconds = 60.0
    /// How long a refusal is kept where nothing is written.
    static let usualRefusalSeconds = 10.0

    /// What is asked about the tokens of a request, with what of it goes along.
    func terms(for request: RequestHead) -> IntrospectionTerms {
        guard dependsOnClient else { return introspection }
        var terms = introspection
        for name in clientFields {
            guard request.count(of: name) == 1, let value = request.string(of: name) else { continue }
            terms.fields.append(IssuerSettings.Field(name: name.description, value: value))
        }
        for name in clientFieldParameters {
            guard request.count(of: name) == 1, let value = request.string(of: name) else { continue }
            terms.parameters.append(IssuerSettings.Field(name: name.description, value: value))
        }
        let arguments = clientArguments.isEmpty ? nil : QueryArguments(request.query ?? [])
        for name in clientArguments {
            guard let value = arguments?.single(name) else { continue }
            terms.parameters.append(IssuerSettings.Field(name: name, value: value))
        }
        return terms
    }
}

extension OpenIDConnectSettings {
    /// Reads how the issuer is asked about tokens; nil where it is not.
    static func question(_ check: inout SettingsCheck, _ methods: AuthenticationMethods) -> QuestionChoice? {
        let settings = check.settings
        let terms = introspection(&check)
        let fields = names("introspection_headers_client", ownFields, &check)
        let parameters = names("introspection_post_args_client_headers", ownFields, &check)
        let arguments = arguments("introspection_post_args_client", &check)
        guard methods.containsAny([.introspection, .userinfo]) else { return nil }
        let method: AuthenticationMethod = methods.contains(.introspection) ? .introspection : .userinfo
        if methods.contains(.introspection), methods.contains(.userinfo) {
            check.warn("auth_methods", "userinfo is not asked about tokens where introspection is")
        }
        let keeps = settings.flag(method == .userinfo ? "cache_user_info" : "cache_introspection")
        var seconds = settings.wrote("cache_ttl") ? settings.number("cache_ttl") : nil
        seconds = max(seconds ?? QuestionChoice.usualSeconds, settings.number("cache_ttl_min") ?? 0)
        return QuestionChoice(
            method: method,
            includesJWT: method == .introspection && settings.flag("introspect_jwt_tokens"),
            introspection: terms,
            keepsAnswers: keeps,
            seconds: min(seconds ?? 0, settings.number("cache_ttl_max") ?? .infinity),
            refusalSeconds: settings.number("cache_ttl_neg") ?? QuestionChoice.usualRefusalSeconds,
            clientFields: fields,
            clientFieldParameters: parameters,
            clientArguments: arguments
        )
    }

    private static func introspection(_ check: inout SettingsCheck) -> IntrospectionTerms {
        let settings = check.settings
        var terms = IntrospectionTerms()
        let form = settings.string("introspection_accept") ?? ""
        terms.form = IntrospectionTerms.Form(rawValue: form) ?? .json
        terms.hint = settings.string("introspection_hint").flatMap { $0.isEmpty ? nil : $0 }
        terms.tokenParameter = settings.string("introspection_token_param_name") ?? "token"
        terms.audiences = settings.strings("audience_required") ?? []
        terms.parameters = pairs("introspection_post_args_names", "introspection_post_args_values", settings)
            .map { IssuerSettings.Field(name: $0.name, value: $0.value) }
        terms.fields = pairs("introspection_headers_names", "introspection_headers_values", settings)
            .map { IssuerSettings.Field(name: $0.name, value: $0.value) }
        for field in terms.fields where FieldName(field.name).map(ownFields.contains) ?? true {
            check.fail("introspection_headers_names", "'\(field.name)' is ours, or no name of a field")
        }
        let own = ownParameters + [terms.tokenParameter]
        for name in terms.parameters.map(\.name) where own.contains(name) {
            check.fail("introspection_post_args_names", "'\(name)' is ours")
        }
        return terms
    }

    /// How userinfo is asked, by whoever asks it.
    static func userInfoTerms(_ check: inout SettingsCheck) -> UserInfoTerms {
        let settings = check.settings
        var terms = UserInfoTerms()
        terms.isSigned = settings.string("userinfo_accept") == "application/jwt"
        terms.fields = pairs("userinfo_headers_names", "userinfo_headers_values", settings)
            .map { IssuerSettings.Field(name: $0.name, value: $0.value) }
        terms.arguments = pairs("userinfo_query_args_names", "userinfo_query_args_values", settings)
            .map { IssuerSettings.Field(name: $0.name, value: $0.value) }
        for field in terms.fields where FieldName(field.name).map(ownFields.contains) ?? true {
            check.fail("userinfo_headers_names", "'\(field.name)' is ours, or no name of a field")
        }
        for name in terms.arguments.map(\.name) where name == "access_token" {
            check.fail("userinfo_query_args_names", "'\(name)' is ours")
        }
        return terms
    }

    /// Fields that are ours to write: nobody else says who we are or what we ask.
    private static let ownFields: [FieldName] = [
        "authorization", "accept", "content-type", "content-length", "host", "cookie", "connection",
        "transfer-encoding", "proxy-authorization", "expect", "te", "upgrade",
    ]
    /// Parameters that are ours to write.
    private static let ownParameters = [
        "token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type",
    ]

    private static func names(
        _ field: String,
        _ own: [FieldName],
        _ check: inout SettingsCheck
    ) -> [FieldName] {
        var names: [FieldName] = []
        for text in check.settings.strings(field) ?? [] {
            guard let name = FieldName(text), !own.contains(name), !ownParameters.contains(name.description)
            else {
                check.fail(field, "'\(text)' is ours, or no name of a field")
                continue
            }
            names.append(name)
        }
        return names
    }

    private static func arguments(_ field: String, _ check: inout SettingsCheck) -> [String] {
        let names = check.settings.strings(field) ?? []
        let own = ownParameters + [check.settings.string("introspection_token_param_name") ?? "token"]
        for name in names where own.contains(name) || name.isEmpty { check.fail(field, "'\(name)' is ours") }
        return names
    }
}
