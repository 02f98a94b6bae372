// Pieces of a JSON text that was checked, as values.

internal import JSON

/// Makes values of pieces of a text that `JSONScanner` let pass; of any other text what it makes means nothing.
enum JSONPiece {
    /// The text between two quotes.
    static func string(_ text: Span<UInt8>, _ range: Range<Int>) -> String {
        let piece = text.extracting(range)
        if !Self.hasEscape(piece), let plain = try? UTF8Span(validating: piece) {
            return String(copying: plain)
        }
        var octets: [UInt8] = []
        octets.reserveCapacity(piece.count)
        var index = 0
        while index < piece.count {
            guard piece[index] == UInt8(ascii: "\\"), index + 1 < piece.count else {
                octets.append(piece[index])
                index += 1
                continue
            }
            index += 2
            switch piece[index - 1] {
            case UInt8(ascii: "b"): octets.append(0x08)
            case UInt8(ascii: "f"): octets.append(0x0C)
            case UInt8(ascii: "n"): octets.append(0x0A)
            case UInt8(ascii: "r"): octets.append(0x0D)
            case UInt8(ascii: "t"): octets.append(0x09)
            case UInt8(ascii: "u"): index = Self.append(piece, codeUnitsAt: index, to: &octets)
            case let octet: octets.append(octet)
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }

    /// Adds the character whose one or two code units begin here; gives where they end.
    private static func append(_ piece: Span<UInt8>, codeUnitsAt start: Int, to octets: inout [UInt8]) -> Int
    {
        let first = Self.hexadecimal(piece, start) ?? 0
        guard first & 0xFC00 == 0xD800 else {
            if let scalar = Unicode.Scalar(first) { octets += UTF8.encode(scalar).map { Array($0) } ?? [] }
            return start + 4
        }
        let second = Self.hexadecimal(piece, start + 6) ?? 0
        let code = 0x1_0000 + (first & 0x3FF) << 10 + second & 0x3FF
        if let scalar = Unicode.Scalar(code) { octets += UTF8.encode(scalar).map { Array($0) } ?? [] }
        return start + 10
    }

    /// Four hexadecimal digits; nothing if they are not.
    static func hexadecimal(_ text: Span<UInt8>, _ start: Int) -> UInt32? {
        guard start >= 0, text.count - start >= 4 else { return nil }
        var value: UInt32 = 0
        for place in start..<(start + 4) {
            switch text[place] {
            case let digit where digit &- UInt8(ascii: "0") < 10:
                value = value << 4 | UInt32(digit &- UInt8(ascii: "0"))
            case let digit where (digit | 0x20) &- UInt8(ascii: "a") < 6:
                value = value << 4 | UInt32((digit | 0x20) &- UInt8(ascii: "a") &+ 10)
            default: return nil
            }
        }
        return value
    }

    /// A number as the nearest double.
    static func double(_ text: Span<UInt8>, _ range: Range<Int>) -> Double {
        Double(Self.ascii(text, range)) ?? 0
    }

    /// Says whether something in a string stands for something else.
    static func hasEscape(_ piece: Span<UInt8>) -> Bool {
        for place in piece.indices where piece[place] == UInt8(ascii: "\\") { return true }
        return false
    }

    /// A number: an integer is kept whole, whatever its size.
    static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> JSONValue {
        var (isInteger, isSmall) = (true, range.count <= 18)
        var value: Int64 = 0
        for place in range {
            let digit = text[place] &- UInt8(ascii: "0")
            if digit < 10 {
                if isSmall { value = value * 10 + Int64(digit) }
            } else if place > range.lowerBound || text[place] != UInt8(ascii: "-") {
                isInteger = false
                isSmall = false
            }
        }
        if isSmall { return .integer(text[range.lowerBound] == UInt8(ascii: "-") ? -value : value) }
        guard isInteger else { return .number(double(text, range)) }
        let digits = ascii(text, range)
        return Int64(digits).map(JSONValue.integer) ?? .largeInteger(digits)
    }

    private static func ascii(_ text: Span<UInt8>, _ range: Range<Int>) -> String {
        let piece = text.extracting(range)
        return String(
            decoding: [UInt8](capacity: piece.count) { output in
                for place in piece.indices { output.append(piece[place]) }
            },
            as: UTF8.self
        )
    }
}

extension JSONPiece {
    /// The value at a place, which goes to behind it.
    static func value(_ text: Span<UInt8>, at index: inout Int) -> JSONValue {
        guard index < text.count else { return .null }
        switch text[index] {
        case UInt8(ascii: "\""): return .string(string(text, name(text, at: &index)))
        case UInt8(ascii: "{"): return object(text, at: &index)
        case UInt8(ascii: "["): return array(text, at: &index)
        case UInt8(ascii: "t"):
            index += 4
            return .bool(true)
        case UInt8(ascii: "f"):
            index += 5
            return .bool(false)
        case UInt8(ascii: "n"):
            index += 4
            return .null
        default:
            let start = index
            while index < text.count, isOfNumber(text[index]) { index += 1 }
            return number(text, start..<index)
        }
    }

    /// Goes to behind the value at a place.
    static func skip(_ text: Span<UInt8>, at index: inout Int) {
        switch text[index] {
        case UInt8(ascii: "\""): _ = name(text, at: &index)
        case UInt8(ascii: "{"), UInt8(ascii: "["): _ = value(text, at: &index)
        default:
            while index < text.count, isOfNumber(text[index]) || isOfWord(text[index]) { index += 1 }
        }
    }

    private static func isOfWord(_ octet: UInt8) -> Bool { octet &- UInt8(ascii: "a") < 26 }

    private static func isOfNumber(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }

    /// The place of a string between its quotes.
    private static func name(_ text: Span<UInt8>, at index: inout Int) -> Range<Int> {
        let start = index + 1
        var end = start
        while end < text.count, text[end] != UInt8(ascii: "\"") {
            end += text[end] == UInt8(ascii: "\\") ? 2 : 1
        }
        index = end + 1
        return start..<end
    }

    private static func object(_ text: Span<UInt8>, at index: inout Int) -> JSONValue {
        var members: [String: JSONValue] = [:]
        index += 1
        while next(text, &index) != UInt8(ascii: "}") {
            let key = string(text, name(text, at: &index))
            _ = next(text, &index)
            members[key] = value(text, at: &index)
        }
        index += 1
        return .object(members)
    }

    private static func array(_ text: Span<UInt8>, at index: inout Int) -> JSONValue {
        var elements: [JSONValue] = []
        index += 1
        while next(text, &index) != UInt8(ascii: "]") { elements.append(value(text, at: &index)) }
        index += 1
        return .array(elements)
    }

    /// The next octet that says something, behind white space, commas and colons; a bracket where there is none.
    static func next(_ text: Span<UInt8>, _ index: inout Int) -> UInt8 {
        while index < text.count {
            switch text[index] {
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: ":"): index += 1
            case let octet: return octet
            }
        }
        return UInt8(ascii: "]")
    }
}
