// The cookie by which a client comes back to the target that it was with.

/// A cookie that names a target by a number, the same in every program.
package struct StickyCookie: Sendable, Equatable {
    package let name: String
    /// The path for which it is set.
    package let path: String

    /// Names the cookie.
    package init(name: String, path: String) {
        self.name = name
        self.path = path
    }

    /// The number that a cookie's value means; nil for what we never set.
    package static func number(_ value: String) -> UInt64? {
        value.utf8.count <= 13 && value.utf8.allSatisfy(Self.digits.contains) ? UInt64(value, radix: 36) : nil
    }

    private static let digits = Set("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    /// What an answer sets for a target.
    func field(_ endpoint: Endpoint, isSecure: Bool) -> String {
        "\(self.name)=\(String(Self.number(of: endpoint), radix: 36)); Path=\(self.path); HttpOnly; SameSite=Lax"
            + (isSecure ? "; Secure" : "")
    }

    /// The number of a target's place.
    static func number(of endpoint: Endpoint) -> UInt64 { StableHash(endpoint.place).number }
}

extension ClientStream {
    /// Lets the client come back to a target, if its cookie names another or none.
    func keep(_ endpoint: Endpoint, _ cookie: StickyCookie) {
        guard self.passage.order?.hash != StickyCookie.number(of: endpoint) else { return }
        let isSecure = self.exchange.facts.scheme == .https
        // A cookie's name and path were checked with the file.
        try? self.exchange.answerEdits.append(.setCookie, cookie.field(endpoint, isSecure: isSecure))
    }
}
