// The settings of one openid-connect instance: how each part is read.
import Gateway
import OIDC
import Proxy

extension OpenIDConnectSettings {
    static func issuer(_ check: inout SettingsCheck) -> IssuerChoice {
        requireIssuer(&check)
        let settings = check.settings
        return IssuerChoice(
            url: settings.string("issuer") ?? "",
            allowed: settings.strings("issuers_allowed") ?? [],
            isPseudo: settings.flag("using_pseudo_issuer"),
            keysURL: settings.string("jwks_endpoint"),
            extraKeyURLs: settings.strings("extra_jwks_uris") ?? [],
            rediscoverySeconds: settings.number("rediscovery_lifetime") ?? 30,
            outageSeconds: settings.number("cache_ttl_resurrect") ?? 86_400,
            fields: pairs("discovery_headers_names", "discovery_headers_values", settings),
            authorizationEndpoint: settings.string("authorization_endpoint"),
            tokenEndpoint: settings.string("token_endpoint"),
            userInfoEndpoint: settings.string("userinfo_endpoint"),
            endSessionEndpoint: settings.string("end_session_endpoint"),
            verifiesTLS: settings.boolean("ssl_verify") ?? true,
            timeoutSeconds: (settings.number("timeout") ?? 10_000) / 1000,
            httpProxy: settings.string("http_proxy"),
            httpsProxy: settings.string("https_proxy"),
            httpProxyAuthorization: settings.string("http_proxy_authorization"),
            httpsProxyAuthorization: settings.string("https_proxy_authorization"),
            proxyExceptions: (settings.string("no_proxy") ?? "").split(separator: ",").map { part in
                String(part.filter { $0 != " " })
            }
        )
    }

    /// What must be said of an issuer, and what must not.
    private static func requireIssuer(_ check: inout SettingsCheck) {
        let settings = check.settings
        let written = settings.string("issuer") ?? ""
        if written.contains("{") || written.contains("%7B") {
            check.fail(
                "issuer",
                "a template is no issuer; write the tenant's own, such as https://login.microsoftonline.com/TENANT-ID/v2.0"
            )
        }
        let isPseudo = settings.flag("using_pseudo_issuer")
        let keysURL = settings.string("jwks_endpoint")
        let extraKeyURLs = settings.strings("extra_jwks_uris") ?? []
        if isPseudo, keysURL == nil, extraKeyURLs.isEmpty {
            check.fail("jwks_endpoint", "or extra_jwks_uris is required with using_pseudo_issuer")
        }
        if !isPseudo, keysURL != nil {
            check.fail("jwks_endpoint", "is read only with using_pseudo_issuer: true")
        }
        if settings.wrote("issuers_allowed"), (settings.strings("issuers_allowed") ?? []).isEmpty {
            check.fail("issuers_allowed", "must not be empty; leave it out instead")
        }
    }

    static func login(_ check: inout SettingsCheck) -> LoginChoice {
        let settings = check.settings
        let name = settings.string("authorization_cookie_name") ?? "authorization"
        requireCookieName("authorization_cookie_name", name, &check)
        var scopes = settings.strings("scopes") ?? ["openid"]
        if !scopes.contains("openid") { scopes.insert("openid", at: 0) }
        for uri in settings.strings("redirect_uri") ?? [] where !isAbsoluteURL(uri) {
            check.fail("redirect_uri", "expected an absolute http or https URL without a fragment")
        }
        for field in ["login_redirect_uri", "logout_redirect_uri"] {
            for uri in settings.strings(field) ?? [] where !isAbsoluteURL(uri) && !uri.hasPrefix("/") {
                check.fail(field, "expected an absolute http or https URL")
            }
        }
        var choice = LoginChoice(
            scopes: scopes,
            audiences: settings.strings("audience") ?? [],
            redirectURIs: settings.strings("redirect_uri") ?? [],
            usesPKCE: settings.boolean("require_proof_key_for_code_exchange") ?? true,
            arguments: pairs("authorization_query_args_names", "authorization_query_args_values", settings),
            seconds: min(600, settings.number("authorization_rolling_timeout") ?? 600),
            cookieName: name,
            cookie: cookie("authorization_cookie", &check),
            endsAtOriginal: settings.string("login_action") == "upstream",
            endsAt: settings.strings("login_redirect_uri")?.first,
            logoutRedirect: settings.strings("logout_redirect_uri")?.first
        )
        choice.title = settings.string("login_title").flatMap { $0.isEmpty ? nil : $0 }
        choice.keptBytes = Int(settings.number("kept_body_bytes") ?? 65_536)
        readExchange(&choice, &check)
        return choice
    }

    /// What goes to the issuer besides, and how it answers.
    private static func readExchange(_ choice: inout LoginChoice, _ check: inout SettingsCheck) {
        let settings = check.settings
        let word = settings.string("response_mode") ?? "query"
        if let mode = ResponseMode(rawValue: word) {
            choice.responseMode = mode
        } else {
            check.fail("response_mode", "'\(word)': a fragment never reaches a gateway")
        }
        if choice.responseMode.isPosted {
            // The way back is a POST from another site, which brings no other cookie (security row K2).
            if settings.boolean("authorization_cookie_secure") == false {
                check.fail("authorization_cookie_secure", "must not be false with response_mode \(word)")
            }
            choice.cookie.sameSite = "None"
            choice.cookie.secure = true
        }
        choice.handedThrough = settings.strings("authorization_query_args_client") ?? []
        for (field, names) in [
            ("authorization_query_args_client", choice.handedThrough),
            ("authorization_query_args_names", choice.arguments.map(\.name)),
        ] {
            for name in names
            where AuthorizationRequest.reservedNames.subtracting(["acr_values", "max_age"]).contains(name) {
                check.fail(field, "'\(name)' is the gateway's own to write")
            }
        }
        let own = Set(choice.arguments.map(\.name))
        for name in choice.handedThrough where own.contains(name) {
            check.fail(
                "authorization_query_args_client",
                "'\(name)' is in authorization_query_args_names, which wins"
            )
        }
    }

    static func session(_ check: inout SettingsCheck) -> SessionChoice {
        let settings = check.settings
        let name = settings.wrote("session_cookie_name") ? settings.string("session_cookie_name") : nil
        if let name { requireCookieName("session_cookie_name", name, &check) }
        if let secret = settings.string("session_secret"), secret.utf8.count < 16 {
            check.fail("session_secret", "is too short; expected at least 16 octets, better 32 random ones")
        }
        var limits = SessionLimits()
        limits.idling = settings.number("session_idling_timeout") ?? 900
        limits.rolling = settings.number("session_rolling_timeout") ?? 3600
        limits.absolute = settings.number("session_absolute_timeout") ?? 86_400
        let remembered = RememberChoice(&check)
        if let name = remembered?.name { requireCookieName("session_remember_cookie_name", name, &check) }
        limits.sinceLogin = remembered?.limits.absolute ?? 0
        return SessionChoice(
            audience: settings.string("session_audience") ?? "default",
            name: name,
            cookie: cookie("session_cookie", &check),
            secret: settings.string("session_secret"),
            storage: storage(&check),
            limits: limits,
            remembered: remembered,
            refreshes: settings.boolean("refresh_tokens") ?? true,
            streamLeeway: settings.number("stream_leeway") ?? 60
        )
    }

    // MARK: Pieces

    static func pairs(_ names: String, _ values: String, _ settings: Settings) -> [FieldPair] {
        zip(settings.strings(names) ?? [], settings.strings(values) ?? []).map {
            FieldPair(name: $0, value: $1)
        }
    }

    static func fields(_ field: String, standard: [FieldName], _ check: inout SettingsCheck) -> [FieldName] {
        guard let text = check.settings.string(field) else { return standard }
        guard let name = FieldName(text) else {
            check.fail(field, "expected the name of a field")
            return []
        }
        return [name]
    }

    private static func cookie(_ prefix: String, _ check: inout SettingsCheck) -> CookieAttributes {
        let settings = check.settings
        let written = settings.string("\(prefix)_same_site") ?? "Lax"
        let attributes = CookieAttributes(
            domain: settings.string("\(prefix)_domain"),
            path: settings.string("\(prefix)_path") ?? "/",
            sameSite: written == "Default" ? "Lax" : written,
            secure: settings.boolean("\(prefix)_secure")
        )
        if attributes.sameSite == "None", attributes.secure != true {
            check.fail("\(prefix)_same_site", "None needs \(prefix)_secure: true")
        }
        for text in [attributes.domain, attributes.path].compactMap({ $0 }) where !isCookieText(text) {
            check.fail("\(prefix)_path", "a path or domain holds a character that no cookie may have")
        }
        if !attributes.path.hasPrefix("/") {
            check.fail("\(prefix)_path", "expected a path that begins with '/'")
        }
        return attributes
    }

    private static func isCookieText(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: ",") }
    }

    private static func requireCookieName(_ field: String, _ name: String, _ check: inout SettingsCheck) {
        if FieldName(name) == nil || name.utf8.count > 64 {
            check.fail(field, "expected the name of a cookie")
        }
    }

    private static func isAbsoluteURL(_ text: String) -> Bool {
        guard let host = RedirectTarget.host(of: text), !host.isEmpty else { return false }
        return !text.contains("#") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
