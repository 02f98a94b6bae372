// Tokens that we need no more: the issuer is told so.
import Fetch
import JSON

/// A token that is given back.
package struct RevokedToken: Sendable {
    /// The kinds that RFC 7009 §2.1 names.
    package enum Kind: String, Sendable {
        case access = "access_token"
        case refresh = "refresh_token"
    }

    package let kind: Kind
    package let text: String

    /// Names a token.
    package init(_ kind: Kind, _ text: String) {
        self.kind = kind
        self.text = text
    }
}

extension RelyingParty {
    /// The longest answer that is read; nothing of it matters but an error's code.
    private static let maximumRevocationBytes = 64 << 10

    /// Asks the revocation endpoint to take a token back (RFC 7009 §2.1).
    ///
    /// - Parameter parameter: what the endpoint calls the token.
    /// - Throws: where it is not known whether the token is taken back; it may be asked again.
    package func revoke(_ token: RevokedToken, as parameter: String = "token") async throws(OIDCError) {
        do throws(OIDCError) {
            try await self.giveBack(token, parameter)
            self.issuer.line.report(.revocation, nil)
        } catch {
            self.issuer.line.report(.revocation, error)
            throw error
        }
    }

    private func giveBack(_ token: RevokedToken, _ parameter: String) async throws(OIDCError) {
        let metadata = try await self.issuer.ready(within: .infinity)
        let method =
            self.revocationAuthentication ?? self.authentication
            ?? .usual(
                hasSecret: self.clientSecret != nil,
                supported: metadata.revocationAuthenticationMethods
            )
        let endpoint = try metadata.endpoint(\.revocation, "revocation_endpoint", by: method)
        let response = try await self.post(
            [(parameter, token.text), ("token_type_hint", token.kind.rawValue)],
            fields: [("Accept", "application/json")],
            to: endpoint,
            by: method,
            for: .revocation,
            limit: Self.maximumRevocationBytes
        )
        switch response.status {
        // An unknown token is as good as revoked: 200 for both (§2.2).
        case 200, 204: return
        case 400..<429, 430..<500:
            let code = (try? JSONValue(parsing: response.body)).flatMap(TokenAnswer.errorCode)
            throw .refused(.revocation, status: response.status, error: code)
        default: throw .failed(.revocation, status: response.status)
        }
    }
}
