// What the issuer says about a user when asked.
import Fetch
package import JSON

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
        let metadata = try await self.issuer.ready(within: .infinity)
        guard let endpoint = metadata.endpoints.userinfo else { throw .missingEndpoint("userinfo_endpoint") }
        do throws(OIDCError) {
            let claims = try await self.askUserInfo(endpoint, accessToken, expectedSubject)
            self.issuer.line.report(.userinfo, nil)
            return claims
        } catch {
            self.issuer.line.report(.userinfo, error)
            throw error
        }
    }

    private func askUserInfo(
        _ endpoint: String,
        _ accessToken: String,
        _ expectedSubject: String?
    ) async throws(OIDCError) -> JSONValue {
        let fields = [("Accept", "application/json"), ("Authorization", "Bearer \(accessToken)")]
        let request = FetchRequest(url: endpoint, fields: fields)
        let response = try await self.issuer.line.send(request, for: .userinfo)
        guard response.status == 200 else {
            guard (400..<500).contains(response.status), response.status != 429 else {
                throw .failed(.userinfo, status: response.status)
            }
            throw .refused(.userinfo, status: response.status, error: nil)
        }
        guard let claims = try? JSONValue(parsing: response.body), claims.object != nil else {
            throw .malformedAnswer(.userinfo, "the answer is not a JSON object")
        }
        guard let subject = claims["sub"]?.string else {
            throw .malformedAnswer(.userinfo, "sub is missing or not a string")
        }
        if let expectedSubject, !subject.utf8.elementsEqual(expectedSubject.utf8) { throw .subjectMismatch }
        return claims
    }
}
