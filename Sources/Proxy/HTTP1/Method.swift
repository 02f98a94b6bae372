// What a request asks to be done.

/// A request's method; compared with case (P7).
///
/// RFC 9110 §9.
package enum Method: UInt8, Sendable, Equatable {
    case get, head, post, put, delete, connect, options, trace, patch, other

    /// Whether doing it twice is doing it once.
    ///
    /// RFC 9110 §9.2.2.
    package var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .connect, .patch, .other: false
        }
    }

    private static let names: [([UInt8], Method)] = [
        (Array("GET".utf8), .get), (Array("HEAD".utf8), .head), (Array("POST".utf8), .post),
        (Array("PUT".utf8), .put), (Array("DELETE".utf8), .delete), (Array("CONNECT".utf8), .connect),
        (Array("OPTIONS".utf8), .options), (Array("TRACE".utf8), .trace), (Array("PATCH".utf8), .patch),
    ]

    /// Tells the method whose name stands in `range`; an unknown name is `.other`.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        if range.count == 3, bytes[range.lowerBound] == 0x47, bytes[range.lowerBound + 1] == 0x45,
            bytes[range.lowerBound + 2] == 0x54
        {
            self = .get
            return
        }
        self = .other
        for (name, method) in Self.names where name.count == range.count {
            guard bytes[range].elementsEqual(name) else { continue }
            self = method
            return
        }
    }
}
