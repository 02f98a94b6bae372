// A body that was sent without a session, octet for octet.
import Proxy

/// What a request holds, as it is sent once more: nobody reads it meanwhile, so that any type and charset will do.
struct KeptBody: Sendable, Equatable {
    /// The `Content-Type` as it came; nil where there was none.
    let contentType: String?
    let octets: [UInt8]

    /// How much room it takes.
    var count: Int { octets.count + (contentType?.utf8.count ?? 0) }

    /// Longest `Content-Type` of a body that is kept, in octets.
    private static let maximumTypeBytes = 512

    /// A body that is known.
    init(contentType: String?, octets: [UInt8]) {
        (self.contentType, self.octets) = (contentType, octets)
    }

    /// The body of a request; nil where type and octets are not all there is to it (RFC 9110 §8.4: a coding).
    init?(of request: RequestHead, _ octets: [UInt8]) {
        guard Self.describes(request) else { return nil }
        self.init(contentType: request.string(of: .contentType), octets: octets)
    }

    /// Whether a request's type is all that is needed besides its octets.
    static func describes(_ request: RequestHead) -> Bool {
        guard request.count(of: .contentType) <= 1, request.first("content-encoding") == nil else {
            return false
        }
        guard let type = request.first(.contentType) else { return true }
        return request.withValue(type) { value in
            guard value.count <= maximumTypeBytes else { return false }
            for index in value.indices where value[index] < 0x20 || value[index] > 0x7E { return false }
            return true
        }
    }
}
