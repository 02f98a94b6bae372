// The grammar of JSON over octets, for the two small texts of a token.

internal import JSON

/// Reads one JSON object octet by octet, strictly, and keeps where its members are.
///
/// RFC 8259 to the letter, and besides: names are unique in every object after unescaping (RFC 7515 §4, RFC 7519 §4),
/// texts are UTF-8, nothing holds U+0000, numbers with a fraction or an exponent are finite. It takes and refuses
/// what `JSONValue(parsing:)` does, which is the second opinion in every test.
struct JSONScanner {
    /// A member of an object: the places of its name, between the quotes, and of its value.
    struct Member: Sendable {
        private let nameStart: UInt32
        private let nameEnd: UInt32
        private let valueStart: UInt32
        fileprivate var valueEnd: UInt32
        /// Of the name: what differs here differs.
        let mark: NameMark

        fileprivate init(name: Range<Int>, valueStart: Int, mark: NameMark) {
            nameStart = UInt32(truncatingIfNeeded: name.lowerBound)
            nameEnd = UInt32(truncatingIfNeeded: name.upperBound)
            self.valueStart = UInt32(truncatingIfNeeded: valueStart)
            valueEnd = self.valueStart
            self.mark = mark
        }

        var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
        var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
    }

    /// The members of all objects that are open, those of the outermost first; in the end, its alone.
    private(set) var members: [Member] = []
    private var index = 0
    private var depth = 0
    private let maximumDepth: Int

    /// Reads a text that is one object.
    init(_ text: Span<UInt8>, maximumDepth: Int) throws(JSONError) {
        self.maximumDepth = maximumDepth
        members.reserveCapacity(24)
        skipSpace(text)
        guard index < text.count, text[index] == UInt8(ascii: "{") else { throw .syntax(position: index) }
        try object(text)
        skipSpace(text)
        guard index == text.count else { throw .syntax(position: index) }
    }

    // MARK: Objects and arrays

    private mutating func object(_ text: Span<UInt8>) throws(JSONError) {
        try descend()
        let first = members.count
        index += 1
        skipSpace(text)
        if try octet(text) == UInt8(ascii: "}") {
            index += 1
            depth -= 1
            return
        }
        var isSure = true
        while true {
            let mark = try name(text)
            let place = members.count - 1
            isSure = isSure && place - first < 24 && mark.isPlain && !has(mark, first..<place)
            try value(text)
            members[place].valueEnd = UInt32(truncatingIfNeeded: index)
            skipSpace(text)
            let end = try octet(text)
            index += 1
            if end == UInt8(ascii: "}") { break }
            guard end == UInt8(ascii: ",") else { throw .syntax(position: index - 1) }
            skipSpace(text)
        }
        if !isSure { try checkNames(text, from: first) }
        depth -= 1
        // Of inner objects only the extent is of use.
        if depth > 0 { members.removeLast(members.count - first) }
    }

    /// Reads a name and what is between it and the value; adds the member.
    private mutating func name(_ text: Span<UInt8>) throws(JSONError) -> NameMark {
        guard try octet(text) == UInt8(ascii: "\"") else { throw .syntax(position: index) }
        let start = index + 1
        let isPlain = try string(text)
        let name = start..<(index - 1)
        let mark = isPlain ? NameMark(text, name) : .notPlain
        skipSpace(text)
        guard try octet(text) == UInt8(ascii: ":") else { throw .syntax(position: index) }
        index += 1
        skipSpace(text)
        members.append(Member(name: name, valueStart: index, mark: mark))
        return mark
    }

    private func has(_ mark: NameMark, _ range: Range<Int>) -> Bool {
        for place in range where members[place].mark == mark { return true }
        return false
    }

    private mutating func array(_ text: Span<UInt8>) throws(JSONError) {
        try descend()
        index += 1
        skipSpace(text)
        if try octet(text) == UInt8(ascii: "]") {
            index += 1
            depth -= 1
            return
        }
        while true {
            try value(text)
            skipSpace(text)
            let end = try octet(text)
            index += 1
            if end == UInt8(ascii: "]") { break }
            guard end == UInt8(ascii: ",") else { throw .syntax(position: index - 1) }
            skipSpace(text)
        }
        depth -= 1
    }

    private mutating func descend() throws(JSONError) {
        depth += 1
        guard depth <= maximumDepth else { throw .tooDeep(limit: maximumDepth) }
    }

    private mutating func value(_ text: Span<UInt8>) throws(JSONError) {
        switch try octet(text) {
        case UInt8(ascii: "\""): _ = try string(text)
        case UInt8(ascii: "{"): try object(text)
        case UInt8(ascii: "["): try array(text)
        case UInt8(ascii: "t"): try word(text, 0x7472_7565, from: index)
        case UInt8(ascii: "f"): try word(text, 0x616C_7365, from: index + 1)
        case UInt8(ascii: "n"): try word(text, 0x6E75_6C6C, from: index)
        default: try number(text)
        }
    }

    /// Reads four letters, given as one number.
    private mutating func word(_ text: Span<UInt8>, _ letters: UInt32, from start: Int) throws(JSONError) {
        guard text.count - start >= 4 else { throw .syntax(position: index) }
        let found =
            UInt32(text[start]) << 24 | UInt32(text[start + 1]) << 16 | UInt32(text[start + 2]) << 8
            | UInt32(text[start + 3])
        guard found == letters else { throw .syntax(position: index) }
        index = start + 4
    }

    private func octet(_ text: Span<UInt8>) throws(JSONError) -> UInt8 {
        guard index < text.count else { throw .syntax(position: index) }
        return text[index]
    }

    private mutating func skipSpace(_ text: Span<UInt8>) {
        while index < text.count, text[index] <= 0x20 {
            switch text[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return
            }
        }
    }

    // MARK: Names

    /// Refuses an object with two members of one name, exactly.
    ///
    /// Called where the marks do not settle it: many names, or one with escapes or beyond ASCII, or two of one mark.
    /// To a `String`, and so to whoever looks a claim up in a table, canonically equal names are one.
    private func checkNames(_ text: Span<UInt8>, from first: Int) throws(JSONError) {
        var names: Set<String> = []
        names.reserveCapacity(members.count - first)
        for member in members[first...] {
            guard names.insert(JSONPiece.string(text, member.name)).inserted else {
                throw .duplicateName(position: member.name.lowerBound)
            }
        }
    }

    // MARK: Strings

    /// Reads a string with its quotes; says whether it is ASCII without escapes.
    private mutating func string(_ text: Span<UInt8>) throws(JSONError) -> Bool {
        index += 1
        var isPlain = true
        while true {
            skipPlain(text)
            switch try octet(text) {
            case UInt8(ascii: "\""):
                index += 1
                return isPlain
            case UInt8(ascii: "\\"): try escape(text)
            case 0x80...: try character(text)
            case 0: throw .nulCharacter(position: index)
            default: throw .syntax(position: index)
            }
            isPlain = false
        }
    }

    /// Goes to the next octet that is not simply itself: a quote, an escape, a control, or one beyond ASCII.
    private mutating func skipPlain(_ text: Span<UInt8>) {
        // Eight at once: of each the highest bit is left where it is one of those; the first of them is exact, what
        // a borrow makes of octets behind it does not matter.
        let (ones, highest): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
        while index &+ 8 <= text.count {
            let eight = text.extracting(index..<(index &+ 8))
            var octets: UInt64 = 0
            for offset in 0..<8 { octets |= UInt64(eight[offset]) &<< UInt64(8 &* offset) }
            let quote = octets ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let escape = octets ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let found =
                ((quote &- ones) & ~quote | (escape &- ones) & ~escape | (octets &- ones &* 0x20) & ~octets
                    | octets) & highest
            guard found == 0 else {
                index &+= found.trailingZeroBitCount &>> 3
                return
            }
            index &+= 8
        }
        while index < text.count {
            let octet = text[index]
            guard octet != UInt8(ascii: "\""), octet != UInt8(ascii: "\\"), octet &- 0x20 < 0x60 else {
                return
            }
            index &+= 1
        }
    }

    private mutating func escape(_ text: Span<UInt8>) throws(JSONError) {
        index += 1
        switch try octet(text) {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            index += 1
        case UInt8(ascii: "u"): try codeUnits(text)
        default: throw .syntax(position: index)
        }
    }

    /// Reads the rest of an escaped code unit, and its partner where it is half of a pair.
    private mutating func codeUnits(_ text: Span<UInt8>) throws(JSONError) {
        index += 1
        let unit = try hexadecimal(text)
        guard unit != 0 else { throw .nulCharacter(position: index) }
        guard unit & 0xF800 == 0xD800 else { return }
        guard unit < 0xDC00, text.count - index >= 2, text[index] == UInt8(ascii: "\\"),
            text[index + 1] == UInt8(ascii: "u")
        else { throw .syntax(position: index) }
        index += 2
        guard try hexadecimal(text) & 0xFC00 == 0xDC00 else { throw .syntax(position: index) }
    }

    private mutating func hexadecimal(_ text: Span<UInt8>) throws(JSONError) -> UInt32 {
        guard text.count - index >= 4, let unit = JSONPiece.hexadecimal(text, index) else {
            throw .syntax(position: index)
        }
        index += 4
        return unit
    }

    /// Reads one character beyond ASCII: shortest form, no surrogate, at most U+10FFFF (RFC 3629 §4).
    private mutating func character(_ text: Span<UInt8>) throws(JSONError) {
        let count: Int
        let second: ClosedRange<UInt8>
        switch text[index] {
        case 0xC2...0xDF: (count, second) = (2, 0x80...0xBF)
        case 0xE0: (count, second) = (3, 0xA0...0xBF)
        case 0xED: (count, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (count, second) = (3, 0x80...0xBF)
        case 0xF0: (count, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (count, second) = (4, 0x80...0xBF)
        case 0xF4: (count, second) = (4, 0x80...0x8F)
        default: throw .invalidUTF8(position: index)
        }
        guard text.count - index >= count, second.contains(text[index + 1]) else {
            throw .invalidUTF8(position: index)
        }
        for offset in 2..<max(2, count) where text[index + offset] & 0xC0 != 0x80 {
            throw .invalidUTF8(position: index)
        }
        index += count
    }

    // MARK: Numbers

    private mutating func number(_ text: Span<UInt8>) throws(JSONError) {
        let start = index
        if text[index] == UInt8(ascii: "-") { index += 1 }
        var power = 0
        if try octet(text) == UInt8(ascii: "0") { index += 1 } else { power = try digits(text) }
        var isReal = false
        if index < text.count, text[index] == UInt8(ascii: ".") {
            isReal = true
            index += 1
            _ = try digits(text)
        }
        if index < text.count, text[index] | 0x20 == UInt8(ascii: "e") {
            isReal = true
            index += 1
            power += try exponent(text)
        }
        // Below 10^308 a double is finite; beyond, the number itself is asked.
        guard isReal, power > 308 else { return }
        guard JSONPiece.double(text, start..<index).isFinite else { throw .numberOverflow(position: start) }
    }

    /// Reads digits, at least one; gives how many.
    private mutating func digits(_ text: Span<UInt8>) throws(JSONError) -> Int {
        let start = index
        while index < text.count, text[index] &- UInt8(ascii: "0") < 10 { index += 1 }
        guard index > start else { throw .syntax(position: index) }
        return index - start
    }

    /// Reads an exponent's sign and digits; beyond any that matters, which one is of no interest.
    private mutating func exponent(_ text: Span<UInt8>) throws(JSONError) -> Int {
        var isNegative = false
        switch try octet(text) {
        case UInt8(ascii: "-"):
            isNegative = true
            index += 1
        case UInt8(ascii: "+"): index += 1
        default: break
        }
        let start = index
        _ = try digits(text)
        var exponent = 0
        for place in start..<index where exponent < 1 << 32 {
            exponent = exponent * 10 + Int(text[place] &- UInt8(ascii: "0"))
        }
        return isNegative ? -exponent : exponent
    }
}

/// What is known of a name in one number: two names of different marks differ.
struct NameMark: Sendable, Equatable {
    /// The length in the highest octet; then the name itself, or the ends of a long one.
    let bits: UInt64

    /// The mark of every name with escapes or beyond ASCII.
    static let notPlain = NameMark(bits: .max)

    private init(bits: UInt64) { self.bits = bits }

    /// Whether the octets of the name are its characters.
    var isPlain: Bool { bits != .max }

    /// Whether the mark is the whole name: then two of one mark are equal.
    var isWhole: Bool { bits >> 56 <= 7 }

    init(_ text: Span<UInt8>, _ name: Range<Int>) {
        let count = name.count
        // The name's first octets in one number; at the text's end one by one.
        let first = name.lowerBound &+ 8 <= text.count ? Self.eight(text, name.lowerBound) : nil
        let octets = first ?? Self.octets(text, name.lowerBound..<min(name.upperBound, name.lowerBound &+ 7))
        var bits = UInt64(min(count, 0xFE)) << 56
        if count <= 7 {
            bits |= octets & (1 &<< UInt64(8 &* count) &- 1)
        } else {
            bits |= octets & 0xFF_FFFF | Self.octets(text, (name.upperBound &- 4)..<name.upperBound) &<< 24
        }
        self.bits = bits
    }

    private static func eight(_ text: Span<UInt8>, _ start: Int) -> UInt64 {
        let eight = text.extracting(start..<(start &+ 8))
        var octets: UInt64 = 0
        for offset in 0..<8 { octets |= UInt64(eight[offset]) &<< UInt64(8 &* offset) }
        return octets
    }

    private static func octets(_ text: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        let piece = text.extracting(range)
        var octets: UInt64 = 0
        for offset in piece.indices { octets |= UInt64(piece[offset]) &<< UInt64(8 &* offset) }
        return octets
    }
}
