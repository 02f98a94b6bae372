// Octets of HTTP: which may stand where, and how they compare.

/// Classes of octets and comparisons that ignore case.
enum Octet {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let colon: UInt8 = 0x3A
    static let comma: UInt8 = 0x2C

    /// Whether `octet` may stand in a token (a method, a field name).
    ///
    /// RFC 9110 §5.6.2.
    @inline(__always)
    static func isToken(_ octet: UInt8) -> Bool {
        // One bit an octet: "!#$%&'*+-.0-9" below 64, "A-Z^_`a-z|~" from 64 on.
        let low: UInt64 = 0x03FF_6CFA_0000_0000
        let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
        guard octet < 128 else { return false }
        return ((octet < 64 ? low : high) &>> UInt64(octet & 63)) & 1 == 1
    }

    /// Whether `octet` may stand in a field's value: visible, space, tab or obs-text.
    ///
    /// RFC 9110 §5.5.
    @inline(__always)
    static func isFieldValue(_ octet: UInt8) -> Bool {
        (octet >= 0x20 && octet != 0x7F) || octet == self.tab
    }

    /// Whether `octet` is a space or a tab, which are no part of a value where they stand at its ends.
    ///
    /// RFC 9110 §5.5.
    @inline(__always)
    static func isBlank(_ octet: UInt8) -> Bool { octet == self.space || octet == self.tab }

    /// Gives the lower case of an ASCII letter; any other octet unchanged.
    @inline(__always)
    static func lowercased(_ octet: UInt8) -> UInt8 {
        octet &- 0x41 < 26 ? octet | 0x20 : octet
    }

    /// Lower case, and `_` and `.` as `-`: how names are compared where a backend may confuse them (H1).
    @inline(__always)
    static func folded(_ octet: UInt8) -> UInt8 {
        octet == 0x5F || octet == 0x2E ? 0x2D : self.lowercased(octet)
    }

    /// Whether `octet` is a decimal digit.
    @inline(__always)
    static func isDigit(_ octet: UInt8) -> Bool { octet &- 0x30 < 10 }

    /// Gives the value of a hexadecimal digit, or nil.
    @inline(__always)
    static func hexValue(_ octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet &- 0x30
        case 0x41...0x46: octet &- 0x37
        case 0x61...0x66: octet &- 0x57
        default: nil
        }
    }
}

extension OutputSpan<UInt8> {
    /// Appends all 16 lower-case hexadecimal digits of a number.
    package mutating func append(hexadecimal number: UInt64) {
        var shift: UInt64 = 64
        while shift > 0 {
            shift &-= 4
            let digit = UInt8(truncatingIfNeeded: (number &>> shift) & 0xF)
            self.append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
        }
    }
}

extension Span<UInt8> {
    /// Whether both are the same octets.
    package func equals(_ other: borrowing Span<UInt8>) -> Bool {
        guard self.count == other.count else { return false }
        for index in self.indices where self[index] != other[index] { return false }
        return true
    }

    /// Whether these octets, which are in lower case, spell that name.
    package func equals(_ name: FieldName) -> Bool { self.equals(name.octets.span) }

    /// Whether these octets in lower case are the others.
    func equalsLowercased(_ lower: borrowing Span<UInt8>) -> Bool {
        guard self.count == lower.count else { return false }
        for index in self.indices where Octet.lowercased(self[index]) != lower[index] { return false }
        return true
    }

    /// Whether both are equal when both are folded.
    func equalsFolded(_ other: borrowing Span<UInt8>) -> Bool {
        guard self.count == other.count else { return false }
        for index in self.indices where Octet.folded(self[index]) != Octet.folded(other[index]) {
            return false
        }
        return true
    }
}

extension [UInt8] {
    /// Whether the octets in `range` equal `lower` (already in lower case) in any case.
    @inline(__always)
    func matches(_ range: Range<Int>, lowercased lower: [UInt8]) -> Bool {
        guard range.count == lower.count else { return false }
        var index = range.lowerBound
        for octet in lower {
            guard Octet.lowercased(self[index]) == octet else { return false }
            index &+= 1
        }
        return true
    }

    /// Whether the octets in `range` equal `folded` (already folded) when folded themselves.
    @inline(__always)
    func matches(_ range: Range<Int>, folded: [UInt8]) -> Bool {
        guard range.count == folded.count else { return false }
        var index = range.lowerBound
        for octet in folded {
            guard Octet.folded(self[index]) == octet else { return false }
            index &+= 1
        }
        return true
    }

    /// Appends a number in decimal digits.
    mutating func appendDecimal(_ number: Int) {
        guard number >= 10 else { return self.append(0x30 &+ UInt8(truncatingIfNeeded: number)) }
        var digits: [20 of UInt8] = .init(repeating: 0)
        var (rest, count) = (number, 0)
        while rest > 0 {
            digits[count] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            count += 1
        }
        while count > 0 {
            count -= 1
            self.append(digits[count])
        }
    }

    /// Appends a number in lower-case hexadecimal digits, without leading zeros.
    mutating func appendHexadecimal(_ number: Int) {
        var shift = number < 0x10 ? 0 : (Int.bitWidth - 1 - number.leadingZeroBitCount) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (number >> shift) & 0xF)
            self.append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
            shift -= 4
        }
    }
}
