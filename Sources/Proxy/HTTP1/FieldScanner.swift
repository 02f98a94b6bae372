// Field lines: octets to a table of ranges.

/// What is wrong with a head's lines; requests and answers say it in their own words.
enum HeadFault: Error, Equatable {
    case fieldName, fieldValue, lineEnd, obsoleteFold, tooManyFields
    /// The octets end within the head.
    case incomplete
}

/// Looks for the end of a head and reads its field lines.
///
/// RFC 9112 §2.1, §5.
enum FieldScanner {
    /// What `findEnd` found.
    enum End: Equatable {
        case at(Int), notYet(firstLineEnd: Int?), bareLineFeed
    }

    /// Looks in `bytes` for the empty line, from `start` on, where nothing before `start` held it.
    static func findEnd(_ bytes: Span<UInt8>, from start: Int, firstLineEnd known: Int?) -> End {
        var firstLineEnd = known
        var index = bytes.place(of: Octet.lineFeed, from: start)
        while index < bytes.count {
            guard index > 0, bytes[index &- 1] == Octet.carriageReturn else { return .bareLineFeed }
            if index >= 3, bytes[index &- 2] == Octet.lineFeed { return .at(index &+ 1) }
            if firstLineEnd == nil { firstLineEnd = index }
            index = bytes.place(of: Octet.lineFeed, from: index &+ 1)
        }
        return .notYet(firstLineEnd: firstLineEnd)
    }

    /// Reads the field lines that begin at `start` into the table; gives where the empty line after them ends.
    ///
    /// Where the octets end before that line does, it throws `.incomplete`.
    static func read(
        _ table: inout FieldTable,
        from start: Int,
        limit: Int
    ) throws(HeadFault) -> Int {
        let bytes = table.bytes
        let span = bytes.span
        let count = span.count
        let names = FieldKind.table
        var index = start
        while index < count {
            let first = span[index]
            if first == Octet.carriageReturn {
                guard index &+ 1 < count else { throw .incomplete }
                guard span[index &+ 1] == Octet.lineFeed else { throw .lineEnd }
                return index &+ 2
            }
            guard first != Octet.space, first != Octet.tab else { throw .obsoleteFold }
            guard table.ranges.count < limit else { throw .tooManyFields }
            let nameStart = index
            while index < count, Octet.isToken(span[index]) { index &+= 1 }
            guard index < count else { throw .incomplete }
            guard span[index] == Octet.colon, index > nameStart else { throw .fieldName }
            let nameEnd = index
            let value = try Self.value(span, after: nameEnd)
            index = value.lineEnd
            let kind = names.kind(span, nameStart..<nameEnd)
            table.kinds.insert(kind)
            table.ranges.append(
                FieldRange(
                    nameStart: UInt32(truncatingIfNeeded: nameStart),
                    nameEnd: UInt32(truncatingIfNeeded: nameEnd),
                    valueStart: UInt32(truncatingIfNeeded: value.start),
                    valueEnd: UInt32(truncatingIfNeeded: value.end),
                    lineEnd: UInt32(truncatingIfNeeded: value.lineEnd),
                    kind: kind
                )
            )
        }
        throw .incomplete
    }

    /// Gives where the value after the colon stands, without whitespace around it, and where its line ends.
    @inline(__always)
    private static func value(
        _ span: Span<UInt8>,
        after colon: Int
    ) throws(HeadFault) -> (start: Int, end: Int, lineEnd: Int) {
        let count = span.count
        var start = colon &+ 1
        while start < count, span[start] == Octet.space || span[start] == Octet.tab { start &+= 1 }
        var end = span.endOfFieldValue(from: start)
        guard end &+ 1 < count else { throw .incomplete }
        guard span[end] == Octet.carriageReturn else {
            throw span[end] == Octet.lineFeed ? .lineEnd : .fieldValue
        }
        guard span[end &+ 1] == Octet.lineFeed else { throw .lineEnd }
        let lineEnd = end &+ 2
        while end > start, span[end &- 1] == Octet.space || span[end &- 1] == Octet.tab { end &-= 1 }
        return (start, end, lineEnd)
    }
}

/// Reads lists of tokens, as in `Connection` and `Transfer-Encoding`.
enum TokenList {
    /// Calls `body` with each element of the list in `range`, without whitespace around it; empty elements are left out.
    @inline(__always)
    static func forEach<E: Error>(
        _ bytes: [UInt8],
        _ range: Range<Int>,
        _ body: (Range<Int>) throws(E) -> Void
    ) throws(E) {
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start
            while end < range.upperBound, bytes[end] != Octet.comma { end &+= 1 }
            var (low, high) = (start, end)
            while low < high, bytes[low] == Octet.space || bytes[low] == Octet.tab { low &+= 1 }
            while low < high, bytes[high &- 1] == Octet.space || bytes[high &- 1] == Octet.tab { high &-= 1 }
            if low < high { try body(low..<high) }
            start = end &+ 1
        }
    }

    /// Reads a decimal number of 1 to 18 digits and nothing else.
    static func number(_ bytes: [UInt8], _ range: Range<Int>) -> Int? {
        guard (1...18).contains(range.count) else { return nil }
        var value = 0
        for index in range {
            guard Octet.isDigit(bytes[index]) else { return nil }
            value = value &* 10 &+ Int(bytes[index] &- 0x30)
        }
        return value
    }
}
