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
    ///
    /// - Parameter domain: whose service is asked for, where records of SRV say where it is. A place proves that name and
    ///   not the one in the record, which anybody could have put there (RFC 9525 §6.1).
    mutating func terms(of service: Service, in domain: String?) -> UpstreamTLS? {
        guard service.speaksTLS else { return nil }
        var wish = self.wish(of: service)
        wish.serverName = domain
        return self.terms(wish, of: service)
    }

    /// The terms of an upstream's checks; nil if they speak no TLS, or nothing comes of them.
    ///
    /// - Parameters:
    ///   - service: one that the upstream serves, whose authorities and certificate count for its checks too.
    ///   - domain: whose service is asked for, where records of SRV say where it is.
    mutating func terms(
        of checks: HealthChecking,
        for service: Service?,
        in domain: String?
    ) -> UpstreamTLS? {
        guard checks.speaksTLS || service?.speaksTLS == true else { return nil }
        var wish = self.wish(of: service)
        wish.verifies = checks.verifiesTLS && (checks.speaksTLS || wish.verifies)
        wish.speaksHTTP2 = checks.speaksHTTP2
        wish.serverName = checks.serverName ?? domain
        return self.terms(wish, of: service)
    }

    private func wish(of service: Service?) -> UpstreamTLS.Wish {
        var wish = UpstreamTLS.Wish()
        wish.authorities = self.standard
        guard let service else { return wish }
        wish.verifies = service.verifiesTLS
        wish.speaksHTTP2 = service.speaksHTTP2
        let named = service.authorities.compactMap { self.authorities[$0] }
        if !named.isEmpty { wish.authorities = named }
        wish.client = service.clientCertificate.flatMap { self.certificates[$0] }?.pair
        return wish
    }

    /// Terms for a wish: those that are there, or new ones.
    private mutating func terms(_ wish: UpstreamTLS.Wish, of service: Service?) -> UpstreamTLS? {
        if let known = self.known[wish] { return known }
        do throws(CertificateError) {
            let made = try UpstreamTLS(wish)
            self.known[wish] = made
            return made
        } catch {
            let shown = service?.clientCertificate.flatMap { self.certificates[$0] }
            let whose = service.map { "service '\($0.name ?? $0.id)'" } ?? "upstreams"
            self.failures.append(
                Diagnostic(.error, at: shown?.position ?? .nowhere, "TLS of \(whose): \(error)")
            )
            return nil
        }
    }
}
