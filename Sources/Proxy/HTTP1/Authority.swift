// A host and a port. RFC 3986 §3.2.2, narrowed to what names and addresses need.

/// Where the host of an authority stands, and its port.
struct Authority {
    /// Without port and without one trailing dot; with brackets for IPv6.
    var host: Range<Int>
    var port: UInt16?
    var hasUpperCase = false

    /// Reads an authority; nil if it is none (user information, percent-encoding and lists are none).
    static func read(_ bytes: [UInt8], _ range: Range<Int>) -> Authority? {
        let isLiteral = bytes[range.lowerBound] == 0x5B
        guard let hostEnd = isLiteral ? Self.literalEnd(bytes, range) : Self.nameEnd(bytes, range) else {
            return nil
        }
        var authority = Authority(host: range.lowerBound..<hostEnd, port: nil)
        if hostEnd < range.upperBound {
            guard bytes[hostEnd] == Octet.colon, let port = Self.port(bytes, (hostEnd + 1)..<range.upperBound)
            else {
                return nil
            }
            authority.port = port == 0 ? nil : port
        }
        if !isLiteral, bytes[hostEnd - 1] == 0x2E { authority.host = range.lowerBound..<(hostEnd - 1) }
        for index in authority.host where bytes[index] &- 0x41 < 26 { authority.hasUpperCase = true }
        return authority
    }

    /// Gives where a name ends; one with an empty label is none, for no rule would be meant by it (P4).
    private static func nameEnd(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
        var (index, isInLabel) = (range.lowerBound, false)
        while index < range.upperBound, Self.isNameOctet(bytes[index]) {
            let isFullStop = bytes[index] == 0x2E
            guard isInLabel || !isFullStop else { return nil }
            isInLabel = !isFullStop
            index += 1
        }
        return index > range.lowerBound ? index : nil
    }

    private static func isNameOctet(_ octet: UInt8) -> Bool {
        Octet.isDigit(octet) || Octet.lowercased(octet) &- 0x61 < 26 || octet == 0x2D || octet == 0x2E
            || octet == 0x5F || octet == 0x7E
    }

    private static func literalEnd(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
        guard let close = bytes[range].firstIndex(of: 0x5D) else { return nil }
        let inside = bytes[(range.lowerBound + 1)..<close]
        guard inside.contains(Octet.colon), IPAddress(String(decoding: inside, as: UTF8.self)) != nil else {
            return nil
        }
        return close + 1
    }

    /// Reads a port; an empty one is 0 and means none.
    private static func port(_ bytes: [UInt8], _ range: Range<Int>) -> UInt16? {
        guard !range.isEmpty else { return 0 }
        guard range.count <= 5, let number = TokenList.number(bytes, range), number > 0 else { return nil }
        return UInt16(exactly: number)
    }
}
