// The nouns of TLS: certificates that we show, and authorities that we believe.

package import Proxy

/// A certificate of ours, and the names that it answers to.
package struct Certificate: Sendable, Hashable {
    /// The file's `id`, or one made from the names.
    package var id: String
    package var pair: CertificatePair
    /// One with another kind of key: `cert_alt` and `key_alt`.
    package var other: CertificatePair?
    /// Lower case; `*.example.com` and `example.*` are wildcards, `*` is for whatever no other name fits.
    package var names: [String] = []
    package var tags: [String] = []
    package var position: Position = .nowhere

    /// Describes a certificate.
    package init(id: String, certificate: String, key: String) {
        self.id = id
        self.pair = CertificatePair(certificate: certificate, key: key)
    }

    /// Adds one with another kind of key.
    package mutating func add(certificate: String, key: String) {
        self.other = CertificatePair(certificate: certificate, key: key)
    }
}

/// Somebody whose signature under a certificate is believed.
package struct Authority: Sendable, Hashable {
    /// The file's `id`, or one made from its place.
    package var id: String
    /// The certificate, as PEM.
    package var certificate: String
    package var tags: [String] = []
    package var position: Position = .nowhere

    /// Describes an authority.
    package init(id: String, certificate: String) {
        self.id = id
        self.certificate = certificate
    }
}

/// What the program's settings say of TLS, for every plan.
package struct TLSTerms: Sendable {
    /// Whether a listener speaks TLS, so that there must be a certificate.
    package var isServed = false
    package var policy = TLSPolicy()
    /// Whose signatures under an upstream's certificate are believed, as PEM; nil is the system's.
    package var upstreamAuthorities: String?
    /// Shown where the file names none; a second is of another kind of key.
    package var standard: [CertificatePair] = []

    /// No listener speaks TLS.
    package init() {}
}
