// What the settings say of TLS: files, and what may be spoken.
import Foundation
import Gateway
import Proxy

/// The settings of TLS; the files are read with each configuration, so that a reload takes new ones.
struct TLSSettings: Sendable {
    /// Whether a listener speaks TLS.
    var isServed = false
    var policy = TLSPolicy()
    /// Files of the certificate that is shown where no name fits, and of its key; two of each for two kinds of keys.
    var certificateFiles: [String] = []
    var keyFiles: [String] = []
    /// File of the authorities that services are checked by; nil is the system's.
    var upstreamAuthorityFile: String?

    /// No listener speaks TLS.
    init() {}

    init(_ read: SettingReader, isServed: Bool) throws(SettingError) {
        self.isServed = isServed
        self.certificateFiles = read.list("ssl_cert")
        self.keyFiles = read.list("ssl_cert_key")
        guard self.certificateFiles.count == self.keyFiles.count, self.keyFiles.count <= 2 else {
            throw read.error(
                "ssl_cert",
                "expected as many files as ssl_cert_key has, one or two; "
                    + "found \(self.certificateFiles.count) and \(self.keyFiles.count)"
            )
        }
        self.upstreamAuthorityFile = read.list("upstream_ca_file").first { !$0.isEmpty }
        try self.readPolicy(read)
    }

    private mutating func readPolicy(_ read: SettingReader) throws(SettingError) {
        let names = read.list("ssl_protocols").flatMap { $0.split(separator: " ").map(String.init) }
        self.policy.takesTLS12 = names.contains("TLSv1.2")
        self.policy.takesTLS13 = names.contains("TLSv1.3")
        let others = names.filter { $0 != "TLSv1.2" && $0 != "TLSv1.3" }
        guard others.isEmpty, !names.isEmpty else {
            throw read.error(
                "ssl_protocols",
                "expected TLSv1.2, TLSv1.3 or both, found '\(names.joined(separator: " "))'"
            )
        }
        switch try read.text("ssl_cipher_suite") {
        case "intermediate": break
        case "modern":
            guard self.policy.takesTLS13 else {
                throw read.error("ssl_cipher_suite", "'modern' wants TLSv1.3 in ssl_protocols")
            }
            self.policy.takesTLS12 = false
        case let other:
            throw read.error("ssl_cipher_suite", "expected 'intermediate' or 'modern', found '\(other)'")
        }
    }

    /// The terms with the files as they are now.
    func terms() throws(Failure) -> TLSTerms {
        var terms = TLSTerms()
        terms.isServed = self.isServed
        terms.policy = self.policy
        for (certificate, key) in zip(self.certificateFiles, self.keyFiles) {
            terms.standard.append(
                CertificatePair(
                    certificate: try Self.text(certificate, "ssl_cert"),
                    key: try Self.text(key, "ssl_cert_key")
                )
            )
        }
        if let file = self.upstreamAuthorityFile {
            let text = try Self.text(file, "upstream_ca_file")
            guard CertificateText.isSound(text) else {
                throw Failure("setting 'upstream_ca_file': the file \(file) holds no certificate in PEM")
            }
            terms.upstreamAuthorities = text
        }
        return terms
    }

    private static func text(_ path: String, _ setting: String) throws(Failure) -> String {
        guard let octets = FileManager.default.contents(atPath: path) else {
            throw Failure("setting '\(setting)': the file \(path) cannot be read")
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
