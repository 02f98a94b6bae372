// A JWE in the compact form: sealed under a shared key, opened under several kinds.

package import Cryptography
package import JSON

/// Encrypted bytes in the compact form (RFC 7516 §7.1).
package enum JWE {
    /// A token taken apart.
    struct Parts: Sendable {
        let header: JSONObjectText
        let encryptedKey: [UInt8]
        let nonce: [UInt8]
        let ciphertext: [UInt8]
        let tag: [UInt8]
        /// The header as it was written: authenticated with the content (RFC 7516 §5.1).
        let authenticated: [UInt8]
    }

    /// What was in a token that opened.
    package struct Content: Sendable {
        /// The header, as it was written.
        let headerText: JSONObjectText
        /// The header, a JSON object.
        package var header: JSONValue { headerText.value }
        /// What was encrypted.
        package let plaintext: [UInt8]
        /// Whether whoever encrypted it must have known our secret.
        package let provesSender: Bool

        /// Whether the content is a signed token, or looks like one: then it must verify.
        var isSigned: Bool {
            plaintext.first != UInt8(ascii: "{") && plaintext.count { $0 == UInt8(ascii: ".") } == 2
                && plaintext.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        }
    }

    /// Says whether a text has the five parts of an encrypted token.
    package static func isEncrypted(_ text: [UInt8]) -> Bool {
        text.count(where: { $0 == UInt8(ascii: ".") }) == 4
    }

    /// Seals bytes directly under a shared key: `dir` with A256GCM, a fresh random nonce each time.
    package static func seal(
        _ plaintext: [UInt8],
        key: SymmetricKey,
        header: [String: JSONValue] = [:]
    ) throws(CryptoError) -> String {
        var header = header
        header["alg"] = .string(KeyManagement.direct.rawValue)
        header["enc"] = .string(ContentEncryption.a256GCM.rawValue)
        let head = Base64URL.encode(JSONValue.object(header).serialized())
        let nonce = try Random.bytes(12)
        let box = try AESGCM.seal(
            plaintext.span,
            key: key.bytes,
            nonce: nonce.span,
            authenticating: Array(head.utf8).span
        )
        return [
            head, "", Base64URL.encode(nonce), Base64URL.encode(box.ciphertext), Base64URL.encode(box.tag),
        ]
        .joined(separator: ".")
    }

    /// Opens what `seal` made under the same key; no other algorithm is taken.
    package static func open(
        _ text: [UInt8],
        key: SymmetricKey,
        form: TokenForm = .standard
    ) throws(TokenError) -> Content {
        try open(
            text,
            keys: JWKSet([JWK(.symmetric(key.bytes))]),
            allowed: [.direct],
            encryptions: [.a256GCM],
            form: form
        )
    }

    /// Opens a token with a key of the set: the one that it names, or else one of those that fit.
    package static func open(
        _ text: [UInt8],
        keys: JWKSet,
        allowed: Set<KeyManagement> = KeyManagement.usual,
        encryptions: Set<ContentEncryption> = Set(ContentEncryption.allCases),
        form: TokenForm = .standard
    ) throws(TokenError) -> Content {
        let token = try parts(of: text.span, form)
        try TokenHeader.checkCritical(token.header)
        // Compression is not read: it leaks, and a small text becomes a large one (B5, J7).
        guard !token.header.has("zip") else { throw .unsupportedAlgorithm }
        guard let name = token.header["alg"]?.string, let management = KeyManagement(rawValue: name),
            let encryptionName = token.header["enc"]?.string,
            let encryption = ContentEncryption(rawValue: encryptionName)
        else { throw .unsupportedAlgorithm }
        guard allowed.contains(management), encryptions.contains(encryption) else {
            throw .algorithmNotAllowed
        }
        if case .password = management.method { try PasswordKey.check(token.header) }
        let candidates = try DecryptionKeys.keys(of: keys, token.header, management, encryption)
        for key in candidates {
            guard let contentKey = try? DecryptionKeys.contentKey(token, key, management, encryption),
                let plaintext = try? encryption.open(token, key: contentKey)
            else { continue }
            return Content(
                headerText: token.header,
                plaintext: plaintext,
                provesSender: management.provesSender
            )
        }
        throw .decryptionFailed
    }

    private static func parts(of text: Span<UInt8>, _ form: TokenForm) throws(TokenError) -> Parts {
        let dots = try UnverifiedToken.dots(in: text, form)
        guard dots.count == 4 else { throw .malformed(.parts) }
        var bounds = [-1]
        for place in 0..<4 { bounds.append(dots.places[place]) }
        bounds.append(text.count)
        var parts: [[UInt8]] = []
        for (index, name) in ["header", "encrypted key", "nonce", "ciphertext", "tag"].enumerated() {
            guard let part = Base64URL.decode(text.extracting((bounds[index] + 1)..<bounds[index + 1])) else {
                throw .malformed(.encoding(part: name))
            }
            parts.append(part)
        }
        let header = try TokenHeader.parse(parts[0])
        guard header.isString("enc") else { throw .malformed(.headerMember("enc")) }
        return Parts(
            header: header,
            encryptedKey: parts[1],
            nonce: parts[2],
            ciphertext: parts[3],
            tag: parts[4],
            authenticated: text.extracting(..<dots.places[0]).copy()
        )
    }
}
