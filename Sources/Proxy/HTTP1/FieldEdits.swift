// Changes to a head's fields, applied while the head is written.

/// Why a field's value cannot be sent.
package enum FieldEditError: Error, Sendable, Equatable {
    /// A control octet (CR, LF, NUL or another) stands in the value (H3).
    case controlOctet
    /// All edits together are over `FieldEdits.maximumBytes`.
    case tooLarge
}

/// What is set, added and removed when a head goes on; storage is kept across `reset()`.
///
/// Names are kept as octets in one piece of memory and told by where they stand: many are set on each request, and each
/// array of its own would be counted up and down again and again.
package struct FieldEdits: Sendable {
    /// A field that is added, by where its line stands in `lines`.
    struct Addition: Sendable {
        let lineStart: Int
        let valueStart: Int
        let lineEnd: Int

        var name: Range<Int> { self.lineStart..<(self.valueStart - 2) }
        var value: Range<Int> { self.valueStart..<(self.lineEnd - 2) }
    }

    /// Cap on all names and values together (H3).
    package static let maximumBytes = 65_536

    private(set) var additions: [Addition] = []
    /// Where names stand in `removed` whose fields are taken out of the head that came.
    private var removals: [Range<Int>] = []
    private var removed: [UInt8] = []
    /// The additions as field lines, ready to be sent.
    private(set) var lines: [UInt8] = []
    /// One bit for each name length (63 for longer ones) that some removal has, and that some addition has.
    private var lengths: UInt64 = 0
    private var addedLengths: UInt64 = 0
    /// The kinds of all names that are edited.
    private(set) var kinds = FieldKindSet()

    /// No edits.
    package init() {}

    /// Whether nothing is edited.
    package var isEmpty: Bool { self.additions.isEmpty && self.removals.isEmpty }

    /// Replaces every field of that name by one with this value.
    ///
    /// In a request, differently spelled copies (`_` or `.` for `-`) go as well.
    package mutating func set(_ name: FieldName, _ value: String) throws(FieldEditError) {
        self.remove(name)
        try self.append(name, value)
    }

    /// Replaces every field of that name by one with this value.
    package mutating func set(_ name: FieldName, octets: Span<UInt8>) throws(FieldEditError) {
        self.remove(name)
        try self.add(name, octets)
    }

    /// Replaces every field of that name by one with a value written in the program.
    package mutating func set(_ name: FieldName, constant: StaticString) {
        self.remove(name)
        do throws(FieldEditError) {
            try self.append(name, constant.description)
        } catch {
            preconditionFailure("a constant field value holds no control octet and fits")
        }
    }

    /// Replaces every field of that name by one with a number of 128 bits in 32 hexadecimal digits.
    package mutating func set(
        _ name: FieldName,
        hexadecimal high: UInt64,
        _ low: UInt64
    ) throws(FieldEditError) {
        try self.set(name, count: 32) { output in
            output.append(hexadecimal: high)
            output.append(hexadecimal: low)
        }
    }

    /// Replaces every field of that name by one whose value `write` writes, `count` octets that a field may hold.
    package mutating func set(
        _ name: FieldName,
        count: Int,
        _ write: (inout OutputSpan<UInt8>) -> Void
    ) throws(FieldEditError) {
        self.remove(name)
        let start = try self.begin(name, valueBytes: count)
        self.lines.append(addingCapacity: count) { write(&$0) }
        self.end(name, start)
    }

    /// Adds a field of that name after those that are there.
    package mutating func append(_ name: FieldName, _ value: String) throws(FieldEditError) {
        try self.add(name, value.utf8.span)
    }

    /// Adds a field of that name after those that are there.
    package mutating func append(_ name: FieldName, octets: Span<UInt8>) throws(FieldEditError) {
        try self.add(name, octets)
    }

    /// Removes every field of that name, and what was set or added before.
    package mutating func remove(_ name: FieldName) {
        self.remove(name.octets, 0..<name.octets.count)
        self.kinds.insert(name.kind)
    }

    private mutating func remove(_ octets: [UInt8], _ name: Range<Int>) {
        self.takeBack(octets, name)
        guard !self.removes(spelled: octets.span.extracting(name)) else { return }
        let start = self.removed.count
        self.removed.append(contentsOf: octets[name])
        self.removals.append(start..<self.removed.count)
        self.lengths |= Self.bit(name.count)
    }

    /// Forgets everything; keeps the storage.
    package mutating func reset() {
        if !self.removals.isEmpty {
            self.removals.removeAll(keepingCapacity: true)
            self.removed.removeAll(keepingCapacity: true)
        }
        if !self.additions.isEmpty { self.additions.removeAll(keepingCapacity: true) }
        if !self.lines.isEmpty { self.lines.removeAll(keepingCapacity: true) }
        (self.lengths, self.addedLengths, self.kinds) = (0, 0, FieldKindSet())
    }

    /// Gives the value that was set or added last, if any.
    package func value(of name: FieldName) -> String? {
        guard let addition = self.additions.last(where: { self.isNamed($0, name) }) else { return nil }
        return String(decoding: self.lines[addition.value], as: UTF8.self)
    }

    /// Calls `body` with the name and value of each field that the edits add, in order.
    package func forEachAdded(_ body: (_ name: Span<UInt8>, _ value: Span<UInt8>) -> Void) {
        let lines = self.lines.span
        for addition in self.additions {
            body(lines.extracting(addition.name), lines.extracting(addition.value))
        }
    }

    /// The fields that the edits add, in order, as text.
    package var added: [(name: String, value: String)] {
        self.additions.map { addition in
            (
                String(decoding: self.lines[addition.name], as: UTF8.self),
                String(decoding: self.lines[addition.value], as: UTF8.self)
            )
        }
    }

    /// Adds all of `other` after these.
    package mutating func add(_ other: FieldEdits) {
        for name in other.removals { self.remove(other.removed, name) }
        for addition in other.additions { self.copy(addition, from: other.lines) }
        self.kinds.formUnion(other.kinds)
    }

    /// Whether a field whose name stands in `range` of `bytes` is replaced or removed.
    @inline(__always)
    func hides(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool) -> Bool {
        guard self.lengths & Self.bit(range.count) != 0 else { return false }
        return self.names(bytes, range, folding: folding)
    }

    @inline(__always)
    private static func bit(_ length: Int) -> UInt64 { 1 &<< UInt64(min(length, 63)) }

    /// Whether what a head has of that name is taken away.
    package func removes(_ name: FieldName) -> Bool { self.removes(spelled: name.octets.span) }

    /// Whether a field of that name is set or added.
    package func adds(_ name: FieldName) -> Bool { self.adds(spelled: name.octets.span) }

    /// Whether what a head has of the name that these octets spell, in lower case, is taken away.
    package func removes(spelled name: Span<UInt8>) -> Bool {
        guard self.lengths & Self.bit(name.count) != 0 else { return false }
        let removed = self.removed.span
        for range in self.removals where removed.extracting(range).equals(name) { return true }
        return false
    }

    /// Whether a field of the name that these octets spell, in lower case, is set or added.
    package func adds(spelled name: Span<UInt8>) -> Bool {
        guard self.addedLengths & Self.bit(name.count) != 0 else { return false }
        let lines = self.lines.span
        for addition in self.additions where lines.extracting(addition.name).equals(name) { return true }
        return false
    }

    /// Whether a field whose name stands in `range` of `bytes`, in any case, is set or added.
    func adds(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool = false) -> Bool {
        guard self.addedLengths & Self.bit(range.count) != 0 else { return false }
        let (lines, name) = (self.lines.span, bytes.span.extracting(range))
        for addition in self.additions {
            let other = lines.extracting(addition.name)
            if folding ? name.equalsFolded(other) : name.equalsLowercased(other) { return true }
        }
        return false
    }

    /// Whether a field of that name is set, added or removed.
    func concerns(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool) -> Bool {
        self.hides(bytes, range, folding: folding) || self.adds(bytes, range, folding: folding)
    }

    private func names(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool) -> Bool {
        let (removed, name) = (self.removed.span, bytes.span.extracting(range))
        for range in self.removals {
            let other = removed.extracting(range)
            if folding ? name.equalsFolded(other) : name.equalsLowercased(other) { return true }
        }
        return false
    }

    /// Whether an addition has that name.
    func isNamed(_ addition: Addition, _ name: FieldName) -> Bool {
        self.lines.span.extracting(addition.name).equals(name.octets.span)
    }

    // MARK: Lines

    private mutating func add(_ name: FieldName, _ value: Span<UInt8>) throws(FieldEditError) {
        guard value.endOfFieldValue(from: 0) == value.count else { throw .controlOctet }
        let start = try self.begin(name, valueBytes: value.count)
        self.lines.append(addingCapacity: value.count) { output in
            for index in value.indices { output.append(value[index]) }
        }
        self.end(name, start)
    }

    /// Writes a line up to its value, which has so many octets; tells where it begins.
    private mutating func begin(_ name: FieldName, valueBytes: Int) throws(FieldEditError) -> Int {
        let start = self.lines.count
        // Colon, space and line end do not count.
        let counted = start - 4 * self.additions.count + name.octets.count + valueBytes
        guard counted <= Self.maximumBytes else { throw .tooLarge }
        self.kinds.insert(name.kind)
        self.lines.append(contentsOf: name.octets)
        self.lines.append(Octet.colon)
        self.lines.append(Octet.space)
        return start
    }

    private mutating func end(_ name: FieldName, _ start: Int) {
        self.lines.append(Octet.carriageReturn)
        self.lines.append(Octet.lineFeed)
        let valueStart = start + name.octets.count + 2
        self.addedLengths |= Self.bit(name.octets.count)
        self.additions.append(
            Addition(lineStart: start, valueStart: valueStart, lineEnd: self.lines.count)
        )
    }

    /// Takes out what was set or added under that name.
    private mutating func takeBack(_ octets: [UInt8], _ name: Range<Int>) {
        guard self.adds(spelled: octets.span.extracting(name)) else { return }
        let (before, lines) = (self.additions, self.lines)
        self.additions.removeAll(keepingCapacity: true)
        self.lines.removeAll(keepingCapacity: true)
        for addition in before
        where !lines.span.extracting(addition.name).equals(octets.span.extracting(name)) {
            self.copy(addition, from: lines)
        }
    }

    private mutating func copy(_ addition: Addition, from lines: [UInt8]) {
        let shift = self.lines.count - addition.lineStart
        self.lines.append(contentsOf: lines[addition.lineStart..<addition.lineEnd])
        self.addedLengths |= Self.bit(addition.name.count)
        self.additions.append(
            Addition(
                lineStart: addition.lineStart + shift,
                valueStart: addition.valueStart + shift,
                lineEnd: addition.lineEnd + shift
            )
        )
    }
}
