// The configuration's JSON Schema, from the same tables by which files are read.
package import Gateway
package import JSON

/// Draws the schema for editors; `gatehouse check` stays the judge.
package enum ConfigurationSchema {
    /// JSON Schema 2020-12 for files with these kinds of plugins.
    package static func json(_ kinds: [PluginKind]) -> JSONValue {
        var definitions: [String: JSONValue] = [
            "service": self.record(EntityFields.service, ["routes": "route", "plugins": "plugin"]),
            "route": self.record(EntityFields.route, ["plugins": "plugin"]),
            "upstream": self.record(EntityFields.upstream, ["targets": "target"]),
            "target": self.record(EntityFields.target, [:]),
            "flat_target": self.record(EntityFields.flatTarget, [:]),
            "consumer": self.record(EntityFields.consumer, ["plugins": "plugin"]),
            "consumer_group": self.record(EntityFields.consumerGroup, ["plugins": "plugin"]),
            "plugin": self.plugin(kinds),
            "certificate": self.record(EntityFields.certificate, [:]),
            "sni": self.record(EntityFields.sni, [:]),
            "ca_certificate": self.record(EntityFields.authority, [:]),
            "vault": self.record(EntityFields.vault, [:]),
            "test": self.record(EntityFields.test, [:]),
            "flat_key": self.record(EntityFields.keyCredential + [Self.owner], [:]),
            "flat_acl": self.record(EntityFields.acl + [Self.owner], [:]),
            "flat_subject": self.record(EntityFields.certificateCredential + [Self.owner], [:]),
        ]
        for kind in kinds { definitions["config-\(kind.name)"] = self.record(kind.schema, [:]) }
        var root =
            self.record(
                EntityFields.file,
                [
                    "services": "service", "routes": "route", "consumers": "consumer",
                    "upstreams": "upstream", "targets": "flat_target",
                    "consumer_groups": "consumer_group", "plugins": "plugin", "vaults": "vault",
                    "tests": "test", "certificates": "certificate", "snis": "sni",
                    "ca_certificates": "ca_certificate",
                    "keyauth_credentials": "flat_key", "acls": "flat_acl",
                    "mtls_auth_credentials": "flat_subject",
                ]
            ).object ?? [:]
        root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        root["title"] = "Gatehouse configuration"
        root["$defs"] = .object(definitions)
        return .object(root)
    }

    private static let owner = FieldSchema("consumer", EntityFields.reference, required: true)

    /// A plugin's outline, and by its name what `config` may hold.
    private static func plugin(_ kinds: [PluginKind]) -> JSONValue {
        var outline = self.record(EntityFields.plugin, [:]).object ?? [:]
        var properties = outline["properties"]?.object ?? [:]
        properties["name"] = ["enum": .array(kinds.map { .string($0.name) })]
        outline["properties"] = .object(properties)
        outline["allOf"] = .array(
            kinds.map { kind in
                [
                    "if": ["properties": ["name": ["const": .string(kind.name)]]],
                    "then": ["properties": ["config": ["$ref": .string("#/$defs/config-\(kind.name)")]]],
                ]
            }
        )
        return .object(outline)
    }

    /// A record; `nested` names the definitions of what its lists hold.
    private static func record(_ fields: [FieldSchema], _ nested: [String: String]) -> JSONValue {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            var schema: [String: JSONValue]
            if let definition = nested[field.name] {
                schema = ["type": ["array", "null"], "items": ["$ref": .string("#/$defs/\(definition)")]]
            } else {
                schema = self.field(field)
            }
            if !field.help.isEmpty { schema["description"] = .string(field.help) }
            if let standard = field.default, field.status == .served { schema["default"] = standard }
            properties[field.name] = .object(schema)
        }
        var members: [String: JSONValue] = [
            "type": "object", "additionalProperties": false, "properties": .object(properties),
        ]
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.name) }
        if !required.isEmpty { members["required"] = .array(required) }
        return .object(members)
    }

    private static func field(_ field: FieldSchema) -> [String: JSONValue] {
        switch field.status {
        case .served, .inert:
            let schema = self.type(field.type, field)
            guard !field.isRequired, !schema.isEmpty else { return schema }
            return ["anyOf": [.object(schema), ["type": "null"]]]
        case .notYet: return ["enum": .array([.null, .array([])] + (field.default.map { [$0] } ?? []))]
        case .refused: return ["type": "null"]
        }
    }

    private static let reference: JSONValue = ["type": "string", "pattern": "^\\{vault://|\\$\\{\\{"]

    private static func type(_ type: FieldType, _ field: FieldSchema) -> [String: JSONValue] {
        switch type {
        case .string:
            guard field.oneOf.isEmpty else {
                let words: JSONValue = ["enum": .array(field.oneOf.map { .string($0) })]
                return ["anyOf": [words, self.reference]]
            }
            return ["type": "string"]
        case .integer, .number:
            var number: [String: JSONValue] =
                if case .integer = type { ["type": "integer"] } else { ["type": "number"] }
            if let range = field.range {
                number["minimum"] = .number(range.lowerBound)
                number["maximum"] = .number(range.upperBound)
            }
            return ["anyOf": [.object(number), self.reference]]
        case .boolean: return ["anyOf": [["type": "boolean"], self.reference]]
        case .list(let element): return ["type": "array", "items": .object(self.type(element, field))]
        case .map(let element):
            return ["type": "object", "additionalProperties": .object(self.type(element, field))]
        case .record(let fields): return self.record(fields, [:]).object ?? [:]
        case .any: return [:]
        }
    }
}
