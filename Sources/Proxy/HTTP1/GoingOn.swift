// What of a head goes on as things stand: for rules that change fields.

extension FieldName {
    /// Whether fields of this name are this hop's own: framing, routing, hop by hop, or spelled like those.
    package var belongsToHop: Bool {
        switch self.kind {
        case .host, .contentLength, .transferEncoding, .expect, .connection, .keepAlive, .proxyConnection,
            .te, .trailer, .upgrade, .proxyAuthorization, .proxyAuthenticate, .maxForwards, .misspelt:
            true
        case .xForwardedFor, .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedPath,
            .xForwardedPrefix, .hearsay, .other:
            false
        }
    }
}

extension FieldEdits {
    /// The values that are set or added under that name, in order.
    package func values(of name: FieldName) -> [[UInt8]] {
        self.additions.filter { self.isNamed($0, name) }.map { Array(self.lines[$0.value]) }
    }
}

extension RequestHead {
    /// Whether the client's own field reaches the upstream, as the head's writer will see it.
    ///
    /// - Parameters:
    ///   - edits: what was changed so far.
    ///   - dropped: names that are never taken from a client.
    package func goesOn(
        _ field: FieldRange,
        after edits: FieldEdits,
        dropping dropped: FieldNameSet,
        isTrusted: Bool
    ) -> Bool {
        guard !field.isRemoved, field.kind == .other || (isTrusted && field.kind.isHearsay),
            field.kind != .xForwardedFor
        else { return false }
        return !dropped.contains(self.fields.bytes, field.name)
            && !edits.hides(self.fields.bytes, field.name, folding: true)
            && !(self.nominates && HeadWriter.isNominated(self.fields, field))
    }
}

extension ResponseHead {
    /// Whether the upstream's own field reaches the client, as the head's writer will see it.
    package func goesOn(_ field: FieldRange, after edits: FieldEdits) -> Bool {
        guard !field.isRemoved, !field.kind.isHopByHop, field.kind != .contentLength,
            field.kind != .transferEncoding
        else { return false }
        return !edits.hides(self.fields.bytes, field.name, folding: false)
            && !(self.nominates && HeadWriter.isNominated(self.fields, field))
    }
}
