// Base64url without padding, read strictly.

/// The encoding of RFC 7515 §2: the URL-safe alphabet, no padding, no line breaks, no white space.
package enum Base64URL {
    /// Encodes bytes.
    package static func encode(_ bytes: Span<UInt8>) -> String {
        String(decoding: encodedBytes(bytes), as: UTF8.self)
    }

    /// Encodes an array of bytes.
    package static func encode(_ bytes: [UInt8]) -> String {
        encode(bytes.span)
    }

    /// Encodes bytes as ASCII.
    package static func encodedBytes(_ bytes: Span<UInt8>) -> [UInt8] {
        let alphabet = Self.alphabet
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count * 4 + 2) / 3)
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let first = UInt32(bytes[index]) << 16
            let second = left > 1 ? UInt32(bytes[index + 1]) << 8 : 0
            let third = left > 2 ? UInt32(bytes[index + 2]) : 0
            let group = first | second | third
            output.append(alphabet[Int(group >> 18)])
            output.append(alphabet[Int(group >> 12 & 63)])
            if left > 1 { output.append(alphabet[Int(group >> 6 & 63)]) }
            if left > 2 { output.append(alphabet[Int(group & 63)]) }
            index += 3
        }
        return output
    }

    /// Decodes the one canonical spelling of some bytes; nothing for any other text.
    ///
    /// Refused are padding, other alphabets, white space, a length of 4n + 1, and bits left over that are not zero.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        let count = text.count
        let tail = count & 3
        guard tail != 1 else { return nil }
        let values = Self.values
        var output: [UInt8] = []
        output.reserveCapacity(count / 4 * 3 + 2)
        var seen: UInt8 = 0
        var index = 0
        while index + 4 <= count {
            let a = values[Int(text[index])]
            let b = values[Int(text[index + 1])]
            let c = values[Int(text[index + 2])]
            let d = values[Int(text[index + 3])]
            seen |= a | b | c | d
            output.append(a << 2 | b >> 4)
            output.append(b << 4 | c >> 2)
            output.append(c << 6 | d)
            index += 4
        }
        if tail > 0 {
            let a = values[Int(text[index])]
            let b = values[Int(text[index + 1])]
            let c = tail == 3 ? values[Int(text[index + 2])] : 0
            seen |= a | b | c
            guard tail == 3 ? c & 3 == 0 : b & 15 == 0 else { return nil }
            output.append(a << 2 | b >> 4)
            if tail == 3 { output.append(b << 4 | c >> 2) }
        }
        return seen < 64 ? output : nil
    }

    /// Decodes a text.
    package static func decode(_ text: String) -> [UInt8]? {
        decode(Array(text.utf8).span)
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8
    )

    /// The value of each byte; 255 for what is not of the alphabet.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()
}
