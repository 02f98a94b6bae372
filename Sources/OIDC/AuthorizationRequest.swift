// The way out: state, nonce and PKCE, in the URL.
import Cryptography
import JOSE

/// One request to log in: what is sent, and what must come back with it.
///
/// Its owner keeps it sealed in the browser that began the login, uses it once and lets it expire (A1).
package struct AuthorizationRequest: Sendable, Equatable {
    /// Comes back with the answer; 32 random bytes, base64url (A1).
    package var state: String
    /// Comes back in the ID token; 32 random bytes, base64url (A2).
    package let nonce: String
    /// The PKCE verifier, 43 unreserved characters; nil only where PKCE was switched off (A3).
    package let verifier: String?
    /// Where the answer goes; sent to both endpoints byte for byte (A4).
    package let redirectURI: String
    /// How old the user's authentication may be, in seconds.
    package var maximumAge: Int?
    /// The authentication contexts of which one is wanted.
    package var contexts: [String] = []
    /// How the issuer shall answer; nil for the query, which is what it does unasked.
    package var responseMode: String?

    /// A new request with fresh random values.
    package init(redirectURI: String, usesPKCE: Bool = true) throws(OIDCError) {
        self.init(
            state: try Self.random(),
            nonce: try Self.random(),
            verifier: usesPKCE ? try Self.random() : nil,
            redirectURI: redirectURI
        )
    }

    /// A request that was kept.
    package init(state: String, nonce: String, verifier: String?, redirectURI: String) {
        self.state = state
        self.nonce = nonce
        self.verifier = verifier
        self.redirectURI = redirectURI
    }

    private static func random() throws(OIDCError) -> String {
        guard let bytes = try? Random.bytes(32) else { throw .ours }
        return Base64URL.encode(bytes)
    }

    /// The S256 challenge of a verifier (RFC 7636 §4.2).
    static func challenge(_ verifier: String) throws(OIDCError) -> String {
        guard let digest = try? Digest.sha256.hash(utf8: verifier) else { throw .ours }
        return Base64URL.encode(digest)
    }

    /// Parameters that nobody else may set, nor set a second time (S6).
    package static let reservedNames: Set<String> = [
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "request", "request_uri", "max_age", "acr_values", "response_mode",
        "client_secret", "client_assertion", "client_assertion_type", "iss", "aud",
    ]
}

extension RelyingParty {
    /// Where to send the browser (OIDC Core §3.1.2.1).
    ///
    /// - Parameters:
    ///   - request: kept by the caller until the answer comes.
    ///   - extra: further parameters; reserved names and names said twice are left out.
    ///   - metadata: as `Issuer.ready` gave it.
    package func authorizationURL(
        _ request: AuthorizationRequest,
        extra: [(String, String)] = [],
        at metadata: ProviderMetadata
    ) throws(OIDCError) -> String {
        FormEncoding.append(try self.parameters(request, extra), to: try metadata.authorizationEndpoint())
    }

    /// The parameters of an authorization request, each once but `audience`.
    func parameters(
        _ request: AuthorizationRequest,
        _ extra: [(String, String)]
    ) throws(OIDCError) -> [(String, String)] {
        var parameters = [
            ("response_type", "code"), ("client_id", self.clientID), ("redirect_uri", request.redirectURI),
            ("scope", self.scopes.joined(separator: " ")), ("state", request.state),
            ("nonce", request.nonce),
        ]
        if let verifier = request.verifier {
            parameters.append(("code_challenge", try AuthorizationRequest.challenge(verifier)))
            parameters.append(("code_challenge_method", "S256"))
        }
        if let mode = request.responseMode { parameters.append(("response_mode", mode)) }
        if let age = request.maximumAge { parameters.append(("max_age", "\(age)")) }
        if !request.contexts.isEmpty {
            parameters.append(("acr_values", request.contexts.joined(separator: " ")))
        }
        for audience in self.audiences { parameters.append(("audience", audience)) }
        var seen = AuthorizationRequest.reservedNames
        for (name, value) in extra where seen.insert(name).inserted { parameters.append((name, value)) }
        return parameters
    }

    /// Checks the `iss` parameters of an authorization response before anything else is done with it (A7).
    ///
    /// RFC 9207 §2.4.
    package func checkIssuerParameter(
        _ values: [String],
        at metadata: ProviderMetadata
    ) throws(OIDCError) {
        guard values.count <= 1 else { throw .wrongIssuerParameter }
        guard let value = values.first else {
            guard !metadata.announcesIssuerParameter else { throw .missingIssuerParameter }
            return
        }
        guard value.utf8.elementsEqual(metadata.issuer.utf8) else { throw .wrongIssuerParameter }
    }

    /// Where to send the browser to end the session at the issuer; nil if it has no such place.
    ///
    /// OIDC RP-Initiated Logout §2.
    package func endSessionURL(
        idTokenHint: String?,
        postLogoutRedirectURI: String?,
        state: String?
    ) -> String? {
        guard let endpoint = self.issuer.metadata?.endpoints.endSession else { return nil }
        let parameters: [(String, String?)] = [
            ("id_token_hint", idTokenHint), ("client_id", self.clientID),
            ("post_logout_redirect_uri", postLogoutRedirectURI), ("state", state),
        ]
        let written = parameters.compactMap { name, value in value.map { (name, $0) } }
        return FormEncoding.append(written, to: endpoint)
    }
}
