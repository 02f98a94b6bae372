// A request's body that a handler reads as a whole, instead of sending it on.

/// What came of reading a request's body.
package enum BodyRead: Sendable, Equatable {
    /// All of it: the data, without framing.
    case whole([UInt8])
    /// It is longer than the handler wants to know; the rest is dropped.
    case tooLarge
}

/// A body on its way in.
struct BodyReading {
    /// Octets of data beyond which no more is gathered.
    let limit: Int
    let then: (BodyRead) -> Void
    var data: [UInt8] = []

    /// Takes the next data; false if that is more than was wanted.
    mutating func take(_ data: Span<UInt8>) -> Bool {
        guard self.data.count + data.count <= self.limit else { return false }
        self.data.reserveCapacity(self.data.count + data.count)
        for index in data.indices { self.data.append(data[index]) }
        return true
    }
}
