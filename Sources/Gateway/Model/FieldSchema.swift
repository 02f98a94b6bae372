// The fields of a record: name, type, default, and whether we serve them.
package import JSON

/// What a field holds.
package indirect enum FieldType: Sendable {
    case string
    case integer
    case number
    case boolean
    case list(FieldType)
    case record([FieldSchema])
    /// Names that the user chooses, each with a value of one type.
    case map(FieldType)
    /// Any value; the field's owner reads it.
    case any
}

/// Whether and how we serve a field.
package enum FieldStatus: Sendable, Equatable {
    case served
    /// Known by name and not served: an error that says so, unless what is written changes nothing.
    case notYet
    /// Never served: an error with the reason.
    case refused(why: String)
    /// Accepted, and changes no behaviour of ours.
    case inert
}

/// One field of a record.
package struct FieldSchema: Sendable {
    package let name: String
    package let type: FieldType
    package let `default`: JSONValue?
    /// The words that a string, or each element of a list, may be; empty for any.
    package let oneOf: [String]
    /// The range of a number, or of each element of a list.
    package let range: ClosedRange<Double>?
    package let isRequired: Bool
    package let status: FieldStatus
    /// Whether the value must never be shown.
    package let isSecret: Bool
    /// One line for the manual.
    package let help: String

    /// Describes a field.
    package init(
        _ name: String,
        _ type: FieldType,
        default: JSONValue? = nil,
        oneOf: [String] = [],
        range: ClosedRange<Double>? = nil,
        required: Bool = false,
        status: FieldStatus = .served,
        secret: Bool = false,
        help: String = ""
    ) {
        self.name = name
        self.type = type
        self.default = `default`
        self.oneOf = oneOf
        self.range = range
        self.isRequired = required
        self.status = status
        self.isSecret = secret
        self.help = help
    }
}
