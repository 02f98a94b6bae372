// What the issuer says about a user when asked.
import Fetch
import JOSE
package import JSON

/// How userinfo is asked, and in which form it answers.
package struct UserInfoTerms: Sendable, Hashable {
    /// Whether the answer must be signed by the issuer, for us (OIDC Core §5.3.2).
    package var isSigned = false
    /// Further fields.
    package var fields: [IssuerSettings.Field] = []
    /// Further arguments.
    package var arguments: [IssuerSettings.Field] = []

    /// Asks for plain JSON.
    package init() {}
}

extension RelyingParty {
    /// Asks the userinfo endpoint (OIDC Core §5.3).
    ///
    /// - Parameters:
    ///   - accessToken: goes into the Authorization field, never into a URL (A14).
    ///   - expectedSubject: the ID token's `sub`; an answer about anyone else is discarded (I13).
    package func userInfo(
        accessToken: String,
        expectedSubject: String?
    ) async throws(OIDCError) -> JSONValue {
        try await self.reportingUserInfo(accessToken, expectedSubject).members
    }

    /// What userinfo says of the user of a token; it refuses one that the issuer does not take.
    package func information(of token: String) async throws(OIDCError) -> TokenInformation {
        try await self.reportingUserInfo(token, nil, isQuestion: true)
    }

    private func reportingUserInfo(
        _ accessToken: String,
        _ expectedSubject: String?,
        isQuestion: Bool = false
    ) async throws(OIDCError) -> TokenInformation {
        let metadata = try await self.issuer.ready(within: .infinity)
        guard let endpoint = metadata.endpoints.userinfo else { throw .missingEndpoint("userinfo_endpoint") }
        do throws(OIDCError) {
            let claims = try await self.askUserInfo(endpoint, accessToken, metadata)
            guard let subject = claims.members["sub"]?.string else {
                throw .malformedAnswer(.userinfo, "sub is missing or not a string")
            }
            if let expectedSubject, !subject.utf8.elementsEqual(expectedSubject.utf8) {
                throw .subjectMismatch
            }
            self.issuer.line.report(.userinfo, nil)
            return claims
        } catch {
            // A token that is refused where it was in question is an answer: strangers shall not fill the log.
            if case .refused = error, isQuestion {
                self.issuer.line.report(.userinfo, nil)
            } else {
                self.issuer.line.report(.userinfo, error)
            }
            throw error
        }
    }

    private func askUserInfo(
        _ endpoint: String,
        _ accessToken: String,
        _ metadata: ProviderMetadata
    ) async throws(OIDCError) -> TokenInformation {
        let terms = self.userInfoTerms
        let accept = terms.isSigned ? "application/jwt" : "application/json"
        let fields = [("Accept", accept), ("Authorization", "Bearer \(accessToken)")]
        let arguments = terms.arguments.map { ($0.name, $0.value) }
        let request = FetchRequest(
            url: arguments.isEmpty ? endpoint : FormEncoding.append(arguments, to: endpoint),
            fields: fields + terms.fields.map { ($0.name, $0.value) }
        )
        let response = try await self.issuer.line.send(request, for: .userinfo)
        guard response.status == 200 else {
            guard (400..<500).contains(response.status), response.status != 429 else {
                throw .failed(.userinfo, status: response.status)
            }
            throw .refused(.userinfo, status: response.status, error: nil)
        }
        guard terms.isSigned else {
            guard let claims = try? JSONValue(parsing: response.body), claims.object != nil else {
                throw .malformedAnswer(.userinfo, "the answer is not a JSON object")
            }
            return TokenInformation(members: claims)
        }
        var expected = TokenExpectations(issuers: [metadata.issuer], audiences: [self.clientID])
        expected.requiresExpiry = false
        expected.leeway = self.leeway
        let token = try await self.verified(response.body, expected, for: .userinfo)
        let text = String(decoding: response.body, as: UTF8.self)
        return TokenInformation(members: token.claims, signed: text)
    }
}
