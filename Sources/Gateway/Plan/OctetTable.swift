// Names to small numbers, looked up where they stand.

/// A hash of octets that grows by one at a time (FNV-1a); letters count in lower case.
struct OctetHash {
    private var state: UInt64 = 0xCBF2_9CE4_8422_2325

    @inline(__always)
    mutating func add(_ octet: UInt8) {
        self.state = (self.state ^ UInt64(octet.lowercased)) &* 0x100_0000_01B3
    }

    /// The hash so far; every bit of it depends on every octet.
    @inline(__always)
    var value: UInt32 {
        let mixed = (self.state ^ (self.state &>> 32)) &* 0x9E37_79B9_7F4A_7C15
        return UInt32(truncatingIfNeeded: mixed &>> 32)
    }
}

/// Numbers names in the order in which they come; finds them without a copy, whatever their case.
struct OctetTable: Sendable {
    private struct Slot {
        var hash: UInt32 = 0
        /// The name's number plus one; 0 is an empty slot.
        var name: UInt32 = 0
    }

    /// A power of two, half of them empty at least.
    private var slots: [Slot] = []
    private var octets: [UInt8] = []
    /// Where each name begins in `octets`, and where the last one ends.
    private var starts: [UInt32] = [0]
    /// How long the longest name is: nothing longer need be looked up.
    private(set) var longest = 0

    /// How many names there are.
    var count: Int { self.starts.count - 1 }

    /// The hash of a whole name, read from its end if `backwards`.
    static func hash(_ name: Span<UInt8>, backwards: Bool = false) -> UInt32 {
        var hash = OctetHash()
        for index in name.indices { hash.add(name[backwards ? name.count - 1 - index : index]) }
        return hash.value
    }

    /// The number of a name, which is taken in if it is new.
    mutating func insert(_ name: [UInt8], backwards: Bool = false) -> Int {
        let hash = Self.hash(name.span, backwards: backwards)
        if let known = self.find(name.span, 0..<name.count, hash: hash) { return known }
        if (self.count + 1) * 2 > self.slots.count { self.grow() }
        self.octets.append(contentsOf: name.map(\.lowercased))
        self.starts.append(UInt32(self.octets.count))
        self.longest = max(self.longest, name.count)
        self.place(Slot(hash: hash, name: UInt32(self.count)))
        return self.count - 1
    }

    /// The number of the name that stands in `range`, by its hash.
    @inline(__always)
    func find(_ text: Span<UInt8>, _ range: Range<Int>, hash: UInt32) -> Int? {
        guard !self.slots.isEmpty else { return nil }
        var place = Int(hash) & (self.slots.count - 1)
        while self.slots[place].name != 0 {
            let slot = self.slots[place]
            if slot.hash == hash, self.isName(Int(slot.name) - 1, text, range) { return Int(slot.name) - 1 }
            place = (place + 1) & (self.slots.count - 1)
        }
        return nil
    }

    private func isName(_ number: Int, _ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
        let start = Int(self.starts[number])
        guard Int(self.starts[number + 1]) - start == range.count else { return false }
        for offset in 0..<range.count
        where self.octets[start + offset] != text[range.lowerBound + offset].lowercased { return false }
        return true
    }

    private mutating func grow() {
        let before = self.slots
        self.slots = Array(repeating: Slot(), count: max(8, before.count * 2))
        for slot in before where slot.name != 0 { self.place(slot) }
    }

    private mutating func place(_ slot: Slot) {
        var place = Int(slot.hash) & (self.slots.count - 1)
        while self.slots[place].name != 0 { place = (place + 1) & (self.slots.count - 1) }
        self.slots[place] = slot
    }
}

extension UInt8 {
    /// The lower case of an ASCII letter; any other octet unchanged.
    @inline(__always)
    var lowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
}
