// Who the request is for, as the upstream is told.
import Proxy

/// The fields by which an upstream learns of an identity: Kong's names.
enum IdentityFields {
    private static let consumerID: FieldName = "x-consumer-id"
    private static let consumerUsername: FieldName = "x-consumer-username"
    private static let consumerCustomID: FieldName = "x-consumer-custom-id"
    private static let anonymousConsumer: FieldName = "x-anonymous-consumer"
    private static let credentialIdentifier: FieldName = "x-credential-identifier"
    private static let authenticatedGroups: FieldName = "x-authenticated-groups"

    /// Sets them; a value that no field may hold refuses the request (H3).
    static func set(_ identity: Identity, on fields: inout FieldEdits) throws(Refusal) {
        do throws(FieldEditError) {
            if let consumer = identity.consumer {
                try fields.set(Self.consumerID, consumer.id)
                if let username = consumer.username { try fields.set(Self.consumerUsername, username) }
                if let customID = consumer.customID { try fields.set(Self.consumerCustomID, customID) }
            }
            if identity.isAnonymous {
                fields.set(Self.anonymousConsumer, constant: "true")
            } else if let identifier = identity.credentialIdentifier {
                try fields.set(Self.credentialIdentifier, FieldText.encoded(identifier))
            }
            if !identity.groups.isEmpty {
                // A comma within a group would be read as a second group.
                let groups = identity.groups.map { FieldText.encoded($0, alsoComma: true) }
                try fields.set(Self.authenticatedGroups, groups.joined(separator: ", "))
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
