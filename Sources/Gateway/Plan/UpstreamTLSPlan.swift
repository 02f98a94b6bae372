// The terms of TLS towards the services of a configuration.

import Proxy

/// Makes terms once for all services that want the same, and gathers what is wrong with them.
struct UpstreamTLSPlan {
    private let certificates: [String: Certificate]
    private let authorities: [String: String]
    private let standard: [String]
    private var known: [UpstreamTLS.Wish: UpstreamTLS]
    private(set) var failures: [Diagnostic] = []

    /// - Parameter previous: endpoints whose terms go on where they are still wanted.
    init(_ configuration: Configuration, _ terms: TLSTerms, after previous: some Sequence<Endpoint>) {
        self.certificates = Dictionary(
            configuration.certificates.map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        self.authorities = Dictionary(
            configuration.authorities.map { ($0.id, $0.certificate) },
            uniquingKeysWith: { first, _ in first }
        )
        self.standard = terms.upstreamAuthorities.map { [$0] } ?? []
        self.known = Dictionary(
            previous.compactMap { $0.tls.map { ($0.wish, $0) } },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// A service's terms; nil if it speaks no TLS, or nothing comes of them.
    mutating func terms(of service: Service) -> UpstreamTLS? {
        guard service.speaksTLS else { return nil }
        var wish = UpstreamTLS.Wish()
        wish.verifies = service.verifiesTLS
        wish.speaksHTTP2 = service.speaksHTTP2
        let named = service.authorities.compactMap { self.authorities[$0] }
        wish.authorities = named.isEmpty ? self.standard : named
        let shown = service.clientCertificate.flatMap { self.certificates[$0] }
        wish.client = shown?.pair
        if let known = self.known[wish] { return known }
        do throws(CertificateError) {
            let made = try UpstreamTLS(wish)
            self.known[wish] = made
            return made
        } catch {
            let name = service.name ?? service.id
            self.failures.append(
                Diagnostic(.error, at: shown?.position ?? .nowhere, "TLS of service '\(name)': \(error)")
            )
            return nil
        }
    }
}
