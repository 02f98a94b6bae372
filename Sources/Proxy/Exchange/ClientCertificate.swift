// The certificate of a client, as its connection has it.

import Synchronization

/// A certificate whose key the client has proven to hold; whom it names, and who vouches for it, is for rules to judge.
///
/// One object a connection, shared by all of its requests.
package final class ClientCertificate: Sendable {
    /// The certificate, in DER.
    package let der: [UInt8]
    /// What the client sent with it, to lead to an authority; in DER, believed by nobody yet.
    package let others: [[UInt8]]
    /// Whether the connection's own handshake proved it; else somebody has told of it.
    package let isFromTLS: Bool
    private let memories = Mutex<[ObjectIdentifier: any Sendable & AnyObject]>([:])

    private final class Thumbprint: Sendable {
        let octets: [UInt8]
        init(_ octets: [UInt8]) { self.octets = octets }
    }

    /// Describes a certificate.
    package init(der: [UInt8], others: [[UInt8]] = [], isFromTLS: Bool = true) {
        self.der = der
        self.others = others
        self.isFromTLS = isFromTLS
    }

    /// The certificate's digest; `digest` is asked once a connection, and is always the same one: SHA-256 (RFC 8705 §3.1).
    package func thumbprint<Failure: Error>(
        by digest: ([UInt8]) throws(Failure) -> [UInt8]
    ) throws(Failure) -> [UInt8] {
        try self.derived { certificate throws(Failure) in Thumbprint(try digest(certificate.der)) }.octets
    }

    /// What is computed from the certificate: made once a connection for all that want it.
    package func derived<Value: Sendable & AnyObject, Failure: Error>(
        _ make: (ClientCertificate) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let key = ObjectIdentifier(Value.self)
        if let value = self.memories.withLock({ $0[key] }) as? Value { return value }
        let value = try make(self)
        self.memories.withLock { $0[key] = value }
        return value
    }
}
