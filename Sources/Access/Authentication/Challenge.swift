// What a 401 or a 403 asks for.

/// Builds `WWW-Authenticate` values (RFC 6750 §3, RFC 7617 §2).
package struct Challenge: Sendable, Equatable {
    /// The realm: the issuer's host.
    package let realm: String
    /// Whether the error code is told.
    package let exposesErrors: Bool

    /// Challenges of one realm; what may not stand in a quoted string is left out.
    package init(realm: String, exposesErrors: Bool) {
        self.realm = Self.quotable(realm)
        self.exposesErrors = exposesErrors
    }

    /// A `Bearer` challenge; without an error when no credential was shown.
    package func bearer(error: String? = nil, scope: String? = nil) -> String {
        var text = "Bearer realm=\"\(realm)\""
        guard exposesErrors else { return text }
        if let error { text += ", error=\"\(Self.quotable(error))\"" }
        if let scope { text += ", scope=\"\(Self.quotable(scope))\"" }
        return text
    }

    /// A `Basic` challenge.
    package var basic: String { "Basic realm=\"\(realm)\", charset=\"UTF-8\"" }

    private static func quotable(_ text: String) -> String {
        String(
            decoding: text.utf8.filter { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != 0x5C },
            as: UTF8.self
        )
    }
}
