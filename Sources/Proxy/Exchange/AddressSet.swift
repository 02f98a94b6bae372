// Many ranges of addresses, looked up at once.

/// Ranges of addresses merged and sorted, so that a look costs the logarithm of their number.
package struct AddressSet: Sendable {
    private struct Stretch: Sendable {
        let first: UInt128
        var last: UInt128
    }

    private let v4: [Stretch]
    private let v6: [Stretch]

    /// Gathers ranges; they may overlap.
    package init(_ ranges: some Sequence<AddressRange>) {
        var (v4, v6): ([Stretch], [Stretch]) = ([], [])
        for range in ranges {
            let number = range.base.number
            let free = (range.base.isV4 ? 32 : 128) - range.prefix
            let mask = free == 128 ? UInt128.max : (UInt128(1) << UInt128(free)) - 1
            let stretch = Stretch(first: number & ~mask, last: number | mask)
            if range.base.isV4 { v4.append(stretch) } else { v6.append(stretch) }
        }
        self.v4 = Self.merged(v4)
        self.v6 = Self.merged(v6)
    }

    /// Whether nothing is in it.
    package var isEmpty: Bool { self.v4.isEmpty && self.v6.isEmpty }

    /// Whether `address` lies in one of the ranges.
    package func contains(_ address: IPAddress) -> Bool {
        let stretches = address.isV4 ? self.v4 : self.v6
        let number = address.number
        var (low, high) = (0, stretches.count)
        while low < high {
            let middle = (low + high) / 2
            if stretches[middle].last < number { low = middle + 1 } else { high = middle }
        }
        return low < stretches.count && stretches[low].first <= number
    }

    private static func merged(_ stretches: [Stretch]) -> [Stretch] {
        var result: [Stretch] = []
        for stretch in stretches.sorted(by: { $0.first < $1.first }) {
            if let last = result.last, stretch.first <= last.last {
                result[result.count - 1].last = max(last.last, stretch.last)
            } else {
                result.append(stretch)
            }
        }
        return result
    }
}

extension IPAddress {
    fileprivate var number: UInt128 { UInt128(self.high) << 64 | UInt128(self.low) }

    /// The address, or for IPv6 the network of 64 bits that one subscriber has for himself.
    package var ofOneSubscriber: IPAddress {
        self.isV4 ? self : IPAddress(high: self.high, low: 0)
    }
}
