// The ways of showing who one is.

/// A way of showing who one is, by Kong's names.
package enum AuthenticationMethod: String, Sendable, CaseIterable {
    case session
    case bearer
    case refreshToken = "refresh_token"
    case password
    case clientCredentials = "client_credentials"
    case authorizationCode = "authorization_code"

    /// Ways that Kong knows and we do not serve yet.
    package static let notYet = ["introspection", "kong_oauth2", "userinfo"]
}
