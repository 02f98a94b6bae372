// A request of another hop, told by its fields: written down as it stood there, and what has to be taken out of it.

extension RequestHead {
    /// Whether the path stands in the target as it is canonical.
    package var isPathAsWritten: Bool { self.pathRange.lowerBound == self.targetRange.lowerBound }

    /// The octets of a head with this one's fields, save those in `dropped`; the guard reads it like any other.
    package func retold(
        method: [UInt8],
        target: [UInt8],
        authority: [UInt8],
        dropping dropped: FieldNameSet
    ) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(self.fields.bytes.count + target.count + authority.count)
        octets.append(contentsOf: method)
        octets.append(Octet.space)
        octets.append(contentsOf: target)
        octets.append(" HTTP/1.1\r\nHost: ")
        octets.append(contentsOf: authority)
        octets.append("\r\n")
        for field in self.fields.ranges
        where !field.isRemoved && !dropped.contains(self.fields.bytes, field.name) {
            octets.append(contentsOf: self.fields.bytes[Int(field.nameStart)..<Int(field.lineEnd)])
        }
        octets.append("\r\n")
        return octets
    }

    /// Names of fields, as they are spelled here, that an upstream must not see: those in `dropped` in any spelling,
    /// and those that `edits` take away or replace under another spelling (H1).
    package func namesToTakeOff(_ edits: FieldEdits, dropping dropped: FieldNameSet) -> [String] {
        var names: [String] = []
        for field in self.fields.ranges where !field.isRemoved {
            guard
                dropped.contains(self.fields.bytes, field.name)
                    || edits.hides(self.fields.bytes, field.name, folding: true)
            else { continue }
            let text = self.fields.name(field).lowercased()
            guard let name = FieldName(text), !edits.adds(name), !names.contains(text) else { continue }
            names.append(text)
        }
        return names
    }
}
