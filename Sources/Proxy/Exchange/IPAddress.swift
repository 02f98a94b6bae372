// An address of a peer, and ranges of addresses.

/// An IPv4 or IPv6 address; an IPv4 address mapped into IPv6 is the IPv4 one.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    let high: UInt64
    let low: UInt64
    /// Whether it is an IPv4 address.
    package let isV4: Bool

    init(v4: UInt32) {
        self.high = 0
        self.low = UInt64(v4)
        self.isV4 = true
    }

    init(high: UInt64, low: UInt64) {
        let isMapped = high == 0 && low >> 32 == 0xFFFF
        self.high = high
        self.low = isMapped ? low & 0xFFFF_FFFF : low
        self.isV4 = isMapped
    }

    /// Takes an address in its 16 octets; nil for another count.
    package init?(octets: some Collection<UInt8>) {
        guard octets.count == 16 else { return nil }
        func number(_ half: some Sequence<UInt8>) -> UInt64 { half.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: number(octets.prefix(8)), low: number(octets.suffix(8)))
    }

    /// The address in 16 octets; one of IPv4 is mapped into IPv6.
    package var octets: [UInt8] {
        let low = self.isV4 ? 0xFFFF << 32 | self.low : self.low
        return [self.high, low].flatMap { half in
            stride(from: UInt64(56), through: 0, by: -8).map { UInt8(truncatingIfNeeded: half >> $0) }
        }
    }

    /// Reads a textual address without port, brackets or zone; nil if it is none.
    package init?(_ text: some StringProtocol) {
        let octets = Array(text.utf8)
        if octets.contains(0x3A) {
            guard let groups = Self.groups(octets) else { return nil }
            var (high, low): (UInt64, UInt64) = (0, 0)
            for index in 0..<4 { high = high << 16 | UInt64(groups[index]) }
            for index in 4..<8 { low = low << 16 | UInt64(groups[index]) }
            self.init(high: high, low: low)
        } else {
            guard let address = Self.dotted(octets[...]) else { return nil }
            self.init(v4: address)
        }
    }

    /// The address as text (RFC 5952 without the longest-run rule's ties).
    package var description: String {
        guard !self.isV4 else {
            return (0..<4).map { String((self.low >> UInt64(24 - 8 * $0)) & 0xFF) }.joined(separator: ".")
        }
        let groups = (0..<8).map {
            UInt16(truncatingIfNeeded: ($0 < 4 ? self.high : self.low) >> UInt64(48 - 16 * ($0 % 4)))
        }
        return Self.compressed(groups)
    }

    private static func compressed(_ groups: [UInt16]) -> String {
        var (bestStart, bestCount, start) = (0, 0, 0)
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > bestCount { (bestStart, bestCount) = (start, end - start) }
            start = max(end, start + 1)
        }
        func text(_ part: ArraySlice<UInt16>) -> String {
            part.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard bestCount > 1 else { return text(groups[...]) }
        return text(groups[..<bestStart]) + "::" + text(groups[(bestStart + bestCount)...])
    }

    private static func dotted(_ octets: ArraySlice<UInt8>) -> UInt32? {
        let parts = octets.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.allSatisfy(Octet.isDigit) else { return nil }
            let value = part.reduce(0) { $0 * 10 + UInt32($1 - 0x30) }
            guard value < 256, part.count == 1 || part.first != 0x30 else { return nil }
            address = address << 8 | value
        }
        return address
    }

    private static func groups(_ octets: [UInt8]) -> [UInt16]? {
        let text = String(decoding: octets, as: UTF8.self)
        let halves = text.components(separatedBy: "::")
        guard halves.count <= 2, let head = Self.run(halves[0], isLast: halves.count == 1) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? head : nil }
        guard let tail = Self.run(halves[1], isLast: true), head.count + tail.count < 8 else { return nil }
        return head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func run(_ text: String, isLast: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains(".") {
                guard let address = Self.dotted(Array(part.utf8)[...]) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: address >> 16))
                groups.append(UInt16(truncatingIfNeeded: address))
                continue
            }
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ Octet.hexValue($0) != nil }),
                let group = UInt16(part, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups.count <= 8 ? groups : nil
    }
}

extension String {
    /// Splits at each `separator`.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var (parts, rest) = ([String](), self[...])
        while let found = rest.firstRange(of: separator) {
            parts.append(String(rest[..<found.lowerBound]))
            rest = rest[found.upperBound...]
        }
        return parts + [String(rest)]
    }
}

/// A range of addresses, as `10.0.0.0/8`, `::1/128` or a single address.
package struct AddressRange: Sendable, Hashable {
    let base: IPAddress
    let prefix: Int

    /// Reads a CIDR range or an address; nil if it is neither.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let base = IPAddress(parts[0]) else { return nil }
        let bits = base.isV4 ? 32 : 128
        guard parts.count == 2 else {
            self.base = base
            self.prefix = bits
            return
        }
        guard parts[1].utf8.allSatisfy(Octet.isDigit), let prefix = Int(parts[1]), prefix <= bits else {
            return nil
        }
        self.base = base
        self.prefix = prefix
    }

    /// Whether `address` lies in the range.
    package func contains(_ address: IPAddress) -> Bool {
        guard address.isV4 == self.base.isV4 else { return false }
        guard !address.isV4 else {
            return self.prefix == 0 || (address.low ^ self.base.low) >> UInt64(32 - self.prefix) == 0
        }
        let highBits = min(self.prefix, 64)
        let lowBits = self.prefix - highBits
        let highDiffers = highBits > 0 && (address.high ^ self.base.high) >> UInt64(64 - highBits) != 0
        let lowDiffers = lowBits > 0 && (address.low ^ self.base.low) >> UInt64(64 - lowBits) != 0
        return !highDiffers && !lowDiffers
    }
}
