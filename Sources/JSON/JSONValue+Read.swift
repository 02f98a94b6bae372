// Typed reads; the errors of the throwing ones name the path.

extension JSONValue {
    /// The text, if the value is a string.
    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// The integer, if the value is one within 64 bits.
    package var integer: Int64? {
        guard case .integer(let value) = self else { return nil }
        return value
    }

    /// The number as a double, whichever way it was written; a large integer loses its last digits.
    package var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .largeInteger(let digits): Double(digits)
        case .number(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// The truth value, if the value is one.
    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements, if the value is an array.
    package var array: [JSONValue]? {
        guard case .array(let value) = self else { return nil }
        return value
    }

    /// The members, if the value is an object.
    package var object: [String: JSONValue]? {
        guard case .object(let value) = self else { return nil }
        return value
    }

    /// Says whether the value is `null`.
    package var isNull: Bool { self == .null }

    /// The strings, if the value is an array of strings alone.
    package var strings: [String]? {
        guard case .array(let elements) = self else { return nil }
        var strings: [String] = []
        for element in elements {
            guard case .string(let value) = element else { return nil }
            strings.append(value)
        }
        return strings
    }

    /// The member of this name, if the value is an object that has one.
    package subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    /// The value at the end of a path of member names.
    package func value(at path: [String]) -> JSONValue? {
        var current = self
        for name in path {
            guard let next = current[name] else { return nil }
            current = next
        }
        return current
    }
}

extension JSONValue {
    /// The member at a path, which must be there.
    package func required(_ path: String...) throws(JSONError) -> JSONValue {
        try read(path, "a value") { $0 }
    }

    /// The string at a path, which must be there.
    package func requiredString(_ path: String...) throws(JSONError) -> String {
        try read(path, "a string", \.string)
    }

    /// The integer at a path, which must be there.
    package func requiredInteger(_ path: String...) throws(JSONError) -> Int64 {
        try read(path, "an integer", \.integer)
    }

    /// The number at a path, which must be there.
    package func requiredNumber(_ path: String...) throws(JSONError) -> Double {
        try read(path, "a number", \.number)
    }

    /// The truth value at a path, which must be there.
    package func requiredBool(_ path: String...) throws(JSONError) -> Bool {
        try read(path, "true or false", \.bool)
    }

    /// The array at a path, which must be there.
    package func requiredArray(_ path: String...) throws(JSONError) -> [JSONValue] {
        try read(path, "an array", \.array)
    }

    /// The object at a path, which must be there.
    package func requiredObject(_ path: String...) throws(JSONError) -> [String: JSONValue] {
        try read(path, "an object", \.object)
    }

    /// The array of strings at a path, which must be there.
    package func requiredStrings(_ path: String...) throws(JSONError) -> [String] {
        try read(path, "an array of strings", \.strings)
    }

    /// The string at a path, nothing where it is absent; another type is an error.
    package func optionalString(_ path: String...) throws(JSONError) -> String? {
        guard value(at: path) != nil else { return nil }
        return try read(path, "a string", \.string)
    }

    /// The array of strings at a path, nothing where it is absent; another type is an error.
    package func optionalStrings(_ path: String...) throws(JSONError) -> [String]? {
        guard value(at: path) != nil else { return nil }
        return try read(path, "an array of strings", \.strings)
    }

    /// The truth value at a path, nothing where it is absent; another type is an error.
    package func optionalBool(_ path: String...) throws(JSONError) -> Bool? {
        guard value(at: path) != nil else { return nil }
        return try read(path, "true or false", \.bool)
    }

    private func read<T>(
        _ path: [String],
        _ expected: String,
        _ cast: (JSONValue) -> T?
    ) throws(JSONError) -> T {
        let name = path.joined(separator: ".")
        guard let found = value(at: path) else { throw .missing(path: name) }
        guard let result = cast(found) else { throw .wrongType(path: name, expected: expected) }
        return result
    }
}

extension String {
    /// Says whether two texts are the same bytes.
    ///
    /// `==` takes canonically equal texts for one; identifiers are compared code point by code point (RFC 8725 §3.6,
    /// RFC 7519 §2 StringOrURI).
    package func isIdentical(toUTF8Of other: String) -> Bool {
        let (mine, theirs) = (utf8.span, other.utf8.span)
        guard mine.count == theirs.count else { return false }
        for place in mine.indices where mine[place] != theirs[place] { return false }
        return true
    }
}
