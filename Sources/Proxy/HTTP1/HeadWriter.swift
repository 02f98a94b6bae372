// A head back to octets: what may cross, what is ours, what the rules changed.

/// Writes the heads that leave, to the upstream and to the client.
final class HeadWriter: Sendable {
    /// `Via: 1.1 name` with its line end.
    let via: [UInt8]
    /// The same for what came over HTTP/2.
    let viaHTTP2: [UInt8]

    init(viaName: String) {
        self.via = Array("Via: 1.1 \(viaName)\r\n".utf8)
        self.viaHTTP2 = Array("Via: 2 \(viaName)\r\n".utf8)
    }

    // MARK: To the upstream

    /// What of a client's connection goes into the request.
    final class Origin: Sendable {
        /// What is known of nobody.
        static let unknown = Origin(.unknown)

        /// The peer's address as text.
        let peer: [UInt8]
        /// `X-Forwarded-For`, `-Proto` and `-Port` of a client that is believed nothing, ready to be sent.
        let ownWord: [UInt8]

        /// Takes down what the connection tells.
        init(_ client: ClientFacts) {
            self.peer = Array(client.peer.description.utf8)
            var lines = Array("X-Forwarded-For: ".utf8)
            lines.append(contentsOf: self.peer)
            lines.append("\r\n")
            HeadWriter.appendProto(client, into: &lines)
            HeadWriter.appendPort(client, into: &lines)
            self.ownWord = lines
        }
    }

    /// Writes the request that `order` asks for; `client` is told of as far as `origin` and the edits do not.
    ///
    /// - Parameter offer: where the head offers to switch to another protocol, if that goes on.
    func write(
        _ head: borrowing RequestHead,
        _ order: borrowing ForwardOrder,
        _ edits: borrowing FieldEdits,
        from client: borrowing ClientFacts,
        _ origin: Origin,
        offer: Range<Int>? = nil,
        into output: inout [UInt8]
    ) {
        self.appendLine(head, order, into: &output)
        self.appendFields(head, order.terms.dropped, edits, isTrusted: client.isTrustedPeer, into: &output)
        let told = Self.told(head, edits, isTrusted: client.isTrustedPeer)
        self.appendForwarded(head, told, client, origin, into: &output)
        if !order.keepsWords { Self.appendPrefix(order.words.forwardedPrefix, told, into: &output) }
        output.append(contentsOf: client.isHTTP2 ? self.viaHTTP2 : self.via)
        self.appendFraming(head, order.sentMethod(head.method), into: &output)
        if head.framing == .chunked, head.fields.kinds.contains(.trailer) {
            TrailerRules(head, order, edits).appendAnnouncement(into: &output)
        }
        output.append(contentsOf: edits.lines)
        if let offer {
            output.append("Connection: upgrade\r\nUpgrade: ")
            output.append(contentsOf: head.fields.bytes[offer])
            output.append("\r\n")
        } else if head.takesTrailers {
            output.append("Connection: TE\r\nTE: trailers\r\n")
        }
        output.append(Octet.carriageReturn)
        output.append(Octet.lineFeed)
    }

    /// Writes the request line, and `Host` behind it.
    private func appendLine(
        _ head: borrowing RequestHead,
        _ order: borrowing ForwardOrder,
        into output: inout [UInt8]
    ) {
        let words = order.keepsWords ? nil : order.words
        if words?.method == nil, words?.target == nil, head.isPathAsWritten {
            // The client's own words are canonical: all of the line goes at once.
            let line = head.methodRange.lowerBound..<head.targetRange.upperBound
            output.append(contentsOf: head.fields.bytes[line])
        } else {
            Self.appendChanged(head, words, into: &output)
        }
        guard let host = words?.host else {
            output.append(contentsOf: order.endpoint.lineEndAndHost)
            return
        }
        output.append(" HTTP/1.1\r\nHost: ")
        output.append(contentsOf: host)
        output.append("\r\n")
    }

    /// Writes a method and a target that are not both the client's own words.
    private static func appendChanged(
        _ head: borrowing RequestHead,
        _ words: ForwardOrder.Words?,
        into output: inout [UInt8]
    ) {
        if let method = words?.method {
            output.append(contentsOf: method.name)
        } else {
            output.append(contentsOf: head.fields.bytes[head.methodRange])
        }
        output.append(Octet.space)
        if let target = words?.target {
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
        _ head: borrowing RequestHead,
        _ dropped: FieldNameSet,
        _ edits: borrowing FieldEdits,
        isTrusted: Bool,
        into output: inout [UInt8]
    ) {
        let table = head.fields
        let (expects, nominates) = (head.expectsContinue, head.nominates)
        var (runStart, runEnd) = (0, 0)
        for field in table.ranges {
            let start = Int(field.nameStart)
            if runEnd != start {
                if runEnd > runStart { output.append(contentsOf: table.bytes[runStart..<runEnd]) }
                (runStart, runEnd) = (start, start)
            }
            if field.isRemoved || Self.ends(field.kind, isTrusted: isTrusted, expects: expects)
                || dropped.contains(table.bytes, field.name)
                || edits.hides(table.bytes, field.name, folding: true)
                || (nominates && Self.isNominated(table, field))
            {
                continue
            }
            runEnd = Int(field.lineEnd)
        }
        if runEnd > runStart { output.append(contentsOf: table.bytes[runStart..<runEnd]) }
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
        self.isNominated(table, table.bytes, field.name)
    }

    /// Whether a `Connection` field of `table` names what stands in `name` of `bytes`.
    static func isNominated(_ table: FieldTable, _ bytes: [UInt8], _ name: Range<Int>) -> Bool {
        var found = false
        for connection in table.ranges where connection.kind == .connection {
            TokenList.forEach(table.bytes, connection.value) { element in
                guard element.count == name.count else { return }
                found =
                    found
                    || zip(element, name).allSatisfy {
                        Octet.lowercased(table.bytes[$0]) == Octet.lowercased(bytes[$1])
                    }
            }
        }
        return found
    }

    private func appendForwarded(
        _ head: borrowing RequestHead,
        _ told: FieldKindSet,
        _ client: borrowing ClientFacts,
        _ origin: Origin,
        into output: inout [UInt8]
    ) {
        if !client.isTrustedPeer, !told.containsAny(of: Self.ownWordKinds) {
            output.append(contentsOf: origin.ownWord)
        } else {
            if !told.contains(.xForwardedFor) {
                Self.appendForwardedFor(head, client, origin, into: &output)
            }
            if !told.contains(.xForwardedProto) { Self.appendProto(client, into: &output) }
            if !told.contains(.xForwardedPort) { Self.appendPort(client, into: &output) }
        }
        if !told.contains(.xForwardedHost), !head.hostRange.isEmpty {
            output.append(contentsOf: Self.forwardedHost)
            output.append(contentsOf: head.fields.bytes[head.hostRange])
            output.append("\r\n")
        }
        if !told.contains(.xForwardedPath) {
            output.append(contentsOf: Self.forwardedPath)
            output.append(contentsOf: head.fields.bytes[head.pathRange])
            output.append("\r\n")
        }
    }

    private static func appendPrefix(
        _ prefix: [UInt8]?,
        _ told: FieldKindSet,
        into output: inout [UInt8]
    ) {
        guard let prefix, !told.contains(.xForwardedPrefix) else { return }
        output.append("X-Forwarded-Prefix: ")
        output.append(contentsOf: prefix)
        output.append("\r\n")
    }

    private static let forwardedHost = Array("X-Forwarded-Host: ".utf8)
    private static let forwardedPath = Array("X-Forwarded-Path: ".utf8)
    private static let ownWordKinds = FieldKindSet([.xForwardedFor, .xForwardedProto, .xForwardedPort])

    /// The kinds that the edits or a trusted peer have said already.
    private static func told(
        _ head: borrowing RequestHead,
        _ edits: borrowing FieldEdits,
        isTrusted: Bool
    ) -> FieldKindSet {
        var told = edits.kinds
        guard isTrusted else { return told }
        for field in head.fields.ranges
        where field.kind.isHearsay && field.kind != .xForwardedFor && !field.isRemoved {
            told.insert(field.kind)
        }
        return told
    }

    private static func appendForwardedFor(
        _ head: borrowing RequestHead,
        _ client: borrowing ClientFacts,
        _ origin: Origin,
        into output: inout [UInt8]
    ) {
        output.append("X-Forwarded-For: ")
        if client.isTrustedPeer {
            for field in head.fields.ranges where field.kind == .xForwardedFor && !field.value.isEmpty {
                output.append(contentsOf: head.fields.bytes[field.value])
                output.append(", ")
            }
        }
        output.append(contentsOf: origin.peer)
        output.append("\r\n")
    }

    private static func appendProto(_ client: borrowing ClientFacts, into output: inout [UInt8]) {
        output.append(
            client.scheme == .https ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n"
        )
    }

    private static func appendPort(_ client: borrowing ClientFacts, into output: inout [UInt8]) {
        output.append("X-Forwarded-Port: ")
        output.appendDecimal(Int(client.port))
        output.append("\r\n")
    }

    private func appendFraming(
        _ head: borrowing RequestHead,
        _ method: Method,
        into output: inout [UInt8]
    ) {
        if head.method == .options { Self.appendMaxForwards(head.fields, into: &output) }
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

    /// Counts `Max-Forwards` down (RFC 9110 §7.6.2).
    private static func appendMaxForwards(_ fields: FieldTable, into output: inout [UInt8]) {
        for field in fields.ranges where field.kind == .maxForwards {
            guard let left = TokenList.number(fields.bytes, field.value), left > 0 else { continue }
            output.append("Max-Forwards: ")
            output.appendDecimal(left - 1)
            output.append("\r\n")
        }
    }
}

extension [UInt8] {
    /// Appends text.
    @inline(__always)
    mutating func append(_ text: String) { self.append(contentsOf: text.utf8) }
}
