// Every field of the openid-connect plugin: name, type, default, what may be written, whether we serve it.
package import Gateway
import JSON

/// The fields of `openid-connect`, as Kong's users write them.
///
/// Defaults are Kong's, except where they would be unsafe; a field that is not served is an error when it is
/// written with another value than its default.
package enum OpenIDConnectFields {
    /// All fields, by name.
    package static let all: [FieldSchema] =
        (issuer + client + methods + proof + introspection + caching + login + logout + answers + claims
        + headers
        + session + browser).sorted { $0.name < $1.name }

    static func field(
        _ name: String,
        _ type: FieldType,
        default: JSONValue? = nil,
        oneOf: [String] = [],
        required: Bool = false,
        status: FieldStatus = .served,
        secret: Bool = false,
        _ help: String
    ) -> FieldSchema {
        FieldSchema(
            name,
            type,
            default: `default`,
            oneOf: oneOf,
            required: required,
            status: status,
            secret: secret,
            help: help
        )
    }
}
