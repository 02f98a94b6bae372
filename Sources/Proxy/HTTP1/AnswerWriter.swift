// Answers back to octets: an upstream's, and our own.

/// What of the client's request shapes an answer's head.
struct AnswerShape: Sendable {
    var isHTTP11: Bool
    var method: Method
    /// Whether the connection stays after the answer.
    var keepsAlive: Bool
    /// Whether the client takes trailers.
    var takesTrailers = false
}

extension HeadWriter {
    /// Writes an upstream's answer head for the client; gives how the body has to be written.
    func write(
        _ head: borrowing ResponseHead,
        _ edits: borrowing FieldEdits,
        shape: inout AnswerShape,
        into output: inout [UInt8]
    ) -> BodyFraming {
        // A length that stands there alone and plain is passed on as it came, within a run.
        let keepsLength = head.status >= 200 && head.status != 204 && Self.isPlainLength(head, edits)
        self.append(head, edits, keepsLength: keepsLength, into: &output)
        output.append(contentsOf: self.via)
        output.append(contentsOf: edits.lines)
        var framing = head.framing
        switch framing {
        case .none:
            if !keepsLength, let length = head.contentLength, head.status != 204, head.status >= 200 {
                Self.appendLength(length, into: &output)
            }
        case .length(let count):
            if !keepsLength { Self.appendLength(count, into: &output) }
        case .chunked, .untilClose:
            framing = shape.isHTTP11 ? .chunked : .untilClose
            if shape.isHTTP11 {
                output.append("Transfer-Encoding: chunked\r\n")
            } else {
                shape.keepsAlive = false
            }
            if shape.takesTrailers, head.fields.kinds.contains(.trailer) {
                TrailerRules(head, edits).appendAnnouncement(into: &output)
            }
        }
        Self.appendConnection(shape, into: &output)
        output.append(Octet.carriageReturn)
        output.append(Octet.lineFeed)
        return framing
    }

    private static func appendLength(_ count: Int, into output: inout [UInt8]) {
        output.append("Content-Length: ")
        output.appendDecimal(count)
        output.append("\r\n")
    }

    /// Whether the one `Content-Length` is written as we would write it: it has been read as a number already.
    private static func isPlainLength(
        _ head: borrowing ResponseHead,
        _ edits: borrowing FieldEdits
    ) -> Bool {
        guard head.contentLength != nil, !head.nominates, let field = head.lengthField, !field.isRemoved,
            !edits.hides(head.fields.bytes, field.name, folding: false)
        else { return false }
        return field.value.count == 1 || head.fields.bytes[field.value.lowerBound] != 0x30
    }

    /// Writes a 1xx head; it has no body, and the final head is still to come (X15).
    func writeInterim(_ head: ResponseHead, into output: inout [UInt8]) {
        self.append(head, FieldEdits(), keepsLength: false, into: &output)
        output.append("\r\n")
    }

    /// Writes the head of a 101, which says to what; octets of another protocol follow (RFC 9110 §15.2.2).
    func writeSwitch(
        _ head: borrowing ResponseHead,
        _ edits: borrowing FieldEdits,
        into output: inout [UInt8]
    ) {
        self.append(head, edits, keepsLength: false, into: &output)
        output.append(contentsOf: self.via)
        output.append(contentsOf: edits.lines)
        for field in head.fields.ranges where field.kind == .upgrade {
            output.append("Connection: upgrade\r\nUpgrade: ")
            output.append(contentsOf: head.fields.bytes[field.value])
            output.append("\r\n")
        }
        output.append("\r\n")
    }

    /// Writes an answer of our own, with its body.
    func write(_ answer: Answer, _ edits: FieldEdits, shape: AnswerShape, into output: inout [UInt8]) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(answer.status)
        output.append(Octet.space)
        output.append(StatusText.phrase(answer.status))
        output.append("\r\n")
        // 426 alone says which protocol would do (RFC 9110 §15.5.22).
        let upgrades = answer.status == 426
        for (name, value) in answer.fields {
            Self.appendOwn(name, value, edits, mayUpgrade: upgrades, into: &output)
        }
        output.append(contentsOf: answer.lines.octets)
        output.append(contentsOf: edits.lines)
        let hasBody = answer.status >= 200 && answer.status != 204 && answer.status != 304
        if hasBody, answer.feed == nil {
            Self.appendLength(answer.body.count, into: &output)
        }
        if upgrades, answer.field("upgrade") != nil { output.append("Connection: upgrade\r\n") }
        Self.appendConnection(shape, into: &output)
        output.append("\r\n")
        if hasBody, shape.method != .head { output.append(contentsOf: answer.body) }
    }

    /// Writes one of our own fields unless it cannot be sent, is the proxy's, or an edit replaces it (H3).
    private static func appendOwn(
        _ name: String,
        _ value: String,
        _ edits: FieldEdits,
        mayUpgrade: Bool,
        into output: inout [UInt8]
    ) {
        let start = output.count
        output.append(name)
        let nameEnd = output.count
        output.append(": ")
        let valueStart = output.count
        output.append(value)
        guard Self.maySend(output, name: start..<nameEnd, valueStart, edits, mayUpgrade: mayUpgrade) else {
            output.removeLast(output.count - start)
            return
        }
        output.append("\r\n")
    }

    /// Whether the field at the end of `output` can be sent, is not the proxy's, and no edit replaces it.
    private static func maySend(
        _ output: [UInt8],
        name: Range<Int>,
        _ valueStart: Int,
        _ edits: FieldEdits,
        mayUpgrade: Bool
    ) -> Bool {
        guard !name.isEmpty, output.span.endOfFieldValue(from: valueStart) == output.count else {
            return false
        }
        for index in name where !Octet.isToken(output[index]) { return false }
        switch FieldKind(output, name) {
        case .contentLength, .transferEncoding, .connection, .keepAlive: return false
        case .upgrade where !mayUpgrade: return false
        default: return !edits.hides(output, name, folding: false)
        }
    }

    /// Writes the status line and the fields that may cross, whole runs at once.
    private func append(
        _ head: borrowing ResponseHead,
        _ edits: borrowing FieldEdits,
        keepsLength: Bool,
        into output: inout [UInt8]
    ) {
        let table = head.fields
        let fieldsStart = head.reasonRange.upperBound + 2
        var (runStart, runEnd) = (0, fieldsStart)
        // The version is ours, as is the space behind the status; a status of the handler's has no words yet.
        if !head.isHTTP11 || head.reasonRange.lowerBound != 13 || head.status != head.statusAsCame {
            self.appendStatusLine(head, into: &output)
            runStart = fieldsStart
        }
        for field in table.ranges {
            let start = Int(field.nameStart)
            if runEnd != start {
                if runEnd > runStart { output.append(contentsOf: table.bytes[runStart..<runEnd]) }
                (runStart, runEnd) = (start, start)
            }
            if field.isRemoved || Self.endsInAnswer(field.kind, keepsLength: keepsLength)
                || edits.hides(table.bytes, field.name, folding: false)
                || (head.nominates && Self.isNominated(table, field))
            {
                continue
            }
            runEnd = Int(field.lineEnd)
        }
        if runEnd > runStart { output.append(contentsOf: table.bytes[runStart..<runEnd]) }
    }

    private func appendStatusLine(_ head: borrowing ResponseHead, into output: inout [UInt8]) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(head.status)
        output.append(Octet.space)
        if head.status == head.statusAsCame {
            output.append(contentsOf: head.fields.bytes[head.reasonRange])
        } else {
            output.append(StatusText.phrase(head.status))
        }
        output.append("\r\n")
    }

    @inline(__always)
    private static func endsInAnswer(_ kind: FieldKind, keepsLength: Bool) -> Bool {
        kind.isHopByHop || (kind == .contentLength && !keepsLength) || kind == .transferEncoding
    }

    private static func appendConnection(_ shape: AnswerShape, into output: inout [UInt8]) {
        if !shape.keepsAlive {
            output.append("Connection: close\r\n")
        } else if !shape.isHTTP11 {
            output.append("Connection: keep-alive\r\n")
        }
    }
}
