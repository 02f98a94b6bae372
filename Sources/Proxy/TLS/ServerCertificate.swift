// A certificate that we show to clients, ready for handshakes.

import NIOCore
import NIOSSL

/// What handshakes with clients may come to.
package struct TLSPolicy: Sendable, Hashable {
    /// Whether TLS 1.2 is spoken.
    package var takesTLS12 = true
    /// Whether TLS 1.3 is spoken.
    package var takesTLS13 = true

    /// TLS 1.2 and 1.3.
    package init() {}
}

/// Why a certificate cannot be used.
package enum CertificateError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The text holds no certificate in PEM.
    case noCertificate
    /// The text holds no private key in PEM, or one that is locked.
    case noKey
    /// The key is another certificate's.
    case keyDoesNotFit
    /// The second certificate's key is of the first one's kind.
    case sameKind

    package var description: String {
        switch self {
        case .noCertificate: "expected a certificate in PEM"
        case .noKey: "expected a private key in PEM, without a passphrase"
        case .keyDoesNotFit: "the key does not belong to the certificate"
        case .sameKind: "expected a key of another kind: one RSA, one on an elliptic curve"
        }
    }
}

/// A certificate with its key, as PEM.
package struct CertificatePair: Sendable, Hashable {
    /// The certificate, then what leads to its authority.
    package var certificate: String
    /// The private key.
    package var key: String

    /// Names both.
    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// A certificate, or two with different kinds of keys, with one context a way to speak: made once, shared by all connections.
///
/// A session can be resumed where it was made alone: each context has ticket keys of its own, which BoringSSL renews.
package final class ServerCertificate: Sendable {
    /// Contexts of one key, by whether HTTP/2 may be agreed on.
    private struct Contexts {
        let chain: [[UInt8]]
        let isECDSA: Bool
        let (http1, http2): (NIOSSLContext, NIOSSLContext)
        /// The same for clients that are asked for a certificate.
        let (askingHTTP1, askingHTTP2): (AskingContext, AskingContext)
    }

    private let first: Contexts
    private let second: Contexts?
    private let policy: TLSPolicy

    /// Reads certificate and key, and a second of each for another kind of key.
    package init(
        _ pair: CertificatePair,
        and other: CertificatePair? = nil,
        policy: TLSPolicy = TLSPolicy()
    ) throws(CertificateError) {
        self.policy = policy
        self.first = try Self.contexts(pair, policy)
        if let other {
            let second = try Self.contexts(other, policy)
            guard second.isECDSA != self.first.isECDSA else { throw .sameKind }
            self.second = second
        } else {
            self.second = nil
        }
    }

    /// Whether this shows the same certificates under the same policy.
    func shows(_ other: ServerCertificate) -> Bool {
        self.first.chain == other.first.chain && self.second?.chain == other.second?.chain
            && self.policy == other.policy
    }

    /// What serves a client; a key on an elliptic curve where the client takes one, since it costs less.
    func context(for hello: ClientHello, takesHTTP2: Bool) -> NIOSSLContext {
        let contexts = self.contexts(for: hello)
        return takesHTTP2 ? contexts.http2 : contexts.http1
    }

    /// The same for a client that is asked for a certificate.
    func askingContext(for hello: ClientHello, takesHTTP2: Bool) -> AskingContext {
        let contexts = self.contexts(for: hello)
        return takesHTTP2 ? contexts.askingHTTP2 : contexts.askingHTTP1
    }

    private func contexts(for hello: ClientHello) -> Contexts {
        [self.first, self.second ?? self.first].first { $0.isECDSA == hello.takesECDSA } ?? self.first
    }

    private static func contexts(
        _ pair: CertificatePair,
        _ policy: TLSPolicy
    ) throws(CertificateError) -> Contexts {
        let (chain, octets, isECDSA) = try self.chain(pair.certificate)
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem) } catch { throw .noKey }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = policy.takesTLS12 ? .tlsv12 : .tlsv13
        configuration.maximumTLSVersion = policy.takesTLS13 ? .tlsv13 : .tlsv12
        configuration.cipherSuiteValues = self.suites
        configuration.renegotiationSupport = .none
        configuration.shutdownTimeout = .seconds(1)
        do {
            configuration.applicationProtocols = [ClientProtocol.http1.rawValue]
            let http1 = try NIOSSLContext(configuration: configuration)
            let askingHTTP1 = AskingContext(configuration)
            configuration.applicationProtocols = ClientProtocol.allCases.map(\.rawValue)
            return Contexts(
                chain: octets,
                isECDSA: isECDSA,
                http1: http1,
                http2: try NIOSSLContext(configuration: configuration),
                askingHTTP1: askingHTTP1,
                askingHTTP2: AskingContext(configuration)
            )
        } catch {
            throw .keyDoesNotFit
        }
    }

    /// TLS 1.2's: forward secrecy and authenticated encryption alone (RFC 9325 §4.2); those of TLS 1.3 are all so.
    private static let suites: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    private static func chain(
        _ pem: String
    ) throws(CertificateError) -> ([NIOSSLCertificate], octets: [[UInt8]], isECDSA: Bool) {
        do {
            let chain = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
            guard let leaf = chain.first else { throw CertificateError.noCertificate }
            let key = try leaf.extractPublicKey().toSPKIBytes()
            return (chain, try chain.map { try $0.toDERBytes() }, Self.isECDSA(key))
        } catch {
            throw .noCertificate
        }
    }

    /// Whether a public key's algorithm is id-ecPublicKey (RFC 5480 §2.1.1).
    private static func isECDSA(_ key: [UInt8]) -> Bool {
        let name: [UInt8] = [0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01]
        return (0..<max(0, key.count - name.count)).prefix(8).contains { key[$0...].starts(with: name) }
    }
}

/// Certificates as text.
package enum CertificateText {
    /// Whether a text holds at least one certificate in PEM, and no broken one.
    package static func isSound(_ pem: String) -> Bool {
        let certificates = try? NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
        return certificates?.isEmpty == false
    }
}
