// Where an exchange goes, and how.

import NIOCore

/// An upstream's host and port; equal ones share a pool of connections, whatever plan they come from.
package final class Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A host name, an address without brackets, or the name of a service that has its places in DNS.
    package let host: String
    /// The TCP port; a service's counts for nothing.
    package let port: Int
    /// Whose service it is, if it is one of those.
    let domain: String?
    /// Host and port: with brackets for IPv6, with the port unless it is the usual one.
    let place: [UInt8]
    /// What requests have as `Host`: the place, unless it is known by another name.
    package let authority: [UInt8]
    /// Whether it speaks HTTP/2 from the first octet on, as gRPC does (RFC 9113 §3.3).
    package let speaksHTTP2: Bool
    /// The terms of TLS, where it is spoken.
    package let tls: UpstreamTLS?
    /// What follows the target in a request that keeps this `Host`: version, line end and the `Host` field.
    let lineEndAndHost: [UInt8]
    private let hash: Int

    /// Names an endpoint that speaks plain HTTP/1.1, or HTTP/2 or TLS where said.
    ///
    /// - Parameter authority: what requests have as `Host`, if that is not the place.
    package init(
        host: String,
        port: Int,
        speaksHTTP2: Bool = false,
        tls: UpstreamTLS? = nil,
        authority: [UInt8]? = nil
    ) {
        self.host = host
        self.port = port
        self.speaksHTTP2 = speaksHTTP2
        self.tls = tls
        let bracketed = host.contains(":") ? "[\(host)]" : host
        self.domain = ServiceName.domain(of: host)
        let hidesPort = self.domain != nil || port == (tls == nil ? 80 : 443)
        self.place = Array((hidesPort ? bracketed : "\(bracketed):\(port)").utf8)
        self.authority = authority ?? self.place
        self.lineEndAndHost =
            Array(" HTTP/1.1\r\nHost: ".utf8) + self.authority + [Octet.carriageReturn, Octet.lineFeed]
        var hasher = Hasher()
        hasher.combine(host)
        hasher.combine(port)
        hasher.combine(speaksHTTP2)
        hasher.combine(tls?.wish)
        self.hash = hasher.finalize()
    }

    /// Host and port.
    package var description: String { String(decoding: self.place, as: UTF8.self) }

    package static func == (one: Endpoint, other: Endpoint) -> Bool {
        one === other
            || (one.hash == other.hash && one.port == other.port && one.host == other.host
                && one.speaksHTTP2 == other.speaksHTTP2 && one.authority == other.authority
                && one.tls?.wish == other.tls?.wish)
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

/// What all requests on one way to an upstream have in common; made once and shared, so that an order costs no copy.
package final class ForwardTerms: Sendable {
    /// Where to; of an upstream of several targets only its name.
    package let endpoint: Endpoint
    /// The upstream whose targets are chosen from; nil where `endpoint` is all there is.
    package let group: TargetGroup?
    /// Names that are never passed on from the client, in any spelling (H1).
    package let dropped: FieldNameSet
    /// Seconds to connect.
    package let connectSeconds: Double
    /// Seconds between two successful writes to the upstream.
    package let writeSeconds: Double
    /// Seconds until the answer's head, and between two reads of it.
    package let readSeconds: Double
    /// How often a connection that cannot be made is tried again.
    package let retries: Int
    let (connectLimit, writeLimit, readLimit): (TimeAmount, TimeAmount, TimeAmount)

    /// Terms with the usual limits (Kong's: 60 s each, 5 retries) where nothing else is said.
    package init(
        endpoint: Endpoint,
        group: TargetGroup? = nil,
        dropped: FieldNameSet = FieldNameSet(),
        connectSeconds: Double = 60,
        writeSeconds: Double = 60,
        readSeconds: Double = 60,
        retries: Int = 5
    ) {
        self.endpoint = endpoint
        self.group = group
        self.dropped = dropped
        self.connectSeconds = connectSeconds
        self.writeSeconds = writeSeconds
        self.readSeconds = readSeconds
        self.retries = retries
        self.connectLimit = TimeAmount(seconds: connectSeconds)
        self.writeLimit = TimeAmount(seconds: writeSeconds)
        self.readLimit = TimeAmount(seconds: readSeconds)
    }
}

/// What the handler wants done with an exchange that may pass.
package struct ForwardOrder: Sendable {
    /// What the upstream sees in place of the client's own words; nil leaves those.
    package struct Words: Sendable {
        /// Path and query of the new request line, in place of the canonical ones.
        package var target: [UInt8]?
        /// The method; never HEAD for another or another for HEAD, since those answers end differently.
        package var method: ReplacedMethod?
        /// The `Host`, in place of the endpoint's.
        package var host: [UInt8]?
        /// What a stripped prefix was, for `X-Forwarded-Prefix`.
        package var forwardedPrefix: [UInt8]?

        /// The client's own.
        package init() {}

        fileprivate var areTheClients: Bool {
            self.target == nil && self.method == nil && self.host == nil && self.forwardedPrefix == nil
        }
    }

    /// Most orders change nothing: what they could change is kept apart, so that to hand an order on counts up little.
    private indirect enum Change: Sendable {
        case to(Words)
    }

    /// Where to, and within which limits.
    package var terms: ForwardTerms
    private var change: Change?
    /// What an upstream that hashes chooses its target by; nil if the request has nothing of it.
    package var hash: UInt64?
    /// The target that was chosen, where there are several.
    var chosen: Endpoint?
    /// Seconds from the request on for which a stream or tunnel that comes of it may last: what let it in ends then.
    package var lastsSeconds: Double?

    /// An order to send the request as it is.
    package init(_ terms: ForwardTerms) { self.terms = terms }

    /// Where it goes now.
    @inline(__always)
    var endpoint: Endpoint { self.chosen ?? self.terms.endpoint }

    /// What is said to the upstream.
    package var words: Words {
        get {
            guard case .to(let words) = self.change else { return Words() }
            return words
        }
        set { self.change = newValue.areTheClients ? nil : .to(newValue) }
    }

    /// The method that the upstream sees of a client's.
    @inline(__always)
    func sentMethod(_ method: Method) -> Method {
        self.keepsWords ? method : self.words.method?.method ?? method
    }

    /// Whether the upstream gets the client's own words.
    @inline(__always)
    var keepsWords: Bool { self.change == nil }
}
