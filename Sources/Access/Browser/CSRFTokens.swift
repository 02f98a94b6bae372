// Tokens against requests that another site makes a browser send, for browsers that do not say where one comes from.
import Cryptography
import Gateway
import JOSE
import Proxy

/// How tokens are handed out and shown, as written (`csrf_token`).
struct CSRFTokenChoice: Sendable, Equatable {
    let cookieName: String
    let field: FieldName

    /// Reads the settings; nil where no token is asked for.
    init?(_ check: inout SettingsCheck) {
        let settings = check.settings
        guard settings.flag("csrf_token") else { return nil }
        cookieName = settings.string("csrf_token_cookie_name") ?? "csrf-token"
        let header = settings.string("csrf_token_header_name") ?? "x-csrf-token"
        field = FieldName(header) ?? "x-csrf-token"
        if FieldName(header) == nil { check.fail("csrf_token_header_name", "expected the name of a field") }
        if FieldName(cookieName) == nil || cookieName.utf8.count > 64 {
            check.fail("csrf_token_cookie_name", "expected the name of a cookie")
        }
        let others = ["session_cookie_name", "session_remember_cookie_name", "authorization_cookie_name"]
        if others.contains(where: { settings.string($0) == cookieName }) {
            check.fail("csrf_token_cookie_name", "is another cookie's name already")
        }
        if settings.string("csrf_protection") == "off" {
            check.fail("csrf_token", "has no meaning with csrf_protection: off")
        }
    }
}

/// Makes and judges tokens: 16 random octets, and their HMAC-SHA256 together with the session's id (the signed
/// double-submit cookie of OWASP's cheat sheet).
///
/// The cookie can be read by the page's script, which shows its value in a field; no other site's page can do that. Who
/// plants a cookie of his own gains nothing: its code is that of another session.
struct CSRFTokens: Sendable {
    let field: FieldName
    let attributes: CookieAttributes
    private let keys: [HMAC]
    private let plainName: String
    private let secureName: String
    private let plainOctets: [UInt8]
    private let secureOctets: [UInt8]

    private static let randomBytes = 16

    init(
        _ choice: CSRFTokenChoice,
        _ attributes: CookieAttributes,
        identity: String,
        _ ring: SealingKeyRing
    ) throws(CryptoError) {
        field = choice.field
        self.attributes = attributes
        keys = try ring.keys.map { key throws(CryptoError) in
            let info = "gatehouse csrf token " + identity
            return try HMAC(.sha256, key: HKDF.sha256(key.secret, info: info, count: 32))
        }
        plainName = attributes.fullName(choice.cookieName, https: false)
        secureName = attributes.fullName(choice.cookieName, https: true)
        plainOctets = Array(plainName.utf8)
        secureOctets = Array(secureName.utf8)
    }

    /// A new token for a session.
    func token(of session: String) throws(CryptoError) -> String {
        let random = try Random.bytes(Self.randomBytes)
        return Base64URL.encode(random + (try keys[0].code(for: Self.message(session, random[...]))))
    }

    /// Whether a token is one of this session's, by any key that still opens its cookie.
    func isValid(_ text: Span<UInt8>, for session: String) -> Bool {
        guard text.count < 128, let octets = Base64URL.decode(text), octets.count == Self.randomBytes + 32
        else { return false }
        let message = Self.message(session, octets[..<Self.randomBytes])
        let code = Array(octets[Self.randomBytes...])
        return keys.contains { (try? $0.isValid(code.span, for: message.span)) ?? false }
    }

    private static func message(_ session: String, _ random: ArraySlice<UInt8>) -> [UInt8] {
        Array(SealedCookie.tuple([session]).utf8) + random
    }

    // MARK: The cookie

    func isOurs(_ name: Span<UInt8>) -> Bool {
        CookieJar.matches(name, 0..<name.count, plainOctets)
            || CookieJar.matches(name, 0..<name.count, secureOctets)
    }

    func isPresent(in field: Span<UInt8>, https: Bool) -> Bool {
        CookieJar.find(https ? secureOctets : plainOctets, in: field).count > 0
    }

    /// The `Set-Cookie` value of a token; its page's script may read it.
    func line(_ token: String, https: Bool) -> String {
        attributes.line(https ? secureName : plainName, token, https: https, isReadable: true)
    }

    func removal(https: Bool) -> String {
        attributes.removal(https ? secureName : plainName, https: https)
    }
}

extension OpenIDConnect {
    /// Makes ready what hands out tokens, where they are asked for.
    static func csrfTokens(
        _ settings: OpenIDConnectSettings,
        _ identity: [String],
        _ ring: SealingKeyRing
    ) throws(CryptoError) -> CSRFTokens? {
        try settings.csrfToken.map { choice throws(CryptoError) in
            try CSRFTokens(
                choice,
                settings.session.cookie,
                identity: SealedCookie.tuple(identity),
                ring
            )
        }
    }

    /// What tokens are bound to: the session, or what brings it back, so that a page's token outlives that.
    private static func loginID(of session: Session) -> String { session.counterpart ?? session.id }

    /// Whether the request shows one token, and it is the session's.
    func showsToken(of session: Session, _ tokens: CSRFTokens, _ passage: Passage) -> Bool {
        let request = passage.request
        guard request.count(of: tokens.field) == 1, let value = request.first(tokens.field) else {
            return false
        }
        return request.withValue(value) { tokens.isValid($0, for: Self.loginID(of: session)) }
    }

    /// Hands the session's page a token.
    func handOutToken(of session: Session, _ passage: Passage) {
        guard let csrfTokens, passage.door != .explanation,
            let token = try? csrfTokens.token(of: Self.loginID(of: session))
        else { return }
        setCookies([csrfTokens.line(token, https: isHTTPS(passage))], passage)
    }

    /// Hands one out where the browser has none.
    func offerToken(of session: Session, _ passage: Passage) {
        guard let csrfTokens, !hasTokenCookie(csrfTokens, passage) else { return }
        handOutToken(of: session, passage)
    }

    /// Takes the browser's token away: its session is over.
    func dropToken(_ passage: Passage) {
        guard let csrfTokens, hasTokenCookie(csrfTokens, passage) else { return }
        setCookies([csrfTokens.removal(https: isHTTPS(passage))], passage)
    }

    private func hasTokenCookie(_ tokens: CSRFTokens, _ passage: Passage) -> Bool {
        guard let field = passage.request.first(.cookie) else { return false }
        return passage.request.withValue(field) { tokens.isPresent(in: $0, https: isHTTPS(passage)) }
    }
}
