// A claim as the value of a field.
import Gateway
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
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .control }
        return FieldText.encoded(text, alsoComma: alsoComma)
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
