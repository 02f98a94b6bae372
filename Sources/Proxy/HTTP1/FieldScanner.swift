// Field lines: octets to a table of ranges.

/// What is wrong with a head's lines; requests and answers say it in their own words.
enum HeadFault: Error, Equatable {
    case fieldName, fieldValue, lineEnd, obsoleteFold, tooManyFields
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
        var (index, firstLineEnd) = (start, known)
        while index < bytes.count {
            if bytes[index] == Octet.lineFeed {
                guard index > 0, bytes[index &- 1] == Octet.carriageReturn else { return .bareLineFeed }
                if index >= 3, bytes[index &- 2] == Octet.lineFeed { return .at(index &+ 1) }
                if firstLineEnd == nil { firstLineEnd = index }
            }
            index &+= 1
        }
        return .notYet(firstLineEnd: firstLineEnd)
    }

    /// Reads the field lines that begin at `start` into `ranges`, up to the empty line.
    static func read(
        _ bytes: [UInt8],
        from start: Int,
        limit: Int,
        into ranges: inout [FieldRange]
    ) throws(HeadFault) {
        let span = bytes.span
        var index = start
        while true {
            let first = span[index]
            if first == Octet.carriageReturn {
                guard span[index &+ 1] == Octet.lineFeed else { throw .lineEnd }
                return
            }
            guard first != Octet.space, first != Octet.tab else { throw .obsoleteFold }
            guard ranges.count < limit else { throw .tooManyFields }
            let nameStart = index
            while Octet.isToken(span[index]) { index &+= 1 }
            guard span[index] == Octet.colon, index > nameStart else { throw .fieldName }
            let nameEnd = index
            let value = try Self.value(span, after: nameEnd)
            index = value.upperBound
            while span[index] != Octet.lineFeed { index &+= 1 }
            index &+= 1
            ranges.append(
                FieldRange(
                    nameStart: UInt32(truncatingIfNeeded: nameStart),
                    nameEnd: UInt32(truncatingIfNeeded: nameEnd),
                    valueStart: UInt32(truncatingIfNeeded: value.lowerBound),
                    valueEnd: UInt32(truncatingIfNeeded: value.upperBound),
                    lineEnd: UInt32(truncatingIfNeeded: index),
                    kind: FieldKind(bytes, nameStart..<nameEnd)
                )
            )
        }
    }

    /// Gives where the value after the colon stands, without whitespace around it.
    @inline(__always)
    private static func value(_ span: Span<UInt8>, after colon: Int) throws(HeadFault) -> Range<Int> {
        var start = colon &+ 1
        while span[start] == Octet.space || span[start] == Octet.tab { start &+= 1 }
        var end = start
        while Octet.isFieldValue(span[end]) { end &+= 1 }
        guard span[end] == Octet.carriageReturn else {
            throw span[end] == Octet.lineFeed ? .lineEnd : .fieldValue
        }
        guard span[end &+ 1] == Octet.lineFeed else { throw .lineEnd }
        while end > start, span[end &- 1] == Octet.space || span[end &- 1] == Octet.tab { end &-= 1 }
        return start..<end
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
