// What Redis answers.

/// A reply of RESP2, whole.
package enum RedisReply: Sendable, Equatable {
    /// `+OK` and its like.
    case status(String)
    /// `-ERR …`: the store's own words.
    case error(String)
    /// A whole number.
    case integer(Int64)
    /// Octets.
    case bulk([UInt8])
    /// There is no value.
    case null
    /// Several replies.
    case array([RedisReply])

    /// The number, if it is one.
    package var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
    /// The octets, if they are some.
    package var octets: [UInt8]? { if case .bulk(let value) = self { value } else { nil } }
    /// The replies in it, if there are several.
    package var elements: [RedisReply]? { if case .array(let value) = self { value } else { nil } }
    /// Whether it is `OK`.
    package var isOK: Bool { self == .status("OK") }
    /// The octets as text, if they are some.
    package var text: String? { self.octets.map { String(decoding: $0, as: UTF8.self) } }

    /// The first word of an error: `READONLY`, `LOADING`, `OOM`.
    package var errorCode: String? {
        guard case .error(let text) = self else { return nil }
        return text.split(separator: " ", maxSplits: 1).first.map(String.init) ?? "ERR"
    }
}

/// Why a command has no answer.
package enum StoreError: Error, Sendable, Equatable {
    /// There is no connection, and none comes about; nothing was sent.
    case notConnected
    /// It was sent, and no answer came in time: it may have been carried out.
    case timedOut
    /// It was sent, and the connection ended before the answer: it may have been carried out.
    case lost
    /// Too many commands wait already; nothing was sent.
    case busy
    /// What came is no answer in the protocol, or none to this command.
    case malformedReply
    /// The store refuses; the first word of its error.
    case refused(String)
    /// A cluster's server names another, and that so often that it is followed no further.
    case redirected(Redirection)
    /// The reader cannot be made: there is no memory.
    case outOfMemory

    /// A word for logs and metrics.
    package var reason: String {
        switch self {
        case .notConnected: "not-connected"
        case .timedOut: "timed-out"
        case .lost: "connection-lost"
        case .busy: "too-many-waiting"
        case .malformedReply: "malformed-reply"
        case .refused: "refused"
        case .redirected: "redirected"
        case .outOfMemory: "out-of-memory"
        }
    }
}
