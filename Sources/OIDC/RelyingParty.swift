// Us, as a client of an issuer.
package import Cryptography
package import Fetch
package import JOSE
package import JSON

/// A client of an issuer: who we are, and what we ask for.
package struct RelyingParty: Sendable {
    /// The issuer that we rely on.
    package let issuer: Issuer
    /// Our name at the issuer.
    package let clientID: String
    /// Our secret, if we have one.
    package let clientSecret: Secret?
    /// How we authenticate; nil for what the issuer's metadata suggests.
    package var authentication: ClientAuthentication?
    /// How we authenticate at the introspection endpoint; nil for as everywhere.
    package var introspectionAuthentication: ClientAuthentication?
    /// How we authenticate at the revocation endpoint; nil for as everywhere.
    package var revocationAuthentication: ClientAuthentication?
    /// What signs our assertions, by the method that wants them.
    package var assertions: [ClientAuthentication: ClientAssertion] = [:]
    /// What we show where a certificate is how we authenticate.
    package var certificate: FetchCertificate?
    /// Whether authorization requests are pushed (RFC 9126); nil for where the issuer's metadata demands it.
    package var pushesRequests: Bool?
    /// How we authenticate where requests are pushed; nil for as everywhere.
    package var pushAuthentication: ClientAuthentication?
    /// Whether authorization requests are signed (RFC 9101); nil for where the issuer's metadata demands it.
    package var signsRequests: Bool?
    /// What signs authorization requests, if anything does.
    package var requestSigner: ClientAssertion?
    /// What is asked for, no more and no less (A16).
    package var scopes: [String] = ["openid"]
    /// How userinfo is asked.
    package var userInfoTerms = UserInfoTerms()
    /// Sent as `audience` with every authorization request and grant.
    package var audiences: [String] = []
    /// Further parameters of every grant.
    package var extraParameters: [(String, String)] = []
    /// Parameters that a client hands through to a grant; they stand in the place of ours of the same name.
    package var handedParameters: [(String, String)] = []
    /// Further fields of every grant.
    package var extraFields: [(String, String)] = []
    /// The algorithms of ID tokens; nil for the asymmetric ones that the metadata names, or RS256.
    package var idTokenAlgorithms: Set<Algorithm>?
    /// Audiences that an ID token may have besides us (OIDC Core §3.1.3.7 (3)).
    package var trustedAudiences: Set<String> = []
    /// The leeway for ID tokens, in seconds.
    package var leeway = 10.0

    /// A client with the usual scopes.
    package init(issuer: Issuer, clientID: String, clientSecret: Secret?) {
        self.issuer = issuer
        self.clientID = clientID
        self.clientSecret = clientSecret
    }
}

/// What an issuer granted.
package struct TokenSet: Sendable {
    /// The access token; not itself validated here.
    package let accessToken: String
    /// When the access token ends, if the issuer said so.
    package let expiresAt: NumericDate?
    /// The refresh token, if there is one.
    package let refreshToken: String?
    /// The ID token, proven; nil where the answer has none and needs none.
    package let idToken: VerifiedToken?
    /// The ID token as it came, for `id_token_hint`.
    package let rawIDToken: String?
    /// The scope that was granted, if the issuer said so.
    package let scope: String?
    /// The whole answer.
    package let answer: JSONValue
    /// The fields that came with it.
    package var fields: [(String, String)] = []
}
