// The head of an upstream's answer.

/// A parsed answer head; what the handler may look at and change before it goes to the client.
package struct ResponseHead: Sendable {
    /// The fields; take some out with `fields.remove(where:)`, add some with `Exchange.answerEdits`.
    package var fields = FieldTable()
    /// The status; 100–599.
    package var status = 200
    /// How the answer's body is delimited by the upstream.
    package internal(set) var framing = BodyFraming.none

    /// What `Content-Length` says, also where there is no body (HEAD, 304).
    var contentLength: Int?
    var isHTTP11 = true
    var keepsAlive = true
    /// The status that the upstream sent, whatever the handler has made of it.
    var statusAsCame = 200
    var reasonRange = 0..<0
    /// The field that `contentLength` was read from.
    var lengthField: FieldRange? {
        self.fields.ranges.first { $0.kind == .contentLength }
    }
    /// Whether a `Connection` field names others.
    var nominates = false

    /// An empty head.
    package init() {}

    /// Gives the first field of that name.
    package func first(_ name: FieldName) -> FieldRange? { self.fields.first(name) }
    /// Gives the first value of that name as text.
    package func string(of name: FieldName) -> String? { self.fields.string(of: name) }
}
