// The values of a multipart form.

/// Reads `multipart/form-data` as browsers write it (RFC 7578 §4, RFC 2046 §5.1.1, HTML §4.10.21.7).
enum MultipartForm {
    private static let lineEnd: [UInt8] = [0x0D, 0x0A]

    /// The values in order; nil for a file that was chosen, and for whatever a browser's form would not have written.
    static func entries(_ body: [UInt8], contentType: String) -> [KeptForm.Entry]? {
        guard let boundary = boundary(contentType) else { return nil }
        let dashes = Array("--\(boundary)".utf8)
        var entries: [KeptForm.Entry] = []
        var rest = body[...]
        guard take(&rest, dashes) else { return nil }
        while true {
            if rest.elementsEqual([0x2D, 0x2D]) || rest.elementsEqual([0x2D, 0x2D] + lineEnd) {
                return entries
            }
            guard entries.count <= KeptForm.maximumEntries, take(&rest, lineEnd),
                let head = rest.firstRange(of: lineEnd + lineEnd),
                let end = rest[head.upperBound...].firstRange(of: lineEnd + dashes),
                let entry = entry(rest[..<head.lowerBound], rest[head.upperBound..<end.lowerBound])
            else { return nil }
            entries.append(entry)
            rest = rest[end.upperBound...]
        }
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, _ octets: [UInt8]) -> Bool {
        guard rest.starts(with: octets) else { return false }
        rest = rest.dropFirst(octets.count)
        return true
    }

    /// What stands between the parts.
    static func boundary(_ contentType: String) -> String? {
        for part in contentType.split(separator: ";").dropFirst() {
            let part = part.drop { $0 == " " || $0 == "\t" }
            guard part.lowercased().hasPrefix("boundary=") else { continue }
            var value = part.dropFirst("boundary=".count)
            if value.hasPrefix("\""), value.hasSuffix("\""), value.count >= 2 {
                value = value.dropFirst().dropLast()
            }
            let isPlain = value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
            return (1...70).contains(value.utf8.count) && isPlain ? String(value) : nil
        }
        return nil
    }

    /// One part: a text, or a file that was not chosen.
    private static func entry(_ head: ArraySlice<UInt8>, _ content: ArraySlice<UInt8>) -> KeptForm.Entry? {
        guard let text = String(validating: head, as: UTF8.self),
            let value = String(validating: content, as: UTF8.self)
        else { return nil }
        var lines = text.utf8.split(separator: 0x0D).map { line in
            String(Substring(line)).filter { $0 != "\n" }
        }
        guard let first = lines.first, let (name, file) = disposition(first) else { return nil }
        lines.removeFirst()
        guard let file else {
            // A text with a type of its own was put together by a script.
            return lines.isEmpty ? KeptForm.Entry(name: name, value: value) : nil
        }
        let isNone = file.isEmpty && value.isEmpty
        let isUsual = lines.count == 1 && lines[0].lowercased() == "content-type: application/octet-stream"
        return isNone && isUsual ? KeptForm.Entry(name: name, value: nil) : nil
    }

    /// `name` and `filename` of `Content-Disposition: form-data; name="…"; filename="…"`.
    private static func disposition(_ line: String) -> (name: String, file: String?)? {
        let start = "content-disposition: form-data; name=\""
        guard line.lowercased().hasPrefix(start) else { return nil }
        var rest = line.dropFirst(start.count)
        guard let quote = rest.firstIndex(of: "\"") else { return nil }
        let name = unescaped(rest[..<quote])
        rest = rest[rest.index(after: quote)...]
        if rest.isEmpty { return (name, nil) }
        let more = "; filename=\""
        guard rest.hasPrefix(more), rest.hasSuffix("\""), rest.count > more.count else { return nil }
        return (name, String(rest.dropFirst(more.count).dropLast()))
    }

    /// The three characters that a browser escapes in a name.
    private static func unescaped(_ text: Substring) -> String {
        var result = ""
        var rest = text
        while let next = rest.first {
            if let (code, character) = [("%22", "\""), ("%0D", "\r"), ("%0A", "\n")].first(where: {
                rest.hasPrefix($0.0)
            }) {
                result += character
                rest = rest.dropFirst(code.count)
            } else {
                result.append(next)
                rest.removeFirst()
            }
        }
        return result
    }
}
