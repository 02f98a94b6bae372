// A certificate that we show to servers, with its key.

/// A certificate and its key, shown where a server asks for one (RFC 8705); its description tells neither.
package struct FetchCertificate: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    /// The certificate, then what leads to its authority, as PEM.
    let chain: [UInt8]
    /// The private key, as PEM without a passphrase.
    let key: [UInt8]
    /// Whether the server's certificate and name are checked on such connections.
    package let verifiesServer: Bool

    /// Takes both as PEM.
    package init(chain: String, key: String, verifiesServer: Bool = true) {
        self.chain = Array(chain.utf8)
        self.key = Array(key.utf8)
        self.verifiesServer = verifiesServer
    }

    /// A fixed text, nothing of the key.
    package var description: String { "(certificate)" }
    /// A fixed text, nothing of the key.
    package var debugDescription: String { "(certificate)" }
    /// A mirror that shows nothing.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
