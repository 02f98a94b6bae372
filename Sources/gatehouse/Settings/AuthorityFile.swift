// The file of authorities, looked at before anything relies on it.
import Foundation

/// A PEM file of certificates.
enum AuthorityFile {
    /// Refuses a file that names nobody: with it, no issuer could ever be verified (P8).
    static func check(_ path: String) throws(SettingError) {
        guard let content = FileManager.default.contents(atPath: path) else {
            throw SettingError("setting 'trusted_ca_file': the file \(path) cannot be read")
        }
        let blocks = self.certificates(String(decoding: content, as: UTF8.self))
        guard !blocks.isEmpty, blocks.allSatisfy(self.isSequence) else {
            throw SettingError("setting 'trusted_ca_file': the file \(path) holds no certificate in PEM")
        }
    }

    /// What stands between the marks of each certificate; nothing if a mark has no end.
    private static func certificates(_ text: String) -> [String] {
        let parts = text.components(separatedBy: "-----BEGIN CERTIFICATE-----").dropFirst()
        let blocks = parts.map { $0.components(separatedBy: "-----END CERTIFICATE-----") }
        return blocks.allSatisfy { $0.count == 2 } ? blocks.map { $0[0] } : []
    }

    /// Whether base64 text holds a DER sequence, as a certificate is one (RFC 7468 §5).
    private static func isSequence(_ text: String) -> Bool {
        Data(base64Encoded: text, options: .ignoreUnknownCharacters)?.first == 0x30
    }
}
