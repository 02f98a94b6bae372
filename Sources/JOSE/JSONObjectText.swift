// A JSON object as it was written: checked once, read where somebody asks.

package import JSON

/// A JSON object as text, checked by the strict rules of `JSONScanner`; its members become values when they are asked for.
///
/// The header and the claims of a token are such texts: most of what they hold nobody asks for.
package struct JSONObjectText: Sendable {
    /// What was written.
    let octets: [UInt8]
    private let members: [JSONScanner.Member]

    /// How deep a token's texts may nest; the object itself counts.
    package static let maximumDepth = JSONLimits.standard.maximumDepth

    /// Checks a text of at most one mebibyte.
    ///
    /// - Throws: `JSONError`, with the position of the fault and nothing of the text.
    package init(_ octets: [UInt8]) throws(JSONError) {
        let limit = JSONLimits.standard.maximumBytes
        guard octets.count <= limit else { throw .tooLarge(limit: limit) }
        members = try JSONScanner(octets.span, maximumDepth: Self.maximumDepth).members
        self.octets = octets
    }

    /// Says whether there is a member of this name.
    package func has(_ name: String) -> Bool { place(name) != nil }

    /// The member of this name.
    package subscript(_ name: String) -> JSONValue? {
        guard var place = place(name)?.lowerBound else { return nil }
        return JSONPiece.value(octets.span, at: &place)
    }

    /// The value at the end of a path of member names.
    package func value(at path: [String]) -> JSONValue? {
        guard let first = path.first else { return value }
        guard path.count > 1 else { return self[first] }
        return self[first]?.value(at: Array(path.dropFirst()))
    }

    /// About how many bytes of memory the text and the places of its members hold.
    package var approximateBytes: Int {
        octets.capacity + members.capacity * MemoryLayout<JSONScanner.Member>.stride + 128
    }

    /// The text of the member of this name, if it is a string.
    package func string(_ name: String) -> String? {
        guard let place = place(name), isString(place) else { return nil }
        return JSONPiece.string(octets.span, Self.within(place))
    }

    /// The number of the member of this name, if it is one.
    package func number(_ name: String) -> Double? {
        place(name).flatMap { number(at: $0) }
    }

    /// The number at a place, if it is one.
    func number(at place: Range<Int>) -> Double? {
        guard !isString(place) else { return nil }
        let first = octets[place.lowerBound]
        guard first == UInt8(ascii: "-") || first &- UInt8(ascii: "0") < 10 else { return nil }
        return JSONPiece.number(octets.span, place).number
    }

    /// Says whether the member of this name is a string of just these octets; nothing if it is absent or no string.
    package func string(_ name: String, is text: String) -> Bool? {
        guard let place = place(name), isString(place) else { return nil }
        return isString(Self.within(place), text)
    }

    /// Says whether what is at a place is a string of just these octets.
    func isString(at place: Range<Int>, _ text: String) -> Bool {
        isString(place) && isString(Self.within(place), text)
    }

    /// Says whether the member of this name is a string, or an array of strings alone.
    package func isStringOrStrings(_ name: String) -> Bool {
        place(name).map { isStringOrStrings(at: $0) } ?? false
    }

    /// Says whether what is at a place is a string, or an array of strings alone.
    func isStringOrStrings(at place: Range<Int>) -> Bool {
        guard !isString(place) else { return true }
        var isOfStrings = true
        let isArray = forEachElement(place) { element in
            isOfStrings = isOfStrings && isString(element)
            return isOfStrings
        }
        return isArray && isOfStrings
    }

    /// Says whether the member of this name is one of these texts, or an array that has one of them.
    package func names(_ name: String, oneOf texts: [String]) -> Bool {
        place(name).map { names(at: $0, oneOf: texts) } ?? false
    }

    /// Says whether what is at a place is one of these texts, or an array that has one of them.
    func names(at place: Range<Int>, oneOf texts: [String]) -> Bool {
        guard !isString(place) else { return texts.contains { isString(Self.within(place), $0) } }
        var isNamed = false
        forEachElement(place) { element in
            isNamed = isString(element) && texts.contains { isString(Self.within(element), $0) }
            return !isNamed
        }
        return isNamed
    }

    /// Visits the places of an array's elements until it is told to stop; says whether it is an array.
    @discardableResult
    private func forEachElement(_ place: Range<Int>, _ visit: (Range<Int>) -> Bool) -> Bool {
        let text = octets.span
        guard text[place.lowerBound] == UInt8(ascii: "[") else { return false }
        var index = place.lowerBound + 1
        while JSONPiece.next(text, &index) != UInt8(ascii: "]") {
            let start = index
            JSONPiece.skip(text, at: &index)
            guard visit(start..<index) else { break }
        }
        return true
    }

    /// Says whether what is between two quotes is a text.
    private func isString(_ place: Range<Int>, _ text: String) -> Bool {
        let (piece, wanted) = (octets.span.extracting(place), text.utf8.span)
        // What an escape stands for is shorter than it.
        guard piece.count >= wanted.count else { return false }
        for place in piece.indices {
            guard piece[place] != UInt8(ascii: "\\") else {
                return JSONPiece.string(piece, 0..<piece.count).isIdentical(toUTF8Of: text)
            }
            guard place < wanted.count, piece[place] == wanted[place] else { return false }
        }
        return piece.count == wanted.count
    }

    /// Says whether the member of this name is a string.
    package func isString(_ name: String) -> Bool { place(name).map(isString) ?? false }

    /// The whole object as a value.
    package var value: JSONValue {
        var values: [String: JSONValue] = [:]
        values.reserveCapacity(members.count)
        for member in members {
            var place = member.value.lowerBound
            values[JSONPiece.string(octets.span, member.name)] = JSONPiece.value(octets.span, at: &place)
        }
        return .object(values)
    }

    // MARK: Places

    /// Says whether what is at a place is a string.
    func isString(_ place: Range<Int>) -> Bool { octets[place.lowerBound] == UInt8(ascii: "\"") }

    private static func within(_ string: Range<Int>) -> Range<Int> {
        (string.lowerBound + 1)..<(string.upperBound - 1)
    }

    /// Visits the registered claims, with the places of their values.
    func forEachRegistered(_ visit: (RegisteredClaims.Name, Range<Int>) -> Void) {
        for index in members.indices {
            let member = members[index]
            if member.mark.isPlain {
                if let name = RegisteredClaims.Name(member.mark) { visit(name, member.value) }
            } else {
                let text = JSONPiece.string(octets.span, member.name)
                if let name = RegisteredClaims.Name(NameMark(text.utf8.span, 0..<text.utf8.count)) {
                    visit(name, member.value)
                }
            }
        }
    }

    /// Where the value of the member of this name is; names are compared octet by octet, after unescaping.
    private func place(_ name: String) -> Range<Int>? {
        let name = name.utf8.span
        let mark = NameMark(name, 0..<name.count)
        for index in members.indices {
            let member = members[index]
            if member.mark == mark {
                guard !mark.isWhole else { return member.value }
                if Self.areEqual(octets.span.extracting(member.name), name) { return member.value }
            } else if !member.mark.isPlain {
                let text = JSONPiece.string(octets.span, member.name)
                if Self.areEqual(text.utf8.span, name) { return member.value }
            }
        }
        return nil
    }

    private static func areEqual(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        guard one.count == other.count else { return false }
        for place in one.indices where one[place] != other[place] { return false }
        return true
    }
}
