// Certificates of a configuration, made ready for handshakes.

import Proxy

/// Makes a plan's table of certificates, and gathers what is wrong with them.
struct CertificatePlan {
    private(set) var table = CertificateTable()
    private(set) var failures: [Diagnostic] = []

    init(
        _ configuration: Configuration,
        _ terms: TLSTerms,
        _ asking: AskingNames,
        after previous: CertificateTable?
    ) {
        var named: [(names: [String], certificate: ServerCertificate)] = []
        for entry in configuration.certificates {
            do throws(CertificateError) {
                let made = try ServerCertificate(entry.pair, and: entry.other, policy: terms.policy)
                named.append((entry.names, made))
            } catch {
                self.failures.append(Diagnostic(.error, at: entry.position, "certificate: \(error)"))
            }
        }
        for authority in configuration.authorities where !CertificateText.isSound(authority.certificate) {
            self.failures.append(
                Diagnostic(
                    .error,
                    at: authority.position,
                    "ca_certificate: \(CertificateError.noCertificate)"
                )
            )
        }
        let standard = self.standard(terms)
        self.table = CertificateTable(
            named,
            standard: standard,
            asks: { asking.asks($0) },
            after: previous
        )
        if terms.isServed, self.table.isEmpty, self.failures.isEmpty {
            self.failures.append(
                Diagnostic(
                    .error,
                    at: .nowhere,
                    "a listener speaks TLS, but no name has a certificate; write 'certificates' with 'snis', "
                        + "or the setting 'ssl_cert'"
                )
            )
        }
    }

    private mutating func standard(_ terms: TLSTerms) -> ServerCertificate? {
        guard let pair = terms.standard.first else { return nil }
        do throws(CertificateError) {
            return try ServerCertificate(pair, and: terms.standard.dropFirst().first, policy: terms.policy)
        } catch {
            self.failures.append(Diagnostic(.error, at: .nowhere, "setting 'ssl_cert': \(error)"))
            return nil
        }
    }
}
