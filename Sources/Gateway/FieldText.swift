// Text from outside as the value of a field.

/// How text that others chose becomes a field's value: one way, everywhere.
package enum FieldText {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// The text with every octet that is no visible ASCII, and `%`, percent-encoded, so that two texts never look
    /// alike; control characters are left for `FieldEdits` to refuse (H3).
    ///
    /// - Parameter alsoComma: whether commas are encoded too, for members of a list.
    package static func encoded(_ text: String, alsoComma: Bool = false) -> String {
        var octets: [UInt8] = []
        for octet in text.utf8 {
            let isPlain = octet < 0x80 && octet != UInt8(ascii: "%")
            if isPlain, !(alsoComma && octet == UInt8(ascii: ",")) {
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
}
