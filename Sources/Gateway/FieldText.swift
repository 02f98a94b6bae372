// Text from outside as the value of a field.

/// How text that others chose becomes a field's value: one way, everywhere.
package enum FieldText {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The text with every octet that is no visible ASCII, and `%`, percent-encoded, so that two texts never look
    /// alike; control characters are left for `FieldEdits` to refuse (H3).
    ///
    /// - Parameter alsoComma: whether commas are encoded too, for members of a list.
    package static func encoded(_ text: String, alsoComma: Bool = false) -> String {
        // Most texts need nothing: those are not copied.
        if Self.isPlain(text, alsoComma) { return text }
        var octets: [UInt8] = []
        for octet in text.utf8 {
            if Self.isPlain(octet, alsoComma) {
                octets.append(octet)
            } else {
                octets.append(contentsOf: [
                    UInt8(ascii: "%"), Self.digits[Int(octet >> 4)], Self.digits[Int(octet & 15)],
                ])
            }
        }
        // Spaces at the ends would be lost on the way (RFC 9110 §5.5).
        if octets.first == 0x20 { octets.replaceSubrange(0..<1, with: Array("%20".utf8)) }
        if octets.last == 0x20 { octets.replaceSubrange((octets.count - 1)..., with: Array("%20".utf8)) }
        return String(decoding: octets, as: UTF8.self)
    }

    private static func isPlain(_ text: String, _ alsoComma: Bool) -> Bool {
        var (first, last): (UInt8, UInt8) = (0, 0)
        for octet in text.utf8 {
            guard Self.isPlain(octet, alsoComma) else { return false }
            if first == 0 { first = octet }
            last = octet
        }
        return first != 0x20 && last != 0x20
    }

    private static func isPlain(_ octet: UInt8, _ alsoComma: Bool) -> Bool {
        octet < 0x80 && octet != UInt8(ascii: "%") && !(alsoComma && octet == UInt8(ascii: ","))
    }
}
