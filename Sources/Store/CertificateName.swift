// Whether a name in a certificate means a host.

/// Names in certificates (RFC 9525 §6.3).
///
/// NIOSSL is content with a certificate for the address at the other end too, whatever name is asked for: whoever answers
/// for a name in DNS could then show one for an address of his own.
enum CertificateName {
    /// Whether a certificate's name means a host: the same, or a wildcard for its first label.
    static func means(_ host: String, by pattern: [UInt8]) -> Bool {
        var name = Self.lower(host.utf8)
        let pattern = Self.lower(pattern)
        if name.last == UInt8(ascii: ".") { name.removeLast() }
        if name == pattern { return true }
        guard pattern.starts(with: Array("*.".utf8)), let dot = name.firstIndex(of: UInt8(ascii: ".")),
            dot > 0
        else { return false }
        return name[dot...].elementsEqual(pattern.dropFirst())
    }

    private static func lower(_ octets: some Sequence<UInt8>) -> [UInt8] {
        octets.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }
}
