// A form that was sent without a session, as a page can send it again.
import JSON

/// A form's values, such that a browser that posts them anew sends what it sent before.
///
/// What no page without script can send in the same octets is no such form: files, JSON, other charsets, and values
/// that a form would change (HTML §4.10.21.4: line ends become CRLF; entries without a name are not sent).
struct KeptForm: Sendable, Equatable {
    /// How a form is encoded (HTML §4.10.21.3).
    enum Kind: String, Sendable {
        case urlencoded = "application/x-www-form-urlencoded"
        case multipart = "multipart/form-data"
        case text = "text/plain"

        /// The kind that a `Content-Type` names; nil for anything else than a form in UTF-8.
        init?(_ contentType: String) {
            let parts = contentType.split(separator: ";").map { part in
                part.drop { $0 == " " || $0 == "\t" }
            }
            guard let type = parts.first?.filter({ $0 != " " && $0 != "\t" }).lowercased() else { return nil }
            let charset = parts.dropFirst().first { $0.lowercased().hasPrefix("charset=") }
            let isUTF8 = charset.map { $0.dropFirst(8).filter { $0 != "\"" }.lowercased() == "utf-8" } ?? true
            guard isUTF8, let kind = Kind(rawValue: type) else { return nil }
            self = kind
        }
    }

    /// One value; nil where no file was chosen.
    struct Entry: Sendable, Equatable {
        var name: String
        var value: String?
    }

    let kind: Kind
    let entries: [Entry]

    /// Most values of a form that is kept.
    static let maximumEntries = 1000

    /// Reads a body; nil if a page could not send it again as it is.
    init?(contentType: String, body: [UInt8]) {
        guard let kind = Kind(contentType) else { return nil }
        let entries: [Entry]?
        switch kind {
        case .urlencoded: entries = Self.urlencoded(body)
        case .multipart: entries = MultipartForm.entries(body, contentType: contentType)
        case .text: entries = Self.text(body)
        }
        guard let entries, entries.count <= Self.maximumEntries, entries.allSatisfy(Self.isSendable) else {
            return nil
        }
        self.kind = kind
        self.entries = entries
    }

    /// `a=b&c=d`, every escape whole.
    private static func urlencoded(_ body: [UInt8]) -> [Entry]? {
        var entries: [Entry] = []
        if body.isEmpty { return entries }
        for part in body.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            guard entries.count <= maximumEntries, part.contains(UInt8(ascii: "=")),
                let pair = QueryArguments(part)?.pairs.first
            else { return nil }
            entries.append(Entry(name: pair.name, value: pair.value))
        }
        return entries
    }

    /// `name=value` lines: a form that has all of them as one value sends the same octets.
    private static func text(_ body: [UInt8]) -> [Entry]? {
        if body.isEmpty { return [] }
        guard let text = String(validating: body, as: UTF8.self),
            text.utf8.suffix(2).elementsEqual([0x0D, 0x0A]),
            let sign = text.utf8.firstIndex(of: UInt8(ascii: "="))
        else { return nil }
        let end = text.utf8.index(text.utf8.endIndex, offsetBy: -2)
        let next = text.utf8.index(after: sign)
        guard next <= end, let name = String(text.utf8[..<sign]), let value = String(text.utf8[next..<end])
        else {
            return nil
        }
        return [Entry(name: name, value: value)]
    }

    /// Whether a form sends an entry as it is.
    private static func isSendable(_ entry: Entry) -> Bool {
        guard !entry.name.isEmpty, isStable(entry.name.utf8) else { return false }
        // What a hidden input of these names sends is the browser's choice.
        guard entry.name.lowercased() != "_charset_" else { return false }
        return entry.value.map { isStable($0.utf8) } ?? true
    }

    /// Whether a text has no NUL, and line ends as a form sends them.
    private static func isStable(_ text: String.UTF8View) -> Bool {
        var last: UInt8 = 0
        for octet in text {
            if octet == 0 || (octet == 0x0A) != (last == 0x0D) { return false }
            last = octet
        }
        return last != 0x0D
    }

    // MARK: Kept

    /// The form as octets.
    func serialized() -> [UInt8] {
        let pairs = entries.map { entry -> JSONValue in
            .array([.string(entry.name), entry.value.map { .string($0) } ?? .null])
        }
        return JSONValue.object(["k": .string(kind.rawValue), "e": .array(pairs)]).serialized()
    }

    /// The form in octets that `serialized` gave.
    init?(serialized octets: [UInt8]) {
        guard let json = try? JSONValue(parsing: octets),
            let kind = json["k"]?.string.flatMap(Kind.init(rawValue:)),
            let pairs = json["e"]?.array
        else { return nil }
        self.kind = kind
        entries = pairs.compactMap { pair in
            guard let parts = pair.array, parts.count == 2, let name = parts[0].string else { return nil }
            return Entry(name: name, value: parts[1].string)
        }
    }
}
