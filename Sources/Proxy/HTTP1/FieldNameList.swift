// Names of fields as the value of a field.

/// A list of names, written as it goes out; a name that is written is not read again.
package struct FieldNameList: Sendable {
    /// The names with a comma and a space between them (RFC 9110 §5.6.1).
    private(set) var octets: [UInt8] = []
    private var places: [Range<Int>] = []

    /// No names, and room for so many.
    package init(capacity: Int = 0) {
        guard capacity > 0 else { return }
        self.octets.reserveCapacity(capacity * 24)
        self.places.reserveCapacity(capacity)
    }

    /// Whether there is none.
    package var isEmpty: Bool { self.places.isEmpty }

    /// Adds a name at the end.
    package mutating func append(_ name: FieldName) {
        self.begin()
        let start = self.octets.count
        self.octets.append(contentsOf: name.octets)
        self.places.append(start..<self.octets.count)
    }

    /// Adds a name that stands in lower case in `octets`.
    package mutating func append(spelled name: Span<UInt8>) {
        self.begin()
        let start = self.octets.count
        for index in name.indices { self.octets.append(name[index]) }
        self.places.append(start..<self.octets.count)
    }

    /// Adds all of `other` at the end.
    package mutating func append(_ other: FieldNameList) {
        guard !other.isEmpty else { return }
        self.begin()
        let start = self.octets.count
        self.octets.append(contentsOf: other.octets)
        for place in other.places {
            self.places.append((start + place.lowerBound)..<(start + place.upperBound))
        }
    }

    /// Whether a name is in the list.
    package func contains(_ name: FieldName) -> Bool {
        let octets = self.octets.span
        for place in self.places where octets.extracting(place).equals(name.octets.span) { return true }
        return false
    }

    /// The names as text, in order.
    package var names: [String] {
        self.places.map { String(decoding: self.octets[$0], as: UTF8.self) }
    }

    private mutating func begin() {
        guard !self.places.isEmpty else { return }
        self.octets.append(Octet.comma)
        self.octets.append(Octet.space)
    }
}
