// Changes to a head's fields, applied while the head is written.

/// Why a field's value cannot be sent.
package enum FieldEditError: Error, Sendable, Equatable {
    /// A control octet (CR, LF, NUL or another) stands in the value (H3).
    case controlOctet
    /// All edits together are over `FieldEdits.maximumBytes`.
    case tooLarge
}

/// What is set, added and removed when a head goes on; storage is kept across `reset()`.
package struct FieldEdits: Sendable {
    enum Action: UInt8, Sendable { case set, append, remove }

    struct Edit: Sendable {
        let name: FieldName
        let action: Action
        let start: Int
        let end: Int
    }

    /// Cap on all names and values together (H3).
    package static let maximumBytes = 65_536

    private(set) var edits: [Edit] = []
    private(set) var values: [UInt8] = []
    /// One bit for each name length (63 for longer ones) that some `set` or `remove` has.
    private(set) var lengths: UInt64 = 0
    private var total = 0

    /// No edits.
    package init() {}

    /// Whether nothing is edited.
    package var isEmpty: Bool { self.edits.isEmpty }

    /// Replaces every field of that name by one with this value.
    ///
    /// In a request, differently spelled copies (`_` or `.` for `-`) go as well.
    package mutating func set(_ name: FieldName, _ value: String) throws(FieldEditError) {
        self.remove(name)
        try self.add(name, value.utf8.span, .set)
    }

    /// Replaces every field of that name by one with this value.
    package mutating func set(_ name: FieldName, octets: Span<UInt8>) throws(FieldEditError) {
        self.remove(name)
        try self.add(name, octets, .set)
    }

    /// Replaces every field of that name by one with a value written in the program.
    package mutating func set(_ name: FieldName, constant: StaticString) {
        self.remove(name)
        do throws(FieldEditError) {
            try self.add(name, constant.description.utf8.span, .set)
        } catch {
            preconditionFailure("a constant field value holds no control octet and fits")
        }
    }

    /// Adds a field of that name after those that are there.
    package mutating func append(_ name: FieldName, _ value: String) throws(FieldEditError) {
        try self.add(name, value.utf8.span, .append)
    }

    /// Adds a field of that name after those that are there.
    package mutating func append(_ name: FieldName, octets: Span<UInt8>) throws(FieldEditError) {
        try self.add(name, octets, .append)
    }

    /// Removes every field of that name, and what was set or added before.
    package mutating func remove(_ name: FieldName) {
        self.edits.removeAll { $0.name == name }
        self.edits.append(Edit(name: name, action: .remove, start: 0, end: 0))
        self.lengths |= 1 << UInt64(min(name.octets.count, 63))
    }

    /// Forgets everything; keeps the storage.
    package mutating func reset() {
        guard !self.edits.isEmpty else { return }
        self.edits.removeAll(keepingCapacity: true)
        self.values.removeAll(keepingCapacity: true)
        self.lengths = 0
        self.total = 0
    }

    /// Gives the value that was set or added last, if any.
    package func value(of name: FieldName) -> String? {
        guard let edit = self.edits.last(where: { $0.name == name && $0.action != .remove }) else {
            return nil
        }
        return String(decoding: self.values[edit.start..<edit.end], as: UTF8.self)
    }

    /// Calls `body` with each field that the edits add, in order.
    package func forEachAdded(_ body: (FieldName, ArraySlice<UInt8>) -> Void) {
        for edit in self.edits where edit.action != .remove {
            body(edit.name, self.values[edit.start..<edit.end])
        }
    }

    /// Adds all of `other` after these.
    package mutating func add(_ other: FieldEdits) {
        for edit in other.edits {
            guard edit.action != .remove else {
                self.remove(edit.name)
                continue
            }
            let start = self.values.count
            self.values.append(contentsOf: other.values[edit.start..<edit.end])
            self.edits.append(
                Edit(name: edit.name, action: edit.action, start: start, end: self.values.count)
            )
        }
    }

    /// Whether a field whose name stands in `range` of `bytes` is replaced or removed.
    @inline(__always)
    func hides(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool) -> Bool {
        guard self.lengths & (1 << UInt64(min(range.count, 63))) != 0 else { return false }
        return self.names(bytes, range, folding: folding)
    }

    private func names(_ bytes: [UInt8], _ range: Range<Int>, folding: Bool) -> Bool {
        for edit in self.edits where edit.action == .remove {
            if bytes.matches(range, lowercased: edit.name.octets) { return true }
            if folding, bytes.matches(range, folding: edit.name.octets) { return true }
        }
        return false
    }

    private mutating func add(
        _ name: FieldName,
        _ value: Span<UInt8>,
        _ action: Action
    ) throws(FieldEditError) {
        self.total += name.octets.count + value.count
        guard self.total <= Self.maximumBytes else { throw .tooLarge }
        for index in value.indices {
            guard Octet.isFieldValue(value[index]) else { throw .controlOctet }
        }
        let start = self.values.count
        for index in value.indices { self.values.append(value[index]) }
        self.edits.append(Edit(name: name, action: action, start: start, end: self.values.count))
    }
}
