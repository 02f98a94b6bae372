// A certificate as others write it: PEM, base64, and what of them a field may hold.

/// Reads a certificate out of a text; what it says is read elsewhere, and believed by nobody yet.
package enum WrittenCertificate {
    /// How the certificate is written.
    package enum Form: Sendable, Equatable {
        /// PEM with what no field may hold percent-encoded: `$ssl_client_escaped_cert` of nginx.
        case percentEncodedPEM
        /// Base64 of DER or of PEM; between colons it is RFC 9440's `Client-Cert`.
        case base64
    }

    /// Longest text that is read.
    package static let maximumBytes = 16_384

    /// The certificate in DER; nil where the text holds none, or more than one sequence of DER.
    package static func certificate(_ value: [UInt8], _ form: Form) -> [UInt8]? {
        guard value.count <= maximumBytes else { return nil }
        switch form {
        case .percentEncodedPEM: return decodePercent(value).flatMap { pem($0[...]) }.flatMap(wholeDER)
        case .base64:
            var text = value[...]
            if text.count > 2, text.first == UInt8(ascii: ":"), text.last == UInt8(ascii: ":") {
                text = text.dropFirst().dropLast()
            }
            guard let octets = Base64.decode(text) else { return nil }
            return (octets.starts(with: begin) ? pem(octets[...]) : octets).flatMap(wholeDER)
        }
    }

    private static let begin = Array("-----BEGIN CERTIFICATE-----".utf8)
    private static let end = Array("-----END CERTIFICATE-----".utf8)

    /// The first certificate of a PEM text (RFC 7468 §5).
    private static func pem(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.starts(with: begin) else { return nil }
        let body = text.dropFirst(begin.count)
        guard let close = body.firstIndex(of: UInt8(ascii: "-")), body[close...].starts(with: end) else {
            return nil
        }
        return Base64.decode(body[..<close])
    }

    /// The octets, if they are one DER sequence and nothing behind it.
    private static func wholeDER(_ octets: [UInt8]) -> [UInt8]? {
        guard octets.count > 4, octets[0] == 0x30, octets[1] & 0x80 != 0 else { return nil }
        let count = Int(octets[1] & 0x7F)
        guard (1...3).contains(count), octets.count > 2 + count else { return nil }
        let length = octets[2..<(2 + count)].reduce(0) { $0 << 8 | Int($1) }
        return octets.count == 2 + count + length ? octets : nil
    }

    /// Percent-encoding alone: a plus stays what it is in base64.
    private static func decodePercent(_ text: [UInt8]) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            guard text[index] == UInt8(ascii: "%") else {
                output.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.count, let high = hexadecimal(text[index + 1]),
                let low = hexadecimal(text[index + 2])
            else { return nil }
            output.append(high << 4 | low)
            index += 3
        }
        return output
    }

    private static func hexadecimal(_ octet: UInt8) -> UInt8? {
        switch octet {
        case 0x30...0x39: octet - 0x30
        case 0x41...0x46: octet - 0x41 + 10
        case 0x61...0x66: octet - 0x61 + 10
        default: nil
        }
    }
}

/// Base64 with its usual alphabet and padding (RFC 4648 §4).
package enum Base64 {
    /// Decodes a text; white space between the letters is passed over, as PEM has it.
    package static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var octets: [UInt8] = []
        octets.reserveCapacity(text.count / 4 * 3)
        var (bits, letters, padding) = (UInt32(0), 0, 0)
        for octet in text {
            let value: UInt32
            switch octet {
            case 0x41...0x5A: value = UInt32(octet - 0x41)
            case 0x61...0x7A: value = UInt32(octet - 0x61 + 26)
            case 0x30...0x39: value = UInt32(octet - 0x30 + 52)
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "="):
                padding += 1
                continue
            case 0x20, 0x09, 0x0A, 0x0D: continue
            default: return nil
            }
            guard padding == 0 else { return nil }
            letters += 1
            bits = bits << 6 | value
            guard letters & 3 == 0 else { continue }
            for shift in [UInt32(16), 8, 0] { octets.append(UInt8(truncatingIfNeeded: bits >> shift)) }
            bits = 0
        }
        guard (letters + padding) & 3 == 0, padding <= 2 else { return nil }
        switch letters & 3 {
        case 0: return padding == 0 ? octets : nil
        case 2: octets.append(UInt8(truncatingIfNeeded: bits >> 4))
        case 3:
            octets.append(UInt8(truncatingIfNeeded: bits >> 10))
            octets.append(UInt8(truncatingIfNeeded: bits >> 2))
        default: return nil
        }
        return octets
    }
}
