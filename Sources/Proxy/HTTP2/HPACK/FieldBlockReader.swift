// Field blocks of HTTP/2 to fields: HPACK as a reader (RFC 7541).

/// A block that breaks a rule: both sides' tables may differ from here on (RFC 7541 §2.2, RFC 9113 §4.3).
struct FieldBlockFault: Error, Equatable {}

/// Reads the blocks of one connection, which depend on each other.
struct FieldBlockReader: Sendable {
    /// Octets of table that a peer may use: what it is until somebody says something else (RFC 9113 §6.5.2).
    static let tableBytes = 4096

    private var table = DynamicTable(capacity: Self.tableBytes)
    private let machine = HuffmanCode.machine

    /// Reads a whole block into `list`, where what is beyond `limit` octets is counted and left out.
    ///
    /// - Throws: where no further block can be read.
    mutating func read(
        _ block: Span<UInt8>,
        into list: inout FieldList,
        limit: Int
    ) throws(FieldBlockFault) {
        var index = 0
        var resizes = 2
        while index < block.count {
            let octet = block[index]
            if octet & 0x80 != 0 {
                try self.copy(Self.number(block, &index, bits: 7), into: &list, limit)
            } else if octet & 0xC0 == 0x40 {
                try self.literal(block, &index, bits: 6, isKept: true, into: &list, limit)
            } else if octet & 0xE0 == 0x20 {
                // Only at the beginning of a block, and two at most (RFC 7541 §4.2).
                let size = try Self.number(block, &index, bits: 5)
                guard resizes > 0, size <= Self.tableBytes else { throw FieldBlockFault() }
                self.table.resize(size)
                resizes -= 1
                continue
            } else {
                try self.literal(block, &index, bits: 4, isKept: false, into: &list, limit)
            }
            resizes = 0
        }
    }

    /// A field that one of the tables has.
    private func copy(_ number: Int, into list: inout FieldList, _ limit: Int) throws(FieldBlockFault) {
        let start = list.bytes.count
        let nameEnd = try self.append(number, withValue: true, to: &list.bytes)
        list.close(start, nameEnd, limit: limit)
    }

    /// Appends an entry's name, and its value if that is wanted; gives where the name ends.
    private func append(
        _ number: Int,
        withValue: Bool,
        to bytes: inout [UInt8]
    ) throws(FieldBlockFault) -> Int {
        guard number > 0 else { throw FieldBlockFault() }
        if number <= StaticTable.entries.count {
            let entry = StaticTable.entries[number &- 1]
            bytes.append(contentsOf: entry.name)
            let nameEnd = bytes.count
            if withValue { bytes.append(contentsOf: entry.value) }
            return nameEnd
        }
        guard let entry = self.table[number &- StaticTable.entries.count &- 1] else {
            throw FieldBlockFault()
        }
        bytes.append(contentsOf: withValue ? entry.bytes[...] : entry.bytes[..<entry.nameEnd])
        return bytes.count &- (withValue ? entry.bytes.count &- entry.nameEnd : 0)
    }

    /// A field whose value stands here, and perhaps its name.
    private mutating func literal(
        _ block: Span<UInt8>,
        _ index: inout Int,
        bits: UInt8,
        isKept: Bool,
        into list: inout FieldList,
        _ limit: Int
    ) throws(FieldBlockFault) {
        let start = list.bytes.count
        let number = try Self.number(block, &index, bits: bits)
        let nameEnd: Int
        if number == 0 {
            try self.text(block, &index, into: &list.bytes)
            nameEnd = list.bytes.count
        } else {
            nameEnd = try self.append(number, withValue: false, to: &list.bytes)
        }
        try self.text(block, &index, into: &list.bytes)
        if isKept {
            self.table.insert(
                DynamicTable.Entry(bytes: Array(list.bytes[start...]), nameEnd: nameEnd &- start)
            )
        }
        list.close(start, nameEnd, limit: limit)
    }

    /// A text, as it is or in the Huffman code (RFC 7541 §5.2).
    private func text(
        _ block: Span<UInt8>,
        _ index: inout Int,
        into bytes: inout [UInt8]
    ) throws(FieldBlockFault) {
        guard index < block.count else { throw FieldBlockFault() }
        let isCoded = block[index] & 0x80 != 0
        let count = try Self.number(block, &index, bits: 7)
        guard count <= block.count &- index else { throw FieldBlockFault() }
        let text = block.extracting(index..<(index &+ count))
        index &+= count
        guard isCoded else {
            for place in text.indices { bytes.append(text[place]) }
            return
        }
        guard self.machine.read(text, into: &bytes) else { throw FieldBlockFault() }
    }

    /// A number that begins in the low `bits` of an octet (RFC 7541 §5.1); none of 2^28 or more is needed.
    private static func number(
        _ block: Span<UInt8>,
        _ index: inout Int,
        bits: UInt8
    ) throws(FieldBlockFault) -> Int {
        let most = 1 &<< Int(bits) &- 1
        var value = Int(block[index]) & most
        index &+= 1
        guard value == most else { return value }
        var shift = 0
        while index < block.count, shift < 28 {
            let octet = block[index]
            index &+= 1
            value &+= Int(octet & 0x7F) &<< shift
            if octet & 0x80 == 0 { return value }
            shift &+= 7
        }
        throw FieldBlockFault()
    }
}

/// Fields that were sent before, the newest first (RFC 7541 §2.3.2).
struct DynamicTable: Sendable {
    /// A name and the value behind it.
    struct Entry: Sendable {
        let bytes: [UInt8]
        let nameEnd: Int

        /// What it counts for (RFC 7541 §4.1).
        var size: Int { self.bytes.count &+ 32 }
    }

    /// A ring: the newest entry is at the place before `next`.
    private var entries: [Entry] = []
    private var next = 0
    private(set) var count = 0
    private var size = 0
    private var capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    /// The entry of an age, 0 for the newest.
    subscript(age: Int) -> Entry? {
        guard age >= 0, age < self.count else { return nil }
        return self.entries[(self.next &- 1 &- age) & (self.entries.count &- 1)]
    }

    /// Says how much the entries may count for.
    mutating func resize(_ capacity: Int) {
        self.capacity = capacity
        self.evict(for: 0)
    }

    /// Takes an entry; one that is larger than the table empties it (RFC 7541 §4.4).
    mutating func insert(_ entry: Entry) {
        self.evict(for: entry.size)
        guard entry.size <= self.capacity else { return }
        // An entry counts for at least 32 octets, so so many places are enough.
        if self.count == self.entries.count { self.grow(with: entry) }
        self.entries[self.next] = entry
        self.next = (self.next &+ 1) & (self.entries.count &- 1)
        self.count &+= 1
        self.size &+= entry.size
    }

    private mutating func grow(with entry: Entry) {
        let ordered = (0..<self.count).reversed().compactMap { self[$0] }
        self.entries = ordered + Array(repeating: entry, count: max(8, ordered.count * 2) - ordered.count)
        self.next = ordered.count
    }

    private mutating func evict(for wanted: Int) {
        while self.count > 0, self.size &+ wanted > self.capacity {
            if let oldest = self[self.count &- 1] { self.size &-= oldest.size }
            self.count &-= 1
        }
    }
}
