// One canonical path, computed once: what rules see is what is forwarded (P3).

/// Forms of a path that are refused unless a setting allows them by name.
package struct AllowedInPath: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// `;` in a segment (matrix parameters, `;jsessionid=`).
    package static let semicolon = AllowedInPath(rawValue: 1)
    /// `%2F`; stays encoded.
    package static let encodedSlash = AllowedInPath(rawValue: 2)
}

/// Makes paths canonical.
///
/// RFC 3986 §6.2.2.
///
/// | in the target | becomes |
/// | --- | --- |
/// | an unreserved character percent-encoded | the character |
/// | any other percent-encoding | itself, hexadecimal digits in upper case |
/// | `"`, `<`, `>`, `^`, `` ` ``, `{`, `\|`, `}` | percent-encoded |
/// | `//` | `/` |
/// | `/./`, `/../` | resolved; above the root: 400 |
/// | a segment that is `.` or `..` only when decoded | 400 |
/// | `\`, `%5C`, an encoded control character or NUL | 400 |
/// | `%2F` | 400 unless allowed |
/// | `;` | 400 unless allowed; then `..;x` and `.;x` are 400 |
/// | percent-encoded octets that are not well-formed UTF-8 (overlong forms too) | 400 |
/// | `%` without two hexadecimal digits | 400 |
struct PathRules {
    /// Whether the path in `range` is canonical as it stands; one cheap pass, no storage.
    @inline(__always)
    static func isCanonical(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Bool {
        var previous: UInt8 = 0
        for index in range {
            let octet = bytes[index]
            guard Self.isPlain(octet) else { return false }
            if previous == 0x2F, octet == 0x2F || octet == 0x2E { return false }
            previous = octet
        }
        return true
    }

    /// Octets that stand for themselves: unreserved, most sub-delimiters, `/`, `:`, `@`.
    @inline(__always)
    private static func isPlain(_ octet: UInt8) -> Bool {
        // "!$&'()*+,-./0-9:=" below 64; "@A-Z_a-z~" from 64 on.
        let low: UInt64 = 0x27FF_FFD2_0000_0000
        let high: UInt64 = 0x47FF_FFFE_87FF_FFFF
        guard octet < 128 else { return false }
        return ((octet < 64 ? low : high) &>> UInt64(octet & 63)) & 1 == 1
    }

    /// Gives the canonical form of the path in `range`.
    static func canonical(
        _ bytes: [UInt8],
        _ range: Range<Int>,
        allowing allowed: AllowedInPath
    ) throws(RequestRefusal) -> [UInt8] {
        var rules = PathRules(allowed: allowed)
        var index = range.lowerBound
        while index < range.upperBound {
            let octet = bytes[index]
            index += 1
            guard octet == 0x25 else {
                try rules.takeLiteral(octet)
                continue
            }
            guard index + 1 < range.upperBound, let high = Octet.hexValue(bytes[index]),
                let low = Octet.hexValue(bytes[index + 1])
            else { throw .malformed(.path) }
            try rules.takeEncoded(high << 4 | low)
            index += 2
        }
        try rules.endSegment()
        return rules.output
    }

    private let allowed: AllowedInPath
    private var output: [UInt8] = []
    private var segmentStart = 0
    private var segmentWasEncoded = false
    /// Percent-encoded octets from 0x80 on that follow each other.
    private var sequence: [UInt8] = []

    private init(allowed: AllowedInPath) { self.allowed = allowed }

    private mutating func takeLiteral(_ octet: UInt8) throws(RequestRefusal) {
        try self.endSequence()
        switch octet {
        case 0x2F:
            try self.endSegment()
            if self.output.last != 0x2F { self.output.append(0x2F) }
            self.segmentStart = self.output.count
            self.segmentWasEncoded = false
        case 0x5C: throw .malformed(.path)
        case 0x3B:
            guard self.allowed.contains(.semicolon) else { throw .malformed(.path) }
            self.output.append(octet)
        default:
            if Self.isPlain(octet) { self.output.append(octet) } else { self.appendEncoded(octet) }
        }
    }

    private mutating func takeEncoded(_ octet: UInt8) throws(RequestRefusal) {
        guard octet < 0x80 else {
            self.sequence.append(octet)
            return self.appendEncoded(octet)
        }
        try self.endSequence()
        switch octet {
        case 0x00...0x1F, 0x7F, 0x5C: throw .malformed(.path)
        case 0x2F where !self.allowed.contains(.encodedSlash): throw .malformed(.path)
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
            self.output.append(octet)
            self.segmentWasEncoded = self.segmentWasEncoded || octet == 0x2E
        default: self.appendEncoded(octet)
        }
    }

    private mutating func appendEncoded(_ octet: UInt8) {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }
        self.output.append(0x25)
        self.output.append(digit(octet >> 4))
        self.output.append(digit(octet & 0xF))
    }

    private mutating func endSequence() throws(RequestRefusal) {
        guard !self.sequence.isEmpty else { return }
        guard String(validating: self.sequence, as: UTF8.self) != nil else { throw .malformed(.path) }
        self.sequence.removeAll(keepingCapacity: true)
    }

    private mutating func endSegment() throws(RequestRefusal) {
        try self.endSequence()
        let segment = self.output[self.segmentStart...]
        let name = segment.prefix { $0 != 0x3B }
        guard name.elementsEqual([0x2E]) || name.elementsEqual([0x2E, 0x2E]) else { return }
        guard !self.segmentWasEncoded, name.count == segment.count else { throw .malformed(.path) }
        let climbs = name.count == 2
        self.output.removeSubrange(self.segmentStart...)
        guard climbs else { return }
        guard self.output.count > 1 else { throw .malformed(.path) }
        self.output.removeLast()
        while let last = self.output.last, last != 0x2F { self.output.removeLast() }
        self.segmentStart = self.output.count
    }
}
