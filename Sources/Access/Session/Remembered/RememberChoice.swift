// Whether sessions come back after the browser was closed, and how long.
import Gateway

/// What is remembered beside a session, as written (`session_remember`).
struct RememberChoice: Sendable, Equatable {
    /// The cookie's name as written; nil for one made from issuer, client and audience.
    var name: String?
    /// Nothing that is remembered lies idle: it is for the time in which nobody asks.
    var limits: SessionLimits

    /// Reads the settings; nil where nothing is remembered.
    init?(_ check: inout SettingsCheck) {
        let settings = check.settings
        guard settings.flag("session_remember") else { return nil }
        let field = "session_remember_cookie_name"
        name = settings.wrote(field) ? settings.string(field) : nil
        limits = SessionLimits(
            idling: 0,
            rolling: settings.number("session_remember_rolling_timeout") ?? 604_800,
            absolute: settings.number("session_remember_absolute_timeout") ?? 2_592_000
        )
        let usual = settings.wrote("session_cookie_name") ? settings.string("session_cookie_name") : nil
        if let name, name == usual || name == settings.string("authorization_cookie_name") {
            check.fail(field, "is another cookie's name already")
        }
        if !(settings.strings("auth_methods") ?? []).contains("session") {
            check.fail("session_remember", "needs the auth method session")
        }
    }
}
