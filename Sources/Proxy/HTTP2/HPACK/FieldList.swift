// Fields as HTTP/2 has them: names and values, one after the other.

/// The fields of a head or of trailers, in one piece of memory that is used again.
struct FieldList: Sendable {
    /// Where a field's name and value stand in the octets.
    struct Field: Sendable {
        private let nameStart: UInt32
        private let nameEnd: UInt32
        private let valueEnd: UInt32

        fileprivate init(nameStart: Int, nameEnd: Int, valueEnd: Int) {
            self.nameStart = UInt32(truncatingIfNeeded: nameStart)
            self.nameEnd = UInt32(truncatingIfNeeded: nameEnd)
            self.valueEnd = UInt32(truncatingIfNeeded: valueEnd)
        }

        @inline(__always)
        var name: Range<Int> { Int(self.nameStart)..<Int(self.nameEnd) }
        @inline(__always)
        var value: Range<Int> { Int(self.nameEnd)..<Int(self.valueEnd) }
    }

    /// Names and values.
    var bytes: [UInt8] = []
    private(set) var fields: [Field] = []
    /// What the fields count for, those that were too many included (RFC 9113 §6.5.2).
    private(set) var size = 0
    /// Whether some were left out because they were too many.
    private(set) var isCut = false

    init() {}

    /// Fields made in code.
    init(_ fields: [(String, String)]) {
        for (name, value) in fields {
            let start = self.bytes.count
            self.bytes.append(contentsOf: name.utf8)
            let nameEnd = self.bytes.count
            self.bytes.append(contentsOf: value.utf8)
            self.close(start, nameEnd, limit: .max)
        }
    }

    /// Forgets the fields and keeps the memory.
    mutating func removeAll() {
        self.bytes.removeAll(keepingCapacity: true)
        self.fields.removeAll(keepingCapacity: true)
        (self.size, self.isCut) = (0, false)
    }

    /// Makes a field of the octets that were appended since `start`; drops it if it is one too many.
    @inline(__always)
    mutating func close(_ start: Int, _ nameEnd: Int, limit: Int) {
        self.size &+= self.bytes.count &- start &+ 32
        guard self.size <= limit else {
            self.isCut = true
            self.bytes.removeLast(self.bytes.count &- start)
            return
        }
        self.fields.append(Field(nameStart: start, nameEnd: nameEnd, valueEnd: self.bytes.count))
    }

    /// The fields as texts, for tests and messages.
    var texts: [(name: String, value: String)] {
        self.fields.map {
            (
                String(decoding: self.bytes[$0.name], as: UTF8.self),
                String(decoding: self.bytes[$0.value], as: UTF8.self)
            )
        }
    }
}
