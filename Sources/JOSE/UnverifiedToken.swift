// A token taken apart: its form is known, nothing in it is believed.

package import JSON

/// How much a token may ask of its reader, and what its payload must be.
package struct TokenForm: Sendable {
    /// What a payload must be.
    package enum Payload: Sendable {
        /// A JSON object: the claims of a JWT.
        case claims
        /// Any bytes (RFC 7515).
        case bytes
    }

    /// The greatest size of the text; judged before it is split (J8).
    package var maximumBytes: Int
    /// What the payload must be.
    package var payload: Payload

    /// Sets both.
    package init(maximumBytes: Int = 16 * 1024, payload: Payload = .claims) {
        self.maximumBytes = maximumBytes
        self.payload = payload
    }

    /// A JWT of at most 16 KiB.
    package static let standard = TokenForm()
}

/// A compact JWS taken apart (RFC 7515 §7.1): nothing in it may be acted upon but to find the key.
package struct UnverifiedToken: Sendable {
    /// The header, a JSON object with a string `alg`.
    package let header: JSONValue
    /// The payload's bytes.
    let payload: [UInt8]
    /// The payload as an object; `null` where the form asks for bytes alone.
    let claims: JSONValue
    let signature: [UInt8]
    /// What was signed: the first two parts with the dot between them (RFC 7515 §5.1).
    let signed: [UInt8]

    /// Takes a token apart; judges size, form and JSON and nothing else.
    ///
    /// A token of five parts is encrypted and refused before anything of it is decoded (J7).
    package init(parsing text: Span<UInt8>, form: TokenForm = .standard) throws(TokenError) {
        let dots = try Self.dots(in: text, form)
        guard dots.count != 4 else { throw .unsupportedAlgorithm }
        guard dots.count == 2 else { throw .malformed(.parts) }
        guard let headerBytes = Base64URL.decode(text.extracting(..<dots[0])) else {
            throw .malformed(.encoding(part: "header"))
        }
        guard let payload = Base64URL.decode(text.extracting((dots[0] + 1)..<dots[1])) else {
            throw .malformed(.encoding(part: "payload"))
        }
        guard let signature = Base64URL.decode(text.extracting((dots[1] + 1)...)) else {
            throw .malformed(.encoding(part: "signature"))
        }
        header = try TokenHeader.parse(headerBytes)
        switch form.payload {
        case .claims: claims = try Self.claims(payload)
        case .bytes: claims = .null
        }
        self.payload = payload
        self.signature = signature
        signed = text.extracting(..<dots[1]).copy()
    }

    /// Takes a token apart.
    package init(parsing text: [UInt8], form: TokenForm = .standard) throws(TokenError) {
        try self.init(parsing: text.span, form: form)
    }

    /// The key's name as the header gives it; never a path, a query or a URL to follow (J10, B9).
    package var kid: String? { header["kid"]?.string }

    /// The issuer as the token claims it: to choose the keys that may prove it, for nothing else.
    package var unverifiedIssuer: String? { claims["iss"]?.string }

    /// Reads claims: a JSON object by the strict rules.
    static func claims(_ payload: [UInt8]) throws(TokenError) -> JSONValue {
        guard let value = try? JSONValue(parsing: payload), value.object != nil else {
            throw .malformed(.payload)
        }
        return value
    }

    /// Where the dots are; stops at the fifth (J8).
    static func dots(in text: Span<UInt8>, _ form: TokenForm) throws(TokenError) -> [Int] {
        guard text.count <= form.maximumBytes else { throw .tooLarge(limit: form.maximumBytes) }
        var dots: [Int] = []
        for index in text.indices where text[index] == UInt8(ascii: ".") {
            dots.append(index)
            guard dots.count <= 4 else { throw .malformed(.parts) }
        }
        return dots
    }
}

extension Span<UInt8> {
    /// The bytes as an array.
    func copy() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in indices { bytes.append(self[index]) }
        return bytes
    }
}
