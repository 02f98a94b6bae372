// The way back: grants and their answers.
import Cryptography
import Fetch
import JOSE
import JSON

/// An ID token that a refreshed one must agree with (OIDC Core §12.2).
package struct PreviousIDToken: Sendable {
    package let subject: String
    package let issuedAt: Double
    package let nonce: String?

    /// What the session keeps of its first ID token.
    package init(subject: String, issuedAt: Double, nonce: String?) {
        self.subject = subject
        self.issuedAt = issuedAt
        self.nonce = nonce
    }
}

extension RelyingParty {
    /// Redeems a code, once (RFC 6749 §4.1.3, RFC 7636 §4.5); the answer must hold an ID token that proves.
    package func redeem(
        code: String,
        of request: AuthorizationRequest
    ) async throws(OIDCError) -> TokenSet {
        var parameters = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", request.redirectURI),
        ]
        if let verifier = request.verifier { parameters.append(("code_verifier", verifier)) }
        let (answer, _) = try await self.grant(parameters)
        var expected = IDTokenExpectations(clientID: self.clientID)
        expected.nonce = request.nonce
        expected.code = code
        expected.maximumAge = request.maximumAge
        expected.contexts = request.contexts
        let tokens = try await self.tokens(answer, expected)
        guard tokens.idToken != nil else { throw .malformedAnswer(.token, "id_token is missing") }
        return tokens
    }

    /// Gets new tokens for a refresh token (RFC 6749 §6); a new ID token must be about the same user.
    package func refresh(
        _ refreshToken: String,
        previous: PreviousIDToken?,
        scope: String? = nil
    ) async throws(OIDCError) -> TokenSet {
        var parameters = [("grant_type", "refresh_token"), ("refresh_token", refreshToken)]
        if let scope { parameters.append(("scope", scope)) }
        let (answer, fields) = try await self.grant(parameters)
        var expected = IDTokenExpectations(clientID: self.clientID)
        expected.previous = previous
        var tokens = try await self.tokens(answer, expected)
        tokens.fields = fields
        return tokens
    }

    /// Gets a token for ourselves (RFC 6749 §4.4).
    package func clientCredentials(scope: String? = nil) async throws(OIDCError) -> TokenSet {
        let parameters = [("grant_type", "client_credentials")] + self.asked(scope)
        let (answer, fields) = try await self.grant(parameters)
        // Some issuers add an ID token here; it is about nobody and is not looked at.
        var tokens = try self.tokens(answer, idToken: nil, raw: nil)
        tokens.fields = fields
        return tokens
    }

    /// Gets a token with a user's own password (RFC 6749 §4.3); only where it was switched on by name (A13).
    package func password(
        username: String,
        password: String,
        scope: String? = nil
    ) async throws(OIDCError) -> TokenSet {
        let parameters =
            [("grant_type", "password"), ("username", username), ("password", password)]
            + self.asked(scope)
        let (answer, fields) = try await self.grant(parameters)
        var tokens = try await self.tokens(answer, IDTokenExpectations(clientID: self.clientID))
        tokens.fields = fields
        return tokens
    }

    private func asked(_ scope: String?) -> [(String, String)] {
        let scope = scope ?? self.scopes.joined(separator: " ")
        return (scope.isEmpty ? [] : [("scope", scope)]) + self.audiences.map { ("audience", $0) }
    }

    // MARK: The request

    /// Asks for tokens; gives what the answer says, and the fields that came with it.
    private func grant(
        _ parameters: [(String, String)]
    ) async throws(OIDCError) -> (JSONValue, fields: [(String, String)]) {
        let metadata = try await self.issuer.ready(within: .infinity)
        let method =
            self.authentication
            ?? .usual(
                hasSecret: self.clientSecret != nil,
                supported: metadata.clientAuthenticationMethods
            )
        let endpoint = try metadata.endpoint(\.token, "token_endpoint", by: method)
        do throws(OIDCError) {
            let response = try await self.post(
                self.handing(parameters + self.extraParameters),
                fields: [("Accept", "application/json")] + self.extraFields,
                to: endpoint,
                by: method,
                for: .token
            )
            let answer = try TokenAnswer.read(response)
            self.issuer.line.report(.token, nil)
            return (answer, response.fields)
        } catch {
            self.issuer.line.report(.token, error)
            throw error
        }
    }

    private func handing(_ parameters: [(String, String)]) -> [(String, String)] {
        guard !self.handedParameters.isEmpty else { return parameters }
        let names = Set(self.handedParameters.map(\.0))
        return parameters.filter { !names.contains($0.0) } + self.handedParameters
    }

    // MARK: The answer

    private func tokens(
        _ answer: JSONValue,
        _ expected: IDTokenExpectations
    ) async throws(OIDCError) -> TokenSet {
        guard let value = answer["id_token"], !value.isNull else {
            return try self.tokens(answer, idToken: nil, raw: nil)
        }
        guard let raw = value.string else { throw .malformedAnswer(.token, "id_token is not a string") }
        var expected = expected
        expected.accessToken = answer["access_token"]?.string
        let token = try await self.validate(idToken: raw, expected)
        return try self.tokens(answer, idToken: token, raw: raw)
    }

    private func tokens(
        _ answer: JSONValue,
        idToken: VerifiedToken?,
        raw: String?
    ) throws(OIDCError) -> TokenSet {
        guard let accessToken = answer["access_token"]?.string, !accessToken.isEmpty else {
            throw .malformedAnswer(.token, "access_token is missing or not a string")
        }
        guard answer["token_type"]?.string?.lowercased() == "bearer" else { throw .unknownTokenType }
        let lifetime = TokenAnswer.lifetime(answer["expires_in"])
        return TokenSet(
            accessToken: accessToken,
            expiresAt: lifetime.map { NumericDate(seconds: self.issuer.line.clock() + $0) },
            refreshToken: answer["refresh_token"]?.string.flatMap { $0.isEmpty ? nil : $0 },
            idToken: idToken,
            rawIDToken: raw,
            scope: answer["scope"]?.string,
            answer: answer
        )
    }
}

/// Reads what a token endpoint says (RFC 6749 §5).
enum TokenAnswer {
    /// The object of a good answer; anything else is an error that says whose fault it is.
    static func read(_ response: FetchResponse) throws(OIDCError) -> JSONValue {
        let document = try? JSONValue(parsing: response.body)
        switch response.status {
        case 200:
            guard let document, document.object != nil else {
                throw .malformedAnswer(.token, "the answer is not a JSON object")
            }
            // Some issuers say errors with 200.
            if let error = self.errorCode(document) {
                throw .refused(.token, status: response.status, error: error)
            }
            return document
        case 400..<429, 430..<500:
            // Empty bodies happen (Glewlwyd refuses a wrong password with one): no code is then known.
            throw .refused(.token, status: response.status, error: document.flatMap(self.errorCode))
        default: throw .failed(.token, status: response.status)
        }
    }

    /// The error code, if it is one: it goes to logs (RFC 6749 §5.2).
    static func errorCode(_ document: JSONValue) -> String? {
        guard let code = document["error"]?.string, (1...64).contains(code.utf8.count) else { return nil }
        let isWord = code.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                || [0x2d, 0x2e, 0x5f].contains(byte)
        }
        return isWord ? code : nil
    }

    /// The seconds that an access token lives, if they are said sensibly; some issuers write a string.
    static func lifetime(_ value: JSONValue?) -> Double? {
        let seconds = value?.number ?? value?.string.flatMap { Double($0) }
        guard let seconds, seconds.isFinite, seconds >= 0 else { return nil }
        return min(seconds, 10 * 365 * 86_400)
    }
}
