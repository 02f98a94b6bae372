// Where an exchange goes, and how.

/// An upstream's host and port; equal ones share a pool of connections, whatever plan they come from.
package final class Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name, or an address without brackets.
    package let host: String
    /// The TCP port.
    package let port: Int
    /// The host as it stands in a `Host` field: with brackets for IPv6, with the port unless it is 80.
    package let authority: [UInt8]
    private let hash: Int

    /// Names an endpoint that speaks plain HTTP/1.1.
    package init(host: String, port: Int) {
        self.host = host
        self.port = port
        let bracketed = host.contains(":") ? "[\(host)]" : host
        self.authority = Array((port == 80 ? bracketed : "\(bracketed):\(port)").utf8)
        var hasher = Hasher()
        hasher.combine(host)
        hasher.combine(port)
        self.hash = hasher.finalize()
    }

    /// Host and port.
    package var description: String { String(decoding: self.authority, as: UTF8.self) }

    package static func == (one: Endpoint, other: Endpoint) -> Bool {
        one === other || (one.hash == other.hash && one.port == other.port && one.host == other.host)
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.hash) }
}

/// A method that the upstream sees in place of the client's.
package struct ReplacedMethod: Sendable {
    let method: Method
    let name: [UInt8]

    /// Takes a name; nil for one that is no method, and for those that change how an exchange ends.
    package init?(_ name: String) {
        let octets = Array(name.utf8)
        guard !octets.isEmpty, octets.allSatisfy({ (0x41...0x5A).contains($0) }) else { return nil }
        self.method = Method(octets, 0..<octets.count)
        self.name = octets
        switch self.method {
        case .head, .connect, .trace: return nil
        case .get, .post, .put, .delete, .options, .patch, .other: break
        }
    }
}

/// What the handler wants done with an exchange that may pass.
package struct ForwardOrder: Sendable {
    /// Where to.
    package var endpoint: Endpoint
    /// Path and query of the new request line; nil sends the canonical ones as they are.
    package var target: [UInt8]?
    /// The method to send instead of the client's; never HEAD for another or another for HEAD, since those
    /// answers end differently.
    package var method: ReplacedMethod?
    /// The `Host` to send; nil sends the endpoint's.
    package var host: [UInt8]?
    /// Names that are never passed on from the client, in any spelling (H1).
    package var dropped: FieldNameSet
    /// What a stripped prefix was, for `X-Forwarded-Prefix`.
    package var forwardedPrefix: [UInt8]?
    /// Seconds to connect.
    package var connectSeconds: Double
    /// Seconds between two successful writes to the upstream.
    package var writeSeconds: Double
    /// Seconds until the answer's head, and between two reads of it.
    package var readSeconds: Double
    /// How often a connection that cannot be made is tried again.
    package var retries: Int

    /// An order with the usual limits (Kong's: 60 s each, 5 retries).
    package init(
        endpoint: Endpoint,
        target: [UInt8]? = nil,
        host: [UInt8]? = nil,
        dropped: FieldNameSet = FieldNameSet(),
        forwardedPrefix: [UInt8]? = nil
    ) {
        self.endpoint = endpoint
        self.target = target
        self.host = host
        self.dropped = dropped
        self.forwardedPrefix = forwardedPrefix
        self.connectSeconds = 60
        self.writeSeconds = 60
        self.readSeconds = 60
        self.retries = 5
    }
}
