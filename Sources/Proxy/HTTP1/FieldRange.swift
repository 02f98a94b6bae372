// Where a field stands in a head.

/// A field of a head, by where its name and its value stand; valid for the head it came from.
package struct FieldRange: Sendable {
    var nameStart: UInt32
    var nameEnd: UInt32
    var valueStart: UInt32
    var valueEnd: UInt32
    /// Where the next line begins.
    var lineEnd: UInt32 = 0
    var kind: FieldKind
    /// Set when a rule took the field out of the head.
    var isRemoved = false

    /// Where the name stands.
    @inline(__always)
    var name: Range<Int> { Int(self.nameStart)..<Int(self.nameEnd) }

    /// Where the value stands, without the whitespace around it.
    @inline(__always)
    var value: Range<Int> { Int(self.valueStart)..<Int(self.valueEnd) }
}

/// A head's octets and where its fields stand in them.
package struct FieldTable: Sendable {
    /// The head as it came, and after it what was made canonical.
    var bytes: [UInt8] = []
    var ranges: [FieldRange] = []
    /// The kinds of the fields that came.
    var kinds = FieldKindSet()

    /// Gives the first field of that name, in any case.
    package func first(_ name: FieldName) -> FieldRange? {
        for range in self.ranges where self.isNamed(range, name) { return range }
        return nil
    }

    /// Gives how many fields have that name.
    package func count(of name: FieldName) -> Int {
        var count = 0
        for range in self.ranges where self.isNamed(range, name) { count += 1 }
        return count
    }

    /// Gives the value of the first field of that name as text; ill-formed UTF-8 is repaired.
    package func string(of name: FieldName) -> String? {
        self.first(name).map(self.string)
    }

    /// Gives a field's value as text; ill-formed UTF-8 is repaired.
    package func string(_ range: FieldRange) -> String {
        String(decoding: self.bytes[range.value], as: UTF8.self)
    }

    /// Gives a field's name as text, as it was spelled.
    package func name(_ range: FieldRange) -> String {
        String(decoding: self.bytes[range.name], as: UTF8.self)
    }

    /// Gives a field's value.
    package func value(_ range: FieldRange) -> ArraySlice<UInt8> { self.bytes[range.value] }

    /// Whether a field's value is ASCII.
    package func isASCII(_ range: FieldRange) -> Bool {
        self.withValue(range) { value in
            var index = 0
            var seen: UInt8 = 0
            while index &+ 32 <= value.count {
                let block = value.extracting(index..<(index &+ 32))
                for offset in 0..<32 { seen |= block[offset] }
                index &+= 32
            }
            while index < value.count {
                seen |= value[index]
                index &+= 1
            }
            return seen < 0x80
        }
    }

    /// Gives all values of that name in order (P5).
    package func strings(of name: FieldName) -> [String] {
        self.ranges.filter { self.isNamed($0, name) }.map(self.string)
    }

    /// Reads a field's value without a copy.
    package func withValue<R, E: Error>(
        _ range: FieldRange,
        _ body: (Span<UInt8>) throws(E) -> R
    ) throws(E) -> R {
        try body(self.bytes.span.extracting(range.value))
    }

    /// Calls `body` with every field, in order.
    package func forEach<E: Error>(_ body: (FieldRange) throws(E) -> Void) throws(E) {
        for range in self.ranges where !range.isRemoved { try body(range) }
    }

    /// Whether `range` has that name, in any case.
    @inline(__always)
    package func isNamed(_ range: FieldRange, _ name: FieldName) -> Bool {
        !range.isRemoved && self.bytes.matches(range.name, lowercased: name.octets)
    }

    /// Takes out the fields for which `isUnwanted` says so.
    package mutating func remove(where isUnwanted: (FieldTable, FieldRange) -> Bool) {
        for index in self.ranges.indices where !self.ranges[index].isRemoved {
            if isUnwanted(self, self.ranges[index]) { self.ranges[index].isRemoved = true }
        }
    }

    mutating func reset() {
        self.bytes.removeAll(keepingCapacity: true)
        self.forgetRanges()
    }

    /// Forgets what was read, not what came.
    mutating func forgetRanges() {
        self.kinds = FieldKindSet()
        self.ranges.removeAll(keepingCapacity: true)
    }
}
