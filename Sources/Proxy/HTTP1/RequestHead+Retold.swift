// A request of another hop, told by its fields: written down as it stood there, and what has to be taken out of it.

extension RequestHead {
    /// Whether the path stands in the target as it is canonical.
    package var isPathAsWritten: Bool { self.pathRange.lowerBound == self.targetRange.lowerBound }

    /// A head with this one's fields, save those in `dropped`; the guard reads it like any other.
    ///
    /// - Parameter storage: a head that nobody needs any more; what it holds its octets in is used again.
    package func retold(
        method: ArraySlice<UInt8>,
        target: ArraySlice<UInt8>,
        authority: ArraySlice<UInt8>,
        dropping dropped: FieldNameSet,
        limits: ProxyLimits,
        into storage: consuming RequestHead
    ) throws(RequestRefusal) -> RequestHead {
        storage.reset()
        storage.fields.ranges.reserveCapacity(self.fields.ranges.count + 1)
        self.write(method, target, authority, dropping: dropped, into: &storage.fields.bytes)
        try storage.readWhole(limits: limits)
        return storage
    }

    private func write(
        _ method: ArraySlice<UInt8>,
        _ target: ArraySlice<UInt8>,
        _ authority: ArraySlice<UInt8>,
        dropping dropped: FieldNameSet,
        into octets: inout [UInt8]
    ) {
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
    }

    /// Names of fields, as they are spelled here, that an upstream must not see: those in `dropped` in any spelling,
    /// and those that `edits` take away or replace under another spelling (H1).
    package func namesToTakeOff(_ edits: FieldEdits, dropping dropped: FieldNameSet) -> [FieldName] {
        var names: [FieldName] = []
        for field in self.fields.ranges where !field.isRemoved {
            guard
                dropped.contains(self.fields.bytes, field.name)
                    || edits.hides(self.fields.bytes, field.name, folding: true),
                !edits.adds(self.fields.bytes, field.name)
            else { continue }
            guard let name = FieldName(self.fields.name(field)), !names.contains(name) else { continue }
            names.append(name)
        }
        return names
    }
}
