// A request's body that a handler reads as a whole, before it decides.

import NIOCore

/// What came of reading a request's body.
package enum BodyRead: Sendable, Equatable {
    /// All of it: the data, without framing.
    case whole([UInt8])
    /// It is longer than the handler wants to know; the rest is dropped.
    case tooLarge
}

/// What stands in the place of a body while it is handed over.
enum BodyInPlace {
    /// No body is handed over.
    case none
    /// The client's own, which may be replaced.
    case clients
    /// Another.
    case other(ByteBuffer)
}

/// A body on its way in.
struct BodyReading {
    /// Octets of data beyond which no more is gathered.
    let limit: Int
    /// Whether the request may go on afterwards, with the body as it came.
    let keepsBody: Bool
    let then: (BodyRead) -> Void
    var data: [UInt8] = []
    /// The octets as they came, framing and all, where the body is kept.
    private(set) var raw = ByteBuffer()

    init(limit: Int, keepsBody: Bool, then: @escaping (BodyRead) -> Void) {
        (self.limit, self.keepsBody, self.then) = (limit, keepsBody, then)
    }

    /// Keeps octets as they came.
    mutating func keep(_ octets: ByteBuffer) { self.raw.writeImmutableBuffer(octets) }

    /// Takes the next data; false if that is more than was wanted.
    mutating func take(_ data: Span<UInt8>) -> Bool {
        guard self.data.count + data.count <= self.limit else { return false }
        self.data.reserveCapacity(self.data.count + data.count)
        for index in data.indices { self.data.append(data[index]) }
        return true
    }
}
