// Who we are to an issuer, and how we show it.
import Cryptography
import Foundation

/// How a client authenticates at the token endpoint; the names of the registry (OIDC Core §9).
package enum ClientAuthentication: String, Sendable, CaseIterable {
    case basic = "client_secret_basic"
    case post = "client_secret_post"
    case none

    /// The method that is used when the configuration names none: basic, unless the issuer takes only post.
    package static func usual(hasSecret: Bool, supported: [String]) -> ClientAuthentication {
        guard hasSecret else { return .none }
        guard !supported.isEmpty, !supported.contains(Self.basic.rawValue) else { return .basic }
        return supported.contains(Self.post.rawValue) ? .post : .basic
    }

    /// The one field or the parameters that show who we are: one method a request (A15).
    func proof(
        clientID: String,
        secret: Secret?
    ) -> (field: (String, String)?, parameters: [(String, String)]) {
        switch self {
        case .none: return (nil, [("client_id", clientID)])
        case .post:
            let text = secret.map { String(decoding: $0.copy(), as: UTF8.self) } ?? ""
            return (nil, [("client_id", clientID), ("client_secret", text)])
        case .basic:
            // Both parts are form-encoded first, so that a colon or a letter beyond ASCII survives (RFC 6749 §2.3.1).
            let pair =
                FormEncoding.encode(clientID.utf8) + [0x3a] + FormEncoding.encode(secret?.copy() ?? [])
            return (("Authorization", "Basic " + Data(pair).base64EncodedString()), [])
        }
    }
}
