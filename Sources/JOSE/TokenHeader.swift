// The header's rules: what must be understood, and what is never trusted.

internal import JSON

/// The rules on a token's header (RFC 7515 §4).
///
/// `jku`, `x5u`, `jwk` and `x5c` are not read anywhere in this module: a key that a token brings proves nothing (J4).
enum TokenHeader {
    /// Reads a header: a JSON object whose `alg` is a string, and `kid`, `typ`, `cty` too where they are.
    static func parse(_ bytes: [UInt8]) throws(TokenError) -> JSONObjectText {
        guard let header = try? JSONObjectText(bytes) else { throw .malformed(.header) }
        guard header.isString("alg") else { throw .malformed(.headerMember("alg")) }
        try checkText(header, "kid")
        try checkText(header, "typ")
        try checkText(header, "cty")
        return header
    }

    private static func checkText(_ header: JSONObjectText, _ name: String) throws(TokenError) {
        guard !header.has(name) || header.isString(name) else { throw .malformed(.headerMember(name)) }
    }

    /// Refuses every critical member.
    ///
    /// None is implemented, so an honest list cannot be satisfied and any other is
    /// against RFC 7515 §4.1.11 (J6). `b64: false` (RFC 7797) is critical by its own nature.
    static func checkCritical(_ header: JSONObjectText) throws(TokenError) {
        guard !header.has("crit") else { throw .criticalHeader }
        guard !header.has("b64") || header["b64"] == .bool(true) else { throw .criticalHeader }
    }

    /// Whether the header asks for a payload as it is, in the one right way: `b64` alone is critical, and false.
    static func isUnencoded(_ header: JSONObjectText) -> Bool {
        header["b64"] == .bool(false) && header["crit"] == .array(["b64"])
    }

    /// The signature algorithm: known, and in the allowed list (B1).
    static func algorithm(
        _ header: JSONObjectText,
        allowed: Set<Algorithm>
    ) throws(TokenError) -> Algorithm {
        try algorithm(named(header), allowed: allowed)
    }

    /// The same of a name that was looked up.
    static func algorithm(
        _ named: Algorithm?,
        allowed: Set<Algorithm>
    ) throws(TokenError) -> Algorithm {
        guard let named else { throw .unsupportedAlgorithm }
        guard allowed.contains(named) else { throw .algorithmNotAllowed }
        return named
    }

    /// What `alg` names, if it is known here.
    static func named(_ header: JSONObjectText) -> Algorithm? {
        // Once more by bytes: `Algorithm(rawValue:)` compares as Unicode does.
        guard let name = header.string("alg"), let algorithm = Algorithm(rawValue: name),
            algorithm.rawValue.isIdentical(toUTF8Of: name)
        else { return nil }
        return algorithm
    }
}

/// The type of a token, as `typ` names it: compared without case, `application/` left out (RFC 7515 §4.1.9).
package struct TokenType: Sendable, Hashable {
    /// In lower case, without `application/`.
    package let name: String

    /// Reads a type as a header or a flag writes it.
    package init(_ text: String) {
        let bytes = text.utf8.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
        let lower = String(decoding: bytes, as: UTF8.self)
        let prefix = "application/"
        name = lower.hasPrefix(prefix) ? String(lower.dropFirst(prefix.count)) : lower
    }

    /// Any JWT (RFC 7519 §5.1).
    package static let jwt = TokenType("JWT")
    /// An access token (RFC 9068 §2.1).
    package static let accessToken = TokenType("at+jwt")
    /// A logout token (OIDC Back-Channel Logout §2.4).
    package static let logout = TokenType("logout+jwt")

    /// Checks the header's `typ`: the one that is wanted, or else absent, `JWT` or `at+jwt` (B10).
    static func check(_ header: JSONObjectText, wanted: TokenType?) throws(TokenError) {
        try check(header.string("typ").map(TokenType.init), wanted: wanted)
    }

    /// The same of a type that was read.
    static func check(_ found: TokenType?, wanted: TokenType?) throws(TokenError) {
        if let wanted {
            guard found == wanted else { throw .wrongType }
        } else if let found {
            guard found == .accessToken || found == .jwt else { throw .wrongType }
        }
    }
}
