// A head back to octets: what may cross, what is ours, what the rules changed.

/// Writes the heads that leave, to the upstream and to the client.
struct HeadWriter: Sendable {
    /// `Via: 1.1 name` with its line end.
    let via: [UInt8]

    init(viaName: String) { self.via = Array("Via: 1.1 \(viaName)\r\n".utf8) }

    // MARK: To the upstream

    /// What of a client's connection goes into the request.
    struct Origin {
        var client: ClientFacts
        /// The peer's address as text.
        var peer: [UInt8]
    }

    /// Writes the request that `order` asks for.
    func write(
        _ head: RequestHead,
        _ order: ForwardOrder,
        _ edits: FieldEdits,
        from origin: Origin,
        into output: inout [UInt8]
    ) {
        let bytes = head.fields.bytes
        if let replaced = order.method {
            output.append(contentsOf: replaced.name)
        } else {
            output.append(contentsOf: bytes[head.methodRange])
        }
        output.append(Octet.space)
        self.appendTarget(head, order, into: &output)
        output.append(" HTTP/1.1\r\nHost: ")
        output.append(contentsOf: order.host ?? order.endpoint.authority)
        output.append("\r\n")
        self.appendFields(head, order, edits, isTrusted: origin.client.isTrustedPeer, into: &output)
        self.appendForwarded(head, order, edits, from: origin, into: &output)
        output.append(contentsOf: self.via)
        self.appendFraming(head, order.method?.method ?? head.method, into: &output)
        output.append(edits)
        output.append("\r\n")
    }

    private func appendTarget(_ head: RequestHead, _ order: ForwardOrder, into output: inout [UInt8]) {
        if let target = order.target {
            output.append(contentsOf: target)
            return
        }
        output.append(contentsOf: head.fields.bytes[head.pathRange])
        guard let query = head.queryRange else { return }
        output.append(0x3F)
        output.append(contentsOf: head.fields.bytes[query])
    }

    /// Copies the fields that may cross, whole runs at once; hop by hop goes before anything of ours is set (H2).
    private func appendFields(
        _ head: RequestHead,
        _ order: ForwardOrder,
        _ edits: FieldEdits,
        isTrusted: Bool,
        into output: inout [UInt8]
    ) {
        let bytes = head.fields.bytes
        var (runStart, runEnd) = (0, 0)
        for field in head.fields.ranges {
            let start = Int(field.nameStart)
            if runEnd != start {
                if runEnd > runStart { output.append(contentsOf: bytes[runStart..<runEnd]) }
                (runStart, runEnd) = (start, start)
            }
            if field.isRemoved || Self.ends(field.kind, isTrusted: isTrusted, expects: head.expectsContinue)
                || order.dropped.contains(bytes, field.name) || edits.hides(bytes, field.name, folding: true)
                || (head.nominates && Self.isNominated(head.fields, field))
            {
                continue
            }
            runEnd = Int(field.lineEnd)
        }
        if runEnd > runStart { output.append(contentsOf: bytes[runStart..<runEnd]) }
    }

    /// Whether fields of that kind end here.
    @inline(__always)
    private static func ends(_ kind: FieldKind, isTrusted: Bool, expects: Bool) -> Bool {
        switch kind {
        case .other: false
        case .host, .contentLength, .transferEncoding, .misspelt, .xForwardedFor, .maxForwards: true
        case .expect: !expects
        case .connection, .keepAlive, .proxyConnection, .te, .trailer, .upgrade, .proxyAuthorization,
            .proxyAuthenticate:
            true
        case .xForwardedProto, .xForwardedHost, .xForwardedPort, .xForwardedPath, .xForwardedPrefix, .hearsay:
            !isTrusted
        }
    }

    /// Whether a `Connection` field names `field`.
    ///
    /// RFC 9110 §7.6.1.
    static func isNominated(_ table: FieldTable, _ field: FieldRange) -> Bool {
        var found = false
        for connection in table.ranges where connection.kind == .connection {
            TokenList.forEach(table.bytes, connection.value) { element in
                guard element.count == field.name.count else { return }
                found =
                    found
                    || zip(element, field.name).allSatisfy {
                        Octet.lowercased(table.bytes[$0]) == Octet.lowercased(table.bytes[$1])
                    }
            }
        }
        return found
    }

    private func appendForwarded(
        _ head: RequestHead,
        _ order: ForwardOrder,
        _ edits: FieldEdits,
        from origin: Origin,
        into output: inout [UInt8]
    ) {
        let client = origin.client
        let told = Self.told(head, edits, isTrusted: client.isTrustedPeer)
        func isTold(_ kind: FieldKind) -> Bool { told & (1 << UInt32(kind.rawValue)) != 0 }
        if !isTold(.xForwardedFor) {
            self.appendForwardedFor(head, from: origin, into: &output)
        }
        if !isTold(.xForwardedProto) {
            output.append(
                client.scheme == .https ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n"
            )
        }
        if !isTold(.xForwardedHost), !head.hostRange.isEmpty {
            output.append("X-Forwarded-Host: ")
            output.append(contentsOf: head.fields.bytes[head.hostRange])
            output.append("\r\n")
        }
        if !isTold(.xForwardedPort) {
            output.append("X-Forwarded-Port: ")
            output.appendDecimal(Int(client.port))
            output.append("\r\n")
        }
        if !isTold(.xForwardedPath) {
            output.append("X-Forwarded-Path: ")
            output.append(contentsOf: head.fields.bytes[head.pathRange])
            output.append("\r\n")
        }
        if let prefix = order.forwardedPrefix, !isTold(.xForwardedPrefix) {
            output.append("X-Forwarded-Prefix: ")
            output.append(contentsOf: prefix)
            output.append("\r\n")
        }
    }

    /// One bit for each kind that the edits or a trusted peer have said already.
    private static func told(_ head: RequestHead, _ edits: FieldEdits, isTrusted: Bool) -> UInt32 {
        var told: UInt32 = 0
        for edit in edits.edits where edit.name.kind.isHearsay {
            told |= 1 << UInt32(edit.name.kind.rawValue)
        }
        guard isTrusted else { return told }
        for field in head.fields.ranges
        where field.kind.isHearsay && field.kind != .xForwardedFor && !field.isRemoved {
            told |= 1 << UInt32(field.kind.rawValue)
        }
        return told
    }

    private func appendForwardedFor(_ head: RequestHead, from origin: Origin, into output: inout [UInt8]) {
        output.append("X-Forwarded-For: ")
        if origin.client.isTrustedPeer {
            for field in head.fields.ranges where field.kind == .xForwardedFor && !field.value.isEmpty {
                output.append(contentsOf: head.fields.bytes[field.value])
                output.append(", ")
            }
        }
        output.append(contentsOf: origin.peer)
        output.append("\r\n")
    }

    private func appendFraming(_ head: RequestHead, _ method: Method, into output: inout [UInt8]) {
        for field in head.fields.ranges where field.kind == .maxForwards && head.method == .options {
            guard let left = TokenList.number(head.fields.bytes, field.value), left > 0 else { continue }
            output.append("Max-Forwards: ")
            output.appendDecimal(left - 1)
            output.append("\r\n")
        }
        switch head.framing {
        case .length(let count):
            output.append("Content-Length: ")
            output.appendDecimal(count)
            output.append("\r\n")
        case .chunked: output.append("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose:
            switch method {
            case .post, .put, .patch: output.append("Content-Length: 0\r\n")
            case .get, .head, .delete, .connect, .options, .trace, .other: break
            }
        }
    }
}

extension [UInt8] {
    /// Appends text.
    @inline(__always)
    mutating func append(_ text: String) { self.append(contentsOf: text.utf8) }

    /// Appends what the edits add, as field lines.
    mutating func append(_ edits: FieldEdits) {
        for edit in edits.edits where edit.action != .remove {
            self.append(contentsOf: edit.name.octets)
            self.append(Octet.colon)
            self.append(Octet.space)
            self.append(contentsOf: edits.values[edit.start..<edit.end])
            self.append(Octet.carriageReturn)
            self.append(Octet.lineFeed)
        }
    }
}
