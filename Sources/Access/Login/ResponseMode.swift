// How an issuer's answer comes back.

/// A way in which the issuer sends its answer through the browser.
///
/// OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode, JARM §2.3. A
/// fragment is none: it never leaves the browser.
enum ResponseMode: String, Sendable, CaseIterable {
    case query
    case formPost = "form_post"
    case jwt
    case queryJWT = "query.jwt"
    case formPostJWT = "form_post.jwt"

    /// Whether the answer is a form that the browser posts.
    var isPosted: Bool { self == .formPost || self == .formPostJWT }
    /// Whether the answer is one signed token.
    var isSigned: Bool { self == .jwt || self == .queryJWT || self == .formPostJWT }
    /// What the authorization request says; nil for what issuers do unasked.
    var parameter: String? { self == .query ? nil : rawValue }
}
