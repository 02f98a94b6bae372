// Fields that are written already, for answers of many fields.

/// Field lines in one piece of memory, as they go out; a name is not read again.
package struct FieldLines: Sendable {
    private(set) var octets: [UInt8] = []

    /// No lines, and room for so many octets.
    package init(capacity: Int = 0) {
        if capacity > 0 { self.octets.reserveCapacity(capacity) }
    }

    /// Whether there is none.
    package var isEmpty: Bool { self.octets.isEmpty }

    /// How many octets all lines have.
    package var count: Int { self.octets.count }

    /// Adds a field; nothing where the value holds what no field may hold (H3).
    package mutating func append(_ name: FieldName, _ value: String) { self.add(name, value.utf8) }

    /// Adds a field; nothing where the value holds what no field may hold (H3).
    package mutating func append(_ name: FieldName, _ value: some Collection<UInt8>) {
        self.add(name, value)
    }

    /// Adds a field without a value.
    package mutating func append(empty name: FieldName) {
        self.begin(name)
        self.end()
    }

    @inline(__always)
    private mutating func add(_ name: FieldName, _ value: some Collection<UInt8>) {
        let start = self.octets.count
        self.begin(name)
        let valueStart = self.octets.count
        self.octets.append(contentsOf: value)
        guard self.octets.span.endOfFieldValue(from: valueStart) == self.octets.count else {
            self.octets.removeLast(self.octets.count - start)
            return
        }
        self.end()
    }

    /// Adds a field whose name and value stand in other fields, which hold nothing that no field may hold.
    package mutating func append(spelled name: Span<UInt8>, _ value: Span<UInt8>) {
        self.append(name)
        self.octets.append(Octet.colon)
        self.octets.append(Octet.space)
        self.append(value)
        self.end()
    }

    /// Adds a field whose value is a list of names.
    package mutating func append(_ name: FieldName, list names: FieldNameList) {
        self.begin(name)
        self.octets.append(contentsOf: names.octets)
        self.end()
    }

    /// Adds all of `other` after these.
    package mutating func append(_ other: FieldLines) { self.octets.append(contentsOf: other.octets) }

    /// Calls `body` with each field's name and value, in order.
    ///
    /// - Parameter end: where lines begin that are left out; nil for all.
    package func forEach(upTo end: Int? = nil, _ body: (_ name: String, _ value: String) -> Void) {
        var start = 0
        while start < end ?? self.octets.count {
            let colon = self.octets.span.place(of: Octet.colon, from: start)
            let end = self.octets.span.place(of: Octet.carriageReturn, from: colon)
            body(
                String(decoding: self.octets[start..<colon], as: UTF8.self),
                String(decoding: self.octets[(colon + 2)..<end], as: UTF8.self)
            )
            start = end + 2
        }
    }

    private mutating func append(_ octets: Span<UInt8>) {
        self.octets.append(addingCapacity: octets.count) { output in
            for index in octets.indices { output.append(octets[index]) }
        }
    }

    private mutating func begin(_ name: FieldName) {
        self.octets.append(contentsOf: name.octets)
        self.octets.append(Octet.colon)
        self.octets.append(Octet.space)
    }

    private mutating func end() {
        self.octets.append(Octet.carriageReturn)
        self.octets.append(Octet.lineFeed)
    }
}
