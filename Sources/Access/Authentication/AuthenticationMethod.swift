// The ways of showing who one is.

/// A way of showing who one is, by Kong's names.
package enum AuthenticationMethod: String, Sendable, CaseIterable {
    case session
    case bearer
    case refreshToken = "refresh_token"
    case password
    case clientCredentials = "client_credentials"
    case authorizationCode = "authorization_code"
    case introspection
    case userinfo

    /// Whether the client itself shows an access token, so that it has to prove what the token is bound to.
    var showsToken: Bool {
        switch self {
        case .bearer, .introspection, .userinfo: true
        case .session, .refreshToken, .password, .clientCredentials, .authorizationCode: false
        }
    }

    /// Ways that Kong knows and we do not serve yet.
    package static let notYet = ["kong_oauth2"]
}

/// Several ways; a bit each, since every request asks.
package struct AuthenticationMethods: Sendable, Equatable, ExpressibleByArrayLiteral {
    private var bits: UInt8 = 0

    /// The ways in `methods`.
    package init(_ methods: some Sequence<AuthenticationMethod>) {
        for method in methods { bits |= Self.bit(method) }
    }

    /// The ways that are written.
    package init(arrayLiteral methods: AuthenticationMethod...) {
        self.init(methods)
    }

    /// Whether `method` is among them.
    package func contains(_ method: AuthenticationMethod) -> Bool { bits & Self.bit(method) != 0 }

    /// Whether one of `others` is among them.
    package func containsAny(_ others: AuthenticationMethods) -> Bool { bits & others.bits != 0 }

    /// Those that are in `others` too.
    package func intersection(_ others: AuthenticationMethods) -> AuthenticationMethods {
        var both = self
        both.bits &= others.bits
        return both
    }

    /// These and `others`.
    package func union(_ others: AuthenticationMethods) -> AuthenticationMethods {
        var all = self
        all.bits |= others.bits
        return all
    }

    private static func bit(_ method: AuthenticationMethod) -> UInt8 {
        switch method {
        case .session: 1
        case .bearer: 2
        case .refreshToken: 4
        case .password: 8
        case .clientCredentials: 16
        case .authorizationCode: 32
        case .introspection: 64
        case .userinfo: 128
        }
    }
}
