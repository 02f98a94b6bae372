// Where a browser is sent instead of an answer that refuses.
import Gateway

/// Pages of the user's own for 401, 403 and failures, as written.
struct RefusalRedirects: Sendable, Equatable {
    let unauthorized: String?
    let forbidden: String?
    let unexpected: String?

    /// Reads the settings; of a list the first counts, as for Kong's first client.
    init(_ check: inout SettingsCheck) {
        unauthorized = Self.location("unauthorized_redirect_uri", &check)
        forbidden = Self.location("forbidden_redirect_uri", &check)
        unexpected = Self.location("unexpected_redirect_uri", &check)
    }

    private static func location(_ field: String, _ check: inout SettingsCheck) -> String? {
        for text in check.settings.strings(field) ?? [] {
            let isPath = text.hasPrefix("/") && !text.hasPrefix("//")
            let isVisible = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
            guard isVisible, isPath || RedirectTarget.origin(of: text) != nil else {
                check.fail(field, "expected an absolute http or https URL, or a path")
                return nil
            }
        }
        return check.settings.strings(field)?.first
    }
}
