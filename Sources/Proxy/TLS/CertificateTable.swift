// Which certificate answers to which name.

/// Certificates by name, as Kong's `snis` have them; immutable, a part of the plan.
package final class CertificateTable: Sendable {
    private let byName: [String: ServerCertificate]
    /// Shown where no name fits, or none is asked for; nil refuses.
    private let standard: ServerCertificate?
    /// Whether a client that asks for a name, or for none, is asked for a certificate.
    private let asks: @Sendable (String?) -> Bool

    /// A table of nothing: every handshake is refused.
    package convenience init() { self.init([], standard: nil) }

    /// Names certificates: `example.com`, `*.example.com`, `example.*`; `*` is for whatever no other name fits.
    ///
    /// - Parameters:
    ///   - standard: what is shown where not even `*` is there.
    ///   - asks: whether a client that asks for a name, or for none, is asked for a certificate.
    ///   - previous: what is the same there goes on here, so that its sessions can be resumed.
    package init(
        _ named: [(names: [String], certificate: ServerCertificate)],
        standard: ServerCertificate?,
        asks: @escaping @Sendable (String?) -> Bool = { _ in false },
        after previous: CertificateTable? = nil
    ) {
        let known = previous.map { Array($0.byName.values) + ($0.standard.map { [$0] } ?? []) } ?? []
        func kept(_ made: ServerCertificate) -> ServerCertificate { known.first { $0.shows(made) } ?? made }
        var byName: [String: ServerCertificate] = [:]
        for (names, certificate) in named {
            let certificate = kept(certificate)
            for name in names { byName[name] = certificate }
        }
        self.byName = byName
        self.asks = asks
        self.standard = byName["*"] ?? standard.map(kept)
    }

    /// Whether every handshake would be refused.
    package var isEmpty: Bool { self.byName.isEmpty && self.standard == nil }

    /// Whether a client that asks for that name is asked for a certificate.
    func asksClient(of name: String?) -> Bool { self.asks(name) }

    /// The certificate for a name in lower case: the name itself, then with its first label a wildcard, then its last.
    package func certificate(for name: String?) -> ServerCertificate? {
        guard let name else { return self.standard }
        if let exact = self.byName[name] { return exact }
        if let dot = name.firstIndex(of: "."), let wild = self.byName["*\(name[dot...])"] { return wild }
        if let dot = name.lastIndex(of: "."), let wild = self.byName["\(name[...dot])*"] { return wild }
        return self.standard
    }
}
