// What an issuer says of a token when it is asked.
import Cryptography
import Fetch
import JOSE
package import JSON

/// How an issuer is asked about a token, and in which form it answers.
package struct IntrospectionTerms: Sendable, Hashable {
    /// The form of the answer.
    package enum Form: String, Sendable, CaseIterable {
        case json = "application/json"
        /// A signed token: the members are its claims, or stand in `token_introspection`.
        case jwt = "application/jwt"
        /// A signed answer of RFC 9701.
        case signed = "application/token-introspection+jwt"
    }

    /// What is asked for; another form is not taken.
    package var form = Form.json
    /// `token_type_hint`; nil sends none.
    package var hint: String? = "access_token"
    /// The parameter that carries the token.
    package var tokenParameter = "token"
    /// Further parameters.
    package var parameters: [IssuerSettings.Field] = []
    /// Further fields.
    package var fields: [IssuerSettings.Field] = []
    /// Whom a signed answer may be for, besides us (RFC 9701 §5).
    package var audiences: [String] = []

    /// Asks as RFC 7662 has it.
    package init() {}
}

/// What an issuer says of a token; nothing of it is judged yet, but whether it is active.
package struct TokenInformation: Sendable {
    /// The members of the answer, an object.
    package let members: JSONValue
    /// The answer as it was signed, if it was.
    package let signed: String?

    /// What was answered.
    package init(members: JSONValue, signed: String? = nil) {
        self.members = members
        self.signed = signed
    }

    /// Whether the issuer says that the token is good: the truth value itself, no text that looks like it.
    package var isActive: Bool { self.members["active"] == .bool(true) }
}

extension RelyingParty {
    /// The longest answer that is taken.
    static let maximumInformationBytes = 64 << 10

    /// Asks the introspection endpoint about a token (RFC 7662 §2).
    package func introspect(
        _ token: String,
        _ terms: IntrospectionTerms
    ) async throws(OIDCError) -> TokenInformation {
        do throws(OIDCError) {
            let information = try await self.askAbout(token, terms)
            self.issuer.line.report(.introspection, nil)
            return information
        } catch {
            self.issuer.line.report(.introspection, error)
            throw error
        }
    }

    private func askAbout(
        _ token: String,
        _ terms: IntrospectionTerms
    ) async throws(OIDCError) -> TokenInformation {
        let metadata = try await self.issuer.ready(within: .infinity)
        let method =
            self.introspectionAuthentication ?? self.authentication
            ?? .usual(
                hasSecret: self.clientSecret != nil,
                supported: metadata.introspectionAuthenticationMethods
            )
        let endpoint = try metadata.endpoint(\.introspection, "introspection_endpoint", by: method)
        let hint = terms.hint.map { [("token_type_hint", $0)] } ?? []
        let response = try await self.post(
            [(terms.tokenParameter, token)] + hint + terms.parameters.map { ($0.name, $0.value) },
            fields: [("Accept", terms.form.rawValue)] + terms.fields.map { ($0.name, $0.value) },
            to: endpoint,
            by: method,
            for: .introspection,
            limit: Self.maximumInformationBytes
        )
        guard response.status == 200 else {
            // 401 is about us and not about the token (RFC 7662 §2.3).
            guard (400..<500).contains(response.status), response.status != 429 else {
                throw .failed(.introspection, status: response.status)
            }
            let document = try? JSONValue(parsing: response.body)
            let code = document.flatMap(TokenAnswer.errorCode)
            throw .refused(.introspection, status: response.status, error: code)
        }
        return try await self.information(response, terms, metadata)
    }

    private func information(
        _ response: FetchResponse,
        _ terms: IntrospectionTerms,
        _ metadata: ProviderMetadata
    ) async throws(OIDCError) -> TokenInformation {
        guard terms.form == .json else {
            let text = String(decoding: response.body, as: UTF8.self)
            let claims = try await self.signedClaims(response.body, terms, metadata)
            guard let members = claims["token_introspection"] else {
                guard terms.form == .jwt else {
                    throw .malformedAnswer(.introspection, "token_introspection is missing (RFC 9701 §5)")
                }
                return try Self.checked(claims, signed: text)
            }
            return try Self.checked(members, signed: text)
        }
        guard let members = try? JSONValue(parsing: response.body) else {
            throw .malformedAnswer(.introspection, "the answer is not a JSON object")
        }
        return try Self.checked(members, signed: nil)
    }

    private static func checked(
        _ members: JSONValue,
        signed: String?
    ) throws(OIDCError) -> TokenInformation {
        guard members.object != nil else {
            throw .malformedAnswer(.introspection, "the answer is not a JSON object")
        }
        guard members["active"]?.bool != nil else {
            throw .malformedAnswer(.introspection, "active is missing or not a truth value (RFC 7662 §2.2)")
        }
        return TokenInformation(members: members, signed: signed)
    }

    /// The claims of a signed answer (RFC 9701 §5): by the issuer's keys, from the issuer, for us, made just now.
    private func signedClaims(
        _ text: [UInt8],
        _ terms: IntrospectionTerms,
        _ metadata: ProviderMetadata
    ) async throws(OIDCError) -> JSONValue {
        var expected = TokenExpectations(
            issuers: [metadata.issuer],
            audiences: [self.clientID] + terms.audiences
        )
        expected.requiresExpiry = false
        expected.requiredClaims = ["iat"]
        expected.leeway = self.leeway
        if terms.form == .signed { expected.type = TokenType(IntrospectionTerms.Form.signed.rawValue) }
        let token = try await self.verified(text, expected, for: .introspection)
        guard let issued = token.claimsText.number("iat"),
            self.issuer.line.clock() - issued <= IDTokenExpectations(clientID: "").maximumAgeSinceIssue
        else { throw .malformedAnswer(.introspection, "the signed answer is an old one") }
        return token.claims
    }

    /// A signed answer of the issuer, proven; an unknown key makes the issuer's keys be fetched once.
    func verified(
        _ text: [UInt8],
        _ expected: TokenExpectations,
        for purpose: IssuerRequest
    ) async throws(OIDCError) -> VerifiedToken {
        if self.issuer.keys.isEmpty { _ = await self.issuer.keysAfterUnknownKey(seen: 0) }
        let snapshot = self.issuer.keySnapshot
        let now = NumericDate(seconds: self.issuer.line.clock())
        do throws(TokenError) {
            return try TokenVerifier.verify(text, keys: snapshot.keys, expecting: expected, at: now)
        } catch {
            guard case .unknownKey = error,
                await self.issuer.keysAfterUnknownKey(seen: snapshot.version) == .refreshed
            else { throw .answerToken(purpose, error) }
        }
        do throws(TokenError) {
            return try TokenVerifier.verify(text, keys: self.issuer.keys, expecting: expected, at: now)
        } catch {
            throw .answerToken(purpose, error)
        }
    }
}
