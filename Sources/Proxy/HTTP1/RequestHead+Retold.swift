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

    /// Makes it a request with another body, of that type and so many octets; false where the guard refuses that.
    package mutating func carry(type: [UInt8]?, count: Int, limits: ProxyLimits = ProxyLimits()) -> Bool {
        guard let head = try? self.carrying(type: type, count: count, limits: limits) else { return false }
        self = head
        return true
    }

    /// The same request with another body: of that type and so many octets; the guard reads it like any other.
    private func carrying(
        type: [UInt8]?,
        count: Int,
        limits: ProxyLimits
    ) throws(RequestRefusal) -> RequestHead {
        var lines: [UInt8] = []
        if let type {
            lines.append("Content-Type: ")
            lines.append(contentsOf: type)
            lines.append("\r\n")
        }
        lines.append("Content-Length: ")
        lines.appendDecimal(count)
        lines.append("\r\n")
        var head = RequestHead()
        self.write(
            self.methodOctets,
            self.target,
            self.authority,
            dropping: Self.fieldsOfBodies,
            adding: lines,
            into: &head.fields.bytes
        )
        try head.readWhole(limits: limits)
        (head.isHTTP11, head.keepsAlive) = (self.isHTTP11, self.keepsAlive)
        return head
    }

    /// What tells of a body and of how it comes; and `Host`, which is written anew.
    private static let fieldsOfBodies = FieldNameSet([
        "host", "content-type", "content-length", "transfer-encoding", "expect", "trailer",
    ])

    private func write(
        _ method: ArraySlice<UInt8>,
        _ target: ArraySlice<UInt8>,
        _ authority: ArraySlice<UInt8>,
        dropping dropped: FieldNameSet,
        adding lines: [UInt8] = [],
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
        octets.append(contentsOf: lines)
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
