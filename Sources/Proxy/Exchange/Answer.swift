// An answer of our own.

/// A whole answer made here, as opposed to one carried from an upstream.
package struct Answer: Sendable {
    /// 200–599.
    package var status: Int
    /// Fields in order; `Content-Length`, `Connection` and `Via` are the proxy's.
    package var fields: [(String, String)]
    /// Fields after those, written already; no edit replaces them, and none is the proxy's.
    package var lines = FieldLines()
    /// The body; left out on the wire for HEAD, 204 and 304.
    package var body: [UInt8]
    /// Fields behind the body, where the protocol has a place for them: HTTP/1.1 leaves them out.
    package var trailers: [(String, String)] = []
    /// What follows the body, without a length known beforehand.
    package var feed: (any AnswerFeed)?
    /// The status that is logged and counted, where the one on the wire says nothing of what was decided.
    package var meaning: Int?
    /// Whether the connection closes after it.
    package var closesConnection = false

    /// An answer of octets.
    package init(status: Int, fields: [(String, String)] = [], body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// An answer of text; `contentType` goes before the other fields.
    package init(status: Int, contentType: String, fields: [(String, String)] = [], text: String) {
        self.init(status: status, fields: [("Content-Type", contentType)] + fields, body: Array(text.utf8))
    }

    /// Plain text.
    package static func text(_ status: Int, _ text: String) -> Answer {
        Answer(status: status, contentType: "text/plain; charset=utf-8", text: text)
    }

    /// A redirect; 303 after a POST, else 302 (A11).
    package static func redirect(to location: String, status: Int = 302) -> Answer {
        Answer(status: status, fields: [("Location", location), ("Cache-Control", "no-store")])
    }

    /// Gives the first field of that name, in any case.
    package func field(_ name: String) -> String? {
        let wanted = name.lowercased()
        if let field = self.fields.first(where: { $0.0.lowercased() == wanted }) { return field.1 }
        var found: String?
        self.lines.forEach { name, value in if found == nil, name == wanted { found = value } }
        return found
    }

    /// Whether it says when it was made.
    package var isDated: Bool {
        self.fields.contains { $0.0.utf8.count == 4 && $0.0.lowercased() == "date" }
    }
}
