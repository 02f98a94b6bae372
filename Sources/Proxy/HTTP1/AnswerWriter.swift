// Answers back to octets: an upstream's, and our own.

/// What of the client's request shapes an answer's head.
struct AnswerShape: Sendable {
    var isHTTP11: Bool
    var method: Method
    /// Whether the connection stays after the answer.
    var keepsAlive: Bool
}

extension HeadWriter {
    /// Writes an upstream's answer head for the client; gives how the body has to be written.
    func write(
        _ head: ResponseHead,
        _ edits: FieldEdits,
        shape: inout AnswerShape,
        into output: inout [UInt8]
    ) -> BodyFraming {
        self.appendStatusLine(head, into: &output)
        Self.appendFields(head, edits, into: &output)
        output.append(contentsOf: self.via)
        output.append(edits)
        var framing = head.framing
        switch framing {
        case .none:
            if let length = head.contentLength, head.status != 204, head.status >= 200 {
                output.append("Content-Length: ")
                output.appendDecimal(length)
                output.append("\r\n")
            }
        case .length(let count):
            output.append("Content-Length: ")
            output.appendDecimal(count)
            output.append("\r\n")
        case .chunked, .untilClose:
            framing = shape.isHTTP11 ? .chunked : .untilClose
            if shape.isHTTP11 {
                output.append("Transfer-Encoding: chunked\r\n")
            } else {
                shape.keepsAlive = false
            }
        }
        Self.appendConnection(shape, into: &output)
        output.append("\r\n")
        return framing
    }

    /// Writes a 1xx head; it has no body, and the final head is still to come (X15).
    func writeInterim(_ head: ResponseHead, into output: inout [UInt8]) {
        self.appendStatusLine(head, into: &output)
        Self.appendFields(head, FieldEdits(), into: &output)
        output.append("\r\n")
    }

    /// Writes an answer of our own, with its body.
    func write(_ answer: Answer, _ edits: FieldEdits, shape: AnswerShape, into output: inout [UInt8]) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(answer.status)
        output.append(Octet.space)
        output.append(StatusText.phrase(answer.status))
        output.append("\r\n")
        for (name, value) in answer.fields { Self.appendOwn(name, value, edits, into: &output) }
        output.append(edits)
        let hasBody = answer.status >= 200 && answer.status != 204 && answer.status != 304
        if hasBody {
            output.append("Content-Length: ")
            output.appendDecimal(answer.body.count)
            output.append("\r\n")
        }
        Self.appendConnection(shape, into: &output)
        output.append("\r\n")
        if hasBody, shape.method != .head { output.append(contentsOf: answer.body) }
    }

    /// Writes one of our own fields unless it cannot be sent, is the proxy's, or an edit replaces it (H3).
    private static func appendOwn(
        _ name: String,
        _ value: String,
        _ edits: FieldEdits,
        into output: inout [UInt8]
    ) {
        guard let field = FieldName(name), value.utf8.allSatisfy(Octet.isFieldValue) else { return }
        switch field.kind {
        case .contentLength, .transferEncoding, .connection, .keepAlive, .upgrade: return
        default: break
        }
        guard !edits.hides(field.octets, 0..<field.octets.count, folding: false) else { return }
        output.append(name)
        output.append(": ")
        output.append(value)
        output.append("\r\n")
    }

    private func appendStatusLine(_ head: ResponseHead, into output: inout [UInt8]) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(head.status)
        output.append(Octet.space)
        output.append(contentsOf: head.fields.bytes[head.reasonRange])
        output.append("\r\n")
    }

    /// Copies the fields that may cross, whole runs at once.
    private static func appendFields(_ head: ResponseHead, _ edits: FieldEdits, into output: inout [UInt8]) {
        let bytes = head.fields.bytes
        var (runStart, runEnd) = (0, 0)
        for field in head.fields.ranges {
            let start = Int(field.nameStart)
            if runEnd != start {
                if runEnd > runStart { output.append(contentsOf: bytes[runStart..<runEnd]) }
                (runStart, runEnd) = (start, start)
            }
            if field.isRemoved || Self.endsInAnswer(field.kind)
                || edits.hides(bytes, field.name, folding: false)
                || (head.nominates && Self.isNominated(head.fields, field))
            {
                continue
            }
            runEnd = Int(field.lineEnd)
        }
        if runEnd > runStart { output.append(contentsOf: bytes[runStart..<runEnd]) }
    }

    @inline(__always)
    private static func endsInAnswer(_ kind: FieldKind) -> Bool {
        kind.isHopByHop || kind == .contentLength || kind == .transferEncoding
    }

    private static func appendConnection(_ shape: AnswerShape, into output: inout [UInt8]) {
        if !shape.keepsAlive {
            output.append("Connection: close\r\n")
        } else if !shape.isHTTP11 {
            output.append("Connection: keep-alive\r\n")
        }
    }
}
