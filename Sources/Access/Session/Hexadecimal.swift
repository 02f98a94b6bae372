// Octets as hexadecimal digits.

/// Octets as text, two lower-case digits each.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    /// The digits of `octets`.
    static func encode(_ octets: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for octet in octets {
            text.append(digits[Int(octet >> 4)])
            text.append(digits[Int(octet & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
