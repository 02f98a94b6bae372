// The settings of one openid-connect instance: what is asked of tokens and made of claims.
import Gateway
import Proxy

extension OpenIDConnectSettings {
    static func methods(_ check: inout SettingsCheck, hasClient: Bool) -> AuthenticationMethods {
        let settings = check.settings
        let written = settings.strings("auth_methods") ?? []
        var methods = AuthenticationMethods(written.compactMap { AuthenticationMethod(rawValue: $0) })
        if !settings.wrote("auth_methods"), settings.wrote("introspection_endpoint") {
            methods = methods.union([.introspection])
        }
        check.requireAudience(methods)
        if methods.contains(.password) {
            check.warn(
                "auth_methods",
                "the password grant shows users' passwords to the gateway (RFC 9700 §2.4)"
            )
        }
        return hasClient || settings.wrote("auth_methods") ? methods : methods.intersection([.bearer])
    }

    static func tokens(_ check: inout SettingsCheck) -> TokenChoice {
        let settings = check.settings
        let types = settings.strings("bearer_token_param_type") ?? ["header"]
        let cookie = settings.string("bearer_token_cookie_name")
        if types.contains("cookie") {
            if cookie.map({ FieldName($0) == nil }) ?? true {
                check.fail(
                    "bearer_token_cookie_name",
                    "expected the name of the cookie that carries the token"
                )
            }
        } else if cookie != nil {
            check.fail(
                "bearer_token_param_type",
                "has no 'cookie' though bearer_token_cookie_name is written"
            )
        }
        return TokenChoice(
            audiences: settings.wrote("audience_required") ? nil : settings.strings("client_id"),
            leeway: settings.number("leeway") ?? 0,
            bearerFields: fields(
                "bearer_token_header_name",
                standard: ["access-token", "x-access-token"],
                &check
            ),
            takesFields: types.contains("header"),
            takesBody: types.contains("body"),
            bearerCookie: types.contains("cookie")
                ? settings.string("bearer_token_cookie_name").map { Array($0.utf8) } : nil,
            refreshFields: fields(
                "refresh_token_param_name",
                standard: ["refresh-token", "x-refresh-token"],
                &check
            ),
            isTyped: settings.string("access_token_profile") == "rfc9068"
        )
    }

    static func identity(_ check: inout SettingsCheck) -> IdentityChoice {
        let settings = check.settings
        let groups = settings.strings("authenticated_groups_claim") ?? []
        return IdentityChoice(
            anonymous: settings.string("anonymous").flatMap { $0.isEmpty ? nil : $0 },
            credentialPath: settings.strings("credential_claim") ?? ["sub"],
            authenticatedGroupsPath: groups.isEmpty ? nil : groups,
            groupsPath: settings.strings("groups_claim") ?? ["groups"],
            upstream: IdentityFields("upstream", &check),
            downstream: IdentityFields("downstream", &check)
        )
    }

    static func removals(_ settings: Settings, _ tokens: TokenChoice, _ proof: ProofChoice) -> FieldEdits {
        var removals = FieldEdits()
        guard settings.flag("hide_credentials") else { return removals }
        for name in [.authorization] + tokens.bearerFields + tokens.refreshFields { removals.remove(name) }
        if proof.dpop.isOn { removals.remove(.dpop) }
        return removals
    }

    static func answers(
        _ settings: Settings,
        _ proof: ProofChoice,
        _ resource: ResourceMetadata?
    ) -> AnswerChoice {
        let issuer = settings.string("issuer") ?? ""
        var challenge = Challenge(
            realm: RedirectTarget.host(of: issuer) ?? issuer,
            exposesErrors: settings.flag("expose_error_code")
        )
        challenge.takesBearer = proof.dpop != .strict
        challenge.proofAlgorithms = proof.dpop.isOn ? ResourceMetadata.proofAlgorithms : nil
        challenge.resourceMetadata = resource?.url
        return AnswerChoice(
            displaysErrors: settings.flag("display_errors"),
            endsSessionOnForbidden: settings.flag("forbidden_destroy_session"),
            endsSessionOnUnauthorized: settings.flag("unauthorized_destroy_session"),
            unauthorizedMessage: settings.string("unauthorized_error_message") ?? "Unauthorized",
            forbiddenMessage: settings.string("forbidden_error_message") ?? "Forbidden",
            challenge: challenge
        )
    }

    static func policy(_ settings: Settings) -> ClaimPolicy {
        let lists: [(String, ClaimRule.Kind, String, String)] = [
            ("scopes", .scopes, "scopes_claim", "insufficient-scope"),
            ("audience", .audience, "audience_claim", "wrong-audience"),
            ("roles", .groups, "roles_claim", "missing-role"),
            ("groups", .groups, "groups_claim", "missing-group"),
        ]
        var rules: [ClaimRule] = []
        for (name, kind, pathField, reason) in lists {
            let setting = "\(name)_required"
            guard let items = settings.strings(setting), !items.isEmpty else { continue }
            rules.append(
                ClaimRule(
                    setting: setting,
                    kind: kind,
                    path: settings.strings(pathField) ?? [],
                    items: items,
                    reason: reason
                )
            )
        }
        return ClaimPolicy(rules + otherRules(settings))
    }

    private static func otherRules(_ settings: Settings) -> [ClaimRule] {
        var rules = (settings.strings("claims_forbidden") ?? []).map { claim in
            ClaimRule(
                setting: "claims_forbidden",
                kind: .forbidden,
                path: [claim],
                items: [],
                reason: "forbidden-claim"
            )
        }
        if let domains = settings.strings("domains"), !domains.isEmpty {
            let rule = ClaimRule(
                setting: "domains",
                kind: .oneOf,
                path: ["hd"],
                items: domains,
                reason: "wrong-domain"
            )
            rules.insert(rule, at: 0)
        }
        return rules
    }

    static func consumerRule(_ settings: Settings) -> ConsumerRule {
        ConsumerRule(
            paths: settings.lists("consumer_claims"),
            fields: settings.strings("consumer_by") ?? [],
            ignoresCase: settings.flag("by_username_ignore_case"),
            isOptional: settings.flag("consumer_optional")
        )
    }
}
