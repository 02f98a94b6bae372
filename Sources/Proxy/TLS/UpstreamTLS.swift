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
        let isAddress = IPAddress(host) != nil
        return try NIOSSLClientHandler(context: self.context, serverHostname: isAddress ? nil : host)
    }
}
