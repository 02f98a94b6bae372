// Names that are dropped however a client spells them.

/// A compiled set of field names that matches in any case, with `_` and `.` equal to `-` (H1).
package struct FieldNameSet: Sendable, Equatable {
    /// The folded names, by length.
    private var byLength: [[[UInt8]]] = []
    /// One bit for each length below 64 that some name has; bit 63 stands for all longer ones.
    private var lengths: UInt64 = 0

    /// A set of nothing.
    package init() {}

    /// Compiles `names`.
    package init(_ names: some Sequence<FieldName>) {
        for name in names { self.insert(name) }
    }

    /// Adds a name.
    package mutating func insert(_ name: FieldName) {
        let folded = name.octets.map(Octet.folded)
        while self.byLength.count <= folded.count { self.byLength.append([]) }
        guard !self.byLength[folded.count].contains(folded) else { return }
        self.byLength[folded.count].append(folded)
        self.lengths |= 1 << UInt64(min(folded.count, 63))
    }

    /// Gives this set and `other` as one.
    package func union(_ other: FieldNameSet) -> FieldNameSet {
        var result = self
        for names in other.byLength {
            for octets in names { result.insertFolded(octets) }
        }
        return result
    }

    /// Whether nothing is in it.
    package var isEmpty: Bool { self.lengths == 0 }

    /// Whether `name`, however it is spelled, is in it.
    package func contains(_ name: FieldName) -> Bool {
        self.contains(name.octets, 0..<name.octets.count)
    }

    /// Whether the name that these octets spell is in it.
    package func contains(spelled octets: [UInt8]) -> Bool { self.contains(octets, 0..<octets.count) }

    /// Whether the name in `range` of `bytes`, however it is spelled, is in it.
    @inline(__always)
    func contains(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard self.lengths & (1 << UInt64(min(range.count, 63))) != 0 else { return false }
        return self.holds(bytes, range)
    }

    private func holds(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
        guard range.count < self.byLength.count else { return false }
        for name in self.byLength[range.count] where bytes.matches(range, folded: name) { return true }
        return false
    }

    private mutating func insertFolded(_ octets: [UInt8]) {
        while self.byLength.count <= octets.count { self.byLength.append([]) }
        guard !self.byLength[octets.count].contains(octets) else { return }
        self.byLength[octets.count].append(octets)
        self.lengths |= 1 << UInt64(min(octets.count, 63))
    }
}
