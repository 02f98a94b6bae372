// How an upstream is spoken to by TLS: whom we believe, and what we show.

import NIOCore
import NIOSSL

/// The terms of TLS towards upstreams; made once, shared by all connections.
package final class UpstreamTLS: Sendable {
    /// What terms are made from; equal ones share pools of connections.
    package struct Wish: Sendable, Hashable {
        /// Whether the upstream has to prove its name.
        package var verifies = true
        /// Whose signatures are believed, as PEM; none are the system's.
        package var authorities: [String] = []
        /// What is shown when the upstream asks for a certificate.
        package var client: CertificatePair?
        /// Whether HTTP/2 is spoken, which the upstream then has to agree on.
        package var speaksHTTP2 = false
        /// The name that is asked for and has to be proven, if it is not the endpoint's host.
        package var serverName: String?

        /// Proves names by the system's authorities and shows nothing.
        package init() {}
    }

    /// What they are made from.
    package let wish: Wish
    private let context: NIOSSLContext

    /// Reads the certificates of a wish.
    package init(_ wish: Wish) throws(CertificateError) {
        self.wish = wish
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.certificateVerification = wish.verifies ? .fullVerification : .none
        configuration.applicationProtocols = [
            (wish.speaksHTTP2 ? ClientProtocol.http2 : ClientProtocol.http1).rawValue
        ]
        configuration.shutdownTimeout = .seconds(1)
        if !wish.authorities.isEmpty {
            let authorities = wish.authorities.map { try? NIOSSLCertificate.fromPEMBytes(Array($0.utf8)) }
            let all = authorities.compactMap { $0 }.flatMap { $0 }
            guard !all.isEmpty, !authorities.contains(where: { $0?.isEmpty ?? true }) else {
                throw .noCertificate
            }
            configuration.trustRoots = .certificates(all)
        }
        if let client = wish.client {
            let chain = try? NIOSSLCertificate.fromPEMBytes(Array(client.certificate.utf8))
            guard let chain, !chain.isEmpty else { throw .noCertificate }
            let key = try? NIOSSLPrivateKey(bytes: Array(client.key.utf8), format: .pem)
            guard let key else { throw .noKey }
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(key)
        }
        do { self.context = try NIOSSLContext(configuration: configuration) } catch { throw .keyDoesNotFit }
    }

    /// What does the handshake on one connection; asks for `host` and holds the answer to it, be it name or address.
    func handler(for host: String) throws -> NIOSSLClientHandler {
        let host = self.wish.serverName ?? host
        let isAddress = IPAddress(host) != nil
        // A fully qualified name loses its last dot in a handshake (RFC 6066 §3).
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        return try NIOSSLClientHandler(context: self.context, serverHostname: isAddress ? nil : name)
    }

    /// Whether a name was proven by name.
    ///
    /// NIOSSL is content with a certificate for the address at the other end too, whatever name is asked for: whoever answers
    /// for a name in DNS could then show one for an address of his own (RFC 9525 §6.1).
    func proves(_ host: String, _ handler: NIOSSLClientHandler) -> Bool {
        let host = self.wish.serverName ?? host
        guard self.wish.verifies, IPAddress(host) == nil else { return true }
        guard let certificate = handler.peerCertificate else { return false }
        let names = certificate._subjectAlternativeNames()
        // Without alternative names it was held to the common name.
        guard !names.isEmpty else { return true }
        return names.contains { $0.nameType == .dnsName && Self.isMeant(host, by: Array($0.contents)) }
    }

    /// Whether a certificate's name means a host: the same, or a wildcard for its first label (RFC 9525 §6.3).
    static func isMeant(_ host: String, by pattern: [UInt8]) -> Bool {
        func lower(_ octets: some Sequence<UInt8>) -> [UInt8] {
            octets.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        }
        var name = lower(host.utf8)
        let pattern = lower(pattern)
        if name.last == 0x2E { name.removeLast() }
        if name == pattern { return true }
        guard pattern.starts(with: [0x2A, 0x2E]), let dot = name.firstIndex(of: 0x2E), dot > 0 else {
            return false
        }
        return name[dot...].elementsEqual(pattern.dropFirst())
    }
}
