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
        decode(text, places.span)
    }

    private static func decode(_ text: Span<UInt8>, _ places: Span<UInt32>) -> [UInt8]? {
        guard places.count == 1024 else { return nil }
        let tail = text.count & 3
        guard tail != 1 else { return nil }
        let whole = text.count &- tail
        // Beyond the 24 bits of a group: some letter is not of the alphabet, or a bit left over is not zero.
        var seen: UInt32 = 0
        var octets = [UInt8](repeating: 0, count: whole / 4 * 3 + max(0, tail - 1))
        var output = octets.mutableSpan
        var (index, end) = (0, 0)
        // Sixteen letters at a time, so that their places are checked once.
        while index &+ 16 <= whole, end &+ 12 <= output.count {
            let letters = text.extracting(index..<(index &+ 16))
            for group in 0..<4 {
                seen |= write(letters, 4 &* group, places, to: &output, end &+ 3 &* group)
            }
            index &+= 16
            end &+= 12
        }
        while index &+ 4 <= whole {
            seen |= write(text, index, places, to: &output, end)
            index &+= 4
            end &+= 3
        }
        if tail > 0 { seen |= write(text.extracting(whole...), places, to: &output, end) }
        return seen < invalid ? octets : nil
    }

    /// Writes what four letters stand for; gives their group, for its faults.
    @inline(__always)
    private static func write(
        _ letters: Span<UInt8>,
        _ index: Int,
        _ places: Span<UInt32>,
        to output: inout MutableSpan<UInt8>,
        _ end: Int
    ) -> UInt32 {
        let group =
            places[Int(letters[index])] | places[256 &+ Int(letters[index &+ 1])]
            | places[512 &+ Int(letters[index &+ 2])] | places[768 &+ Int(letters[index &+ 3])]
        output[end] = UInt8(truncatingIfNeeded: group &>> 16)
        output[end &+ 1] = UInt8(truncatingIfNeeded: group &>> 8)
        output[end &+ 2] = UInt8(truncatingIfNeeded: group)
        return group
    }

    /// Writes what the last two or three letters stand for; a bit that is left over must be zero.
    private static func write(
        _ letters: Span<UInt8>,
        _ places: Span<UInt32>,
        to output: inout MutableSpan<UInt8>,
        _ end: Int
    ) -> UInt32 {
        var group = places[Int(letters[0])] | places[256 &+ Int(letters[1])]
        output[end] = UInt8(truncatingIfNeeded: group &>> 16)
        if letters.count == 3 {
            group |= places[512 &+ Int(letters[2])]
            output[end &+ 1] = UInt8(truncatingIfNeeded: group &>> 8)
        }
        let left: UInt32 = letters.count == 3 ? 0xFF : 0xFFFF
        return group & ~left | (group & left != 0 ? invalid : 0)
    }

    /// Decodes a text.
    package static func decode(_ text: String) -> [UInt8]? {
        decode(Array(text.utf8).span)
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8
    )

    /// What each byte means at each of the four places of a group; `invalid` for what is not of the alphabet.
    private static let places: [UInt32] = {
        var places = [UInt32](repeating: invalid, count: 4 * 256)
        for (value, letter) in alphabet.enumerated() {
            for place in 0..<4 { places[place * 256 + Int(letter)] = UInt32(value) << UInt32(18 - 6 * place) }
        }
        return places
    }()
    private static let invalid: UInt32 = 1 << 24
}
