// A JSON value: the only shape in which documents travel.

/// A JSON value (RFC 8259 §3).
///
/// Integers and other numbers are kept apart, so that an identifier of 18 digits survives.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// An integer within 64 bits.
    case integer(Int64)
    /// An integer beyond 64 bits: its digits, as they were written.
    case largeInteger(String)
    /// A number with a fraction or an exponent; always finite when it was parsed.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

/// How much a document may ask of its reader.
package struct JSONLimits: Sendable, Equatable {
    /// The greatest size of the text.
    package var maximumBytes: Int
    /// How deep arrays and objects may nest; the outermost one counts.
    package var maximumDepth: Int

    /// Sets both limits.
    package init(maximumBytes: Int, maximumDepth: Int) {
        self.maximumBytes = maximumBytes
        self.maximumDepth = maximumDepth
    }

    /// One mebibyte, 64 levels.
    package static let standard = JSONLimits(maximumBytes: 1 << 20, maximumDepth: 64)
}

/// Why a text is no JSON value, or a value not of the wanted shape; never carries the input.
package enum JSONError: Error, Sendable, Equatable {
    case tooLarge(limit: Int)
    case tooDeep(limit: Int)
    /// The text breaks the grammar at this byte; a document is an object or an array.
    case syntax(position: Int)
    /// The text is no UTF-8 at this byte.
    case invalidUTF8(position: Int)
    /// A string holds U+0000, which no document of ours may.
    case nulCharacter(position: Int)
    /// A number is beyond what a double can hold.
    case numberOverflow(position: Int)
    /// An object has two members of one name (RFC 8259 §4 leaves the meaning open).
    case duplicateName(position: Int)
    /// Memory ran out.
    case outOfMemory
    /// A member that was asked for is absent.
    case missing(path: String)
    /// A member is of another type than asked for.
    case wrongType(path: String, expected: String)
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// The value `null`.
    package init(nilLiteral: ()) { self = .null }
    /// A truth value.
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An integer.
    package init(integerLiteral value: Int64) { self = .integer(value) }
    /// A number.
    package init(floatLiteral value: Double) { self = .number(value) }
    /// A string.
    package init(stringLiteral value: String) { self = .string(value) }
    /// An array.
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object.
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}
