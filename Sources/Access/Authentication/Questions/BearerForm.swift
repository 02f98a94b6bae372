// Which form a bearer token has.
import JOSE

/// Looks at tokens before anybody is asked about them.
enum BearerForm {
    /// The longest token that is sent to an issuer, as for tokens that are verified here.
    static let maximumBytes = 16 << 10

    /// Whether a token calls itself a signed JWT: three parts, the first a JSON object with `alg` (RFC 7515 §3.1).
    static func isJWT(_ token: [UInt8]) -> Bool {
        let dot = UInt8(ascii: ".")
        guard token.count <= maximumBytes, token.count(where: { $0 == dot }) == 2,
            let end = token.firstIndex(of: dot),
            let octets = Base64URL.decode(token.span.extracting(..<end)),
            let header = try? JSONObjectText(octets)
        else { return false }
        return header.isString("alg")
    }

    /// Whether a token is one at all (RFC 6750 §2.1): letters, digits, `-._~+/`, and `=` at its end.
    static func isToken(_ token: [UInt8]) -> Bool {
        var isAtEnd = false
        for octet in token {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2E, 0x2F, 0x5F, 0x7E:
                guard !isAtEnd else { return false }
            case UInt8(ascii: "="): isAtEnd = true
            default: return false
            }
        }
        return !token.isEmpty && token[0] != UInt8(ascii: "=")
    }
}
