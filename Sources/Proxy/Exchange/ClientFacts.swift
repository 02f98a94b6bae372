// What is known of the client, and from whom.

import NIOCore

/// Who asks, as far as the connection and trusted peers tell (P1).
package struct ClientFacts: Sendable {
    /// How the client reached the outermost trusted proxy.
    package enum Scheme: String, Sendable {
        case http, https

        /// The scheme's port when none is named.
        package var defaultPort: UInt16 { self == .https ? 443 : 80 }
    }

    /// The address at the other end of the connection.
    package internal(set) var peer = IPAddress(v4: 0)
    /// Whether that peer is in the trusted list.
    package internal(set) var isTrustedPeer = false
    /// The client's address: the right-most `X-Forwarded-For` entry that is not trusted, if a trusted peer sent it; else the peer's.
    package internal(set) var address = IPAddress(v4: 0)
    /// The scheme the client used.
    package internal(set) var scheme = Scheme.http
    /// The port the client used.
    package internal(set) var port: UInt16 = 0
    /// Whether the client speaks HTTP/2 on the connection.
    package internal(set) var isHTTP2 = false
    /// Whether it came to a listener for calls to the program itself.
    package internal(set) var isForCalls = false
    /// The certificate that the client has shown in its handshake; nil if it was not asked for one, or has none.
    package internal(set) var certificate: ClientCertificate?
    /// The name that the client's own handshake with us asked for, in lower case without a last dot; nil if there was none.
    package var serverName: String?
    /// Whether the connection's handshake asked for a certificate; nil without a handshake.
    package internal(set) var wasAskedForCertificate: Bool?
    /// The authority the client used, where a trusted peer told it by `X-Forwarded-Host`.
    package internal(set) var forwardedHost: String?
    /// Whether a stranger's `X-Forwarded-Proto` was dropped and said another scheme than the connection's.
    package internal(set) var strangerDisagreed = false

    /// Facts made in code, for tests and explanations.
    package init(
        peer: IPAddress,
        isTrustedPeer: Bool = false,
        address: IPAddress? = nil,
        scheme: Scheme = .http,
        port: UInt16 = 80,
        certificate: ClientCertificate? = nil,
        serverName: String? = nil
    ) {
        self.peer = peer
        self.isTrustedPeer = isTrustedPeer
        self.address = address ?? peer
        self.scheme = scheme
        self.port = port
        self.certificate = certificate
        self.serverName = serverName
        self.wasAskedForCertificate = certificate.map(\.isFromTLS)
    }

    /// Facts of nobody yet.
    init() {}

    /// What is known of nobody.
    package static let unknown = ClientFacts()

    /// What a connection tells of its client; nil if the system does not tell who it is.
    init?(of channel: any Channel, trusted: [AddressRange], _ arrival: Arrival = Arrival()) {
        let other = channel.remoteAddress.flatMap { $0.ipAddress }.flatMap { IPAddress($0) }
        guard let peer = arrival.peer ?? other else {
            return nil
        }
        self.peer = peer
        self.address = peer
        self.isTrustedPeer = trusted.contains { $0.contains(peer) }
        self.port = UInt16(truncatingIfNeeded: channel.localAddress?.port ?? 0)
        self.scheme = arrival.isTLS ? .https : .http
        self.isForCalls = arrival.isForCalls
        self.certificate = arrival.certificate
        self.serverName = arrival.serverName
        self.wasAskedForCertificate = arrival.isTLS ? arrival.wasAsked : nil
    }
}
