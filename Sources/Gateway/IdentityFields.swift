// Who the request is for, as the upstream is told.
import Proxy

/// The fields by which an upstream learns of an identity: Kong's names.
enum IdentityFields {
    /// Sets them; a value that no field may hold refuses the request (H3).
    static func set(_ identity: Identity, on fields: inout FieldEdits) throws(Refusal) {
        do throws(FieldEditError) {
            if let consumer = identity.consumer {
                try fields.set("x-consumer-id", consumer.id)
                if let username = consumer.username { try fields.set("x-consumer-username", username) }
                if let customID = consumer.customID { try fields.set("x-consumer-custom-id", customID) }
            }
            if identity.isAnonymous {
                fields.set("x-anonymous-consumer", constant: "true")
            } else if let identifier = identity.credentialIdentifier {
                try fields.set("x-credential-identifier", FieldText.encoded(identifier))
            }
            if !identity.groups.isEmpty {
                // A comma within a group would be read as a second group.
                let groups = identity.groups.map { FieldText.encoded($0, alsoComma: true) }
                try fields.set("x-authenticated-groups", groups.joined(separator: ", "))
            }
        } catch {
            throw .unsafeField
        }
    }
}

extension Refusal {
    /// A value for the upstream holds what no field may hold (H3).
    package static let unsafeField = Refusal.forbidden(Cause("unsafe-field-value"))
}
