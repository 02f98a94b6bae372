// JSON written piece by piece, for lines that are written very often.

/// Escapes for JSON; whatever octets go in, valid JSON comes out (E6).
enum JSONText {
    private static let hexadecimal = Array("0123456789abcdef".utf8)

    /// A text in quotes.
    static func quoted(_ text: String) -> String {
        var octets: [UInt8] = []
        Self.append(quoted: text.utf8, to: &octets)
        return String(decoding: octets, as: UTF8.self)
    }

    /// Appends octets in quotes; what is not UTF-8 becomes U+FFFD.
    static func append(quoted text: some Collection<UInt8>, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        if text.allSatisfy({ $0 < 0x80 }) {
            for octet in text { Self.append(escaped: octet, to: &output) }
        } else {
            for octet in String(decoding: text, as: UTF8.self).utf8 {
                Self.append(escaped: octet, to: &output)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private static func append(escaped octet: UInt8, to output: inout [UInt8]) {
        switch octet {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            output.append(UInt8(ascii: "\\"))
            output.append(octet)
        case 0..<0x20, 0x7F:
            output.append(contentsOf: "\\u00".utf8)
            output.append(Self.hexadecimal[Int(octet >> 4)])
            output.append(Self.hexadecimal[Int(octet & 0xF)])
        default: output.append(octet)
        }
    }
}
