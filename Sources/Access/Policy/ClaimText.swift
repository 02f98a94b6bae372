// A claim as the value of a field.
package import JSON

/// How claims become field values.
///
/// Text is sent as it is where it is visible ASCII; any other octet of its UTF-8, and `%`, is percent-encoded, so
/// that two claims never look alike. Lists and records are base64 of their JSON, as Kong does. A control
/// character is never sent: the request is refused (security row H3).
package enum ClaimText {
    /// The value of a field, nil when there is nothing to send.
    ///
    /// - Throws: `ClaimTextError.control` for text with a control character.
    package static func field(_ value: JSONValue) throws(ClaimTextError) -> String? {
        switch value {
        case .null: return nil
        case .string(let text): return try encoded(text)
        case .integer, .largeInteger, .bool: return ClaimRule.text(value)
        case .number: return value.serializedString
        case .array, .object: return base64(value.serialized())
        }
    }

    /// Groups as one value, by comma and space as Kong writes it; a comma within a group is percent-encoded.
    package static func list(
        _ groups: [String],
        separator: String = ", "
    ) throws(ClaimTextError) -> String {
        var texts: [String] = []
        for group in groups { texts.append(try encoded(group, alsoComma: true)) }
        return texts.joined(separator: separator)
    }

    /// Text with what is not visible ASCII percent-encoded.
    package static func encoded(_ text: String, alsoComma: Bool = false) throws(ClaimTextError) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var octets: [UInt8] = []
        for octet in text.utf8 {
            guard octet >= 0x20, octet != 0x7F else { throw .control }
            let isPlain = octet < 0x7F && octet != UInt8(ascii: "%")
            if isPlain, !(alsoComma && octet == UInt8(ascii: ",")) {
                octets.append(octet)
            } else {
                octets.append(contentsOf: [
                    UInt8(ascii: "%"), digits[Int(octet >> 4)], digits[Int(octet & 15)],
                ])
            }
        }
        // Spaces at the ends would be lost on the way (RFC 9110 §5.5).
        if octets.first == 0x20 { octets.replaceSubrange(0..<1, with: Array("%20".utf8)) }
        if octets.last == 0x20 { octets.replaceSubrange((octets.count - 1)..., with: Array("%20".utf8)) }
        return String(decoding: octets, as: UTF8.self)
    }

    /// Base64 with padding (RFC 4648 §4).
    package static func base64(_ octets: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        for start in stride(from: 0, to: octets.count, by: 3) {
            let rest = octets.count - start
            let (a, b, c) = (
                octets[start], rest > 1 ? octets[start + 1] : 0, rest > 2 ? octets[start + 2] : 0
            )
            text.append(digits[Int(a >> 2)])
            text.append(digits[Int((a & 3) << 4 | b >> 4)])
            text.append(rest > 1 ? digits[Int((b & 15) << 2 | c >> 6)] : UInt8(ascii: "="))
            text.append(rest > 2 ? digits[Int(c & 63)] : UInt8(ascii: "="))
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Why a claim cannot be sent.
package enum ClaimTextError: Error, Sendable, Equatable {
    /// It holds a control character.
    case control
}
