// A certificate's text under any octets.

@testable import Cryptography

/// Reads octets as a field in which a proxy tells of its client's certificate.
package enum CertificateCheck {
    /// Holds `input` to all promises about such texts: as a text, and as what a certificate holds.
    package static func run(_ input: [UInt8]) throws(Finding) {
        for form in [WrittenCertificate.Form.percentEncodedPEM, .base64] {
            let read = WrittenCertificate.certificate(input, form)
            let plain = input.count > WrittenCertificate.maximumBytes ? nil : self.plainly(input, form)
            try demand(read == plain, "\(form): \(read ?? []), plainly \(plain ?? []): \(shown(input))")
            // Whatever libcrypto says of it, it says so without harm.
            if let read { _ = try? ReadCertificate(der: read) }
        }
        try self.writeAndRead(input)
    }

    /// What any of the forms writes of a sequence is read as that sequence.
    private static func writeAndRead(_ input: [UInt8]) throws(Finding) {
        let content = Array(input.prefix(2048)) + [0, 0, 0]
        let der = [0x30, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xFF)] + content
        let letters = self.encode(der)
        let pem = self.begin + [0x0A] + letters + [0x0A] + self.end + [0x0A]
        let escaped = pem.flatMap { self.escape($0) }
        let isRead =
            WrittenCertificate.certificate(escaped, .percentEncodedPEM) == der
            && WrittenCertificate.certificate(letters, .base64) == der
            && WrittenCertificate.certificate([0x3A] + letters + [0x3A], .base64) == der
            && WrittenCertificate.certificate(self.encode(pem), .base64) == der
        try demand(isRead, "not read as it was written: \(shown(input))")
    }

    // MARK: Plainly

    private static let begin = Array("-----BEGIN CERTIFICATE-----".utf8)
    private static let end = Array("-----END CERTIFICATE-----".utf8)
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
    )

    private static func plainly(_ input: [UInt8], _ form: WrittenCertificate.Form) -> [UInt8]? {
        let octets: [UInt8]?
        switch form {
        case .percentEncodedPEM: octets = self.unescaped(input).flatMap(self.body)
        case .base64:
            let isBetween = input.count > 2 && input[0] == 0x3A && input[input.count - 1] == 0x3A
            let text = self.decode(isBetween ? Array(input[1..<(input.count - 1)]) : input)
            octets = text.flatMap { $0.starts(with: self.begin) ? self.body($0) : $0 }
        }
        guard let octets, octets.count > 4, octets[0] == 0x30 else { return nil }
        // A long length of one to three octets, which tells of all that follows (X.690 §8.1.3.5).
        for count in 1...3 where octets[1] == 0x80 + UInt8(count) && octets.count > 2 + count {
            var length = 0
            for place in 0..<count { length = length * 256 + Int(octets[2 + place]) }
            return length == octets.count - 2 - count ? octets : nil
        }
        return nil
    }

    /// What stands between the lines of the first certificate.
    private static func body(_ text: [UInt8]) -> [UInt8]? {
        guard text.starts(with: self.begin) else { return nil }
        var letters: [UInt8] = []
        for place in self.begin.count..<text.count {
            if text[place] == 0x2D {
                return text[place...].starts(with: self.end) ? self.decode(letters) : nil
            }
            letters.append(text[place])
        }
        return nil
    }

    /// Base64 bit by bit, white space left out.
    private static func decode(_ text: [UInt8]) -> [UInt8]? {
        let letters = text.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        let padding = letters.reversed().prefix { $0 == 0x3D }.count
        guard letters.count % 4 == 0, padding <= 2 else { return nil }
        var bits: [Bool] = []
        for letter in letters.dropLast(padding) {
            guard let value = self.alphabet.firstIndex(of: letter) else { return nil }
            for bit in [32, 16, 8, 4, 2, 1] { bits.append(value & bit != 0) }
        }
        return stride(from: 0, to: bits.count - bits.count % 8, by: 8).map { start in
            bits[start..<(start + 8)].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }

    private static func encode(_ octets: [UInt8]) -> [UInt8] {
        var letters: [UInt8] = []
        for start in stride(from: 0, to: octets.count, by: 3) {
            let three = (0..<3).map { start + $0 < octets.count ? Int(octets[start + $0]) : 0 }
            let value = three[0] << 16 | three[1] << 8 | three[2]
            let count = min(3, octets.count - start)
            for place in 0..<4 {
                letters.append(place > count ? 0x3D : self.alphabet[value >> (18 - 6 * place) & 63])
            }
        }
        return letters
    }

    private static func unescaped(_ text: [UInt8]) -> [UInt8]? {
        var (octets, rest): ([UInt8], ArraySlice<UInt8>) = ([], text[...])
        while let octet = rest.popFirst() {
            guard octet == 0x25 else {
                octets.append(octet)
                continue
            }
            guard let high = rest.popFirst().flatMap(self.digit),
                let low = rest.popFirst().flatMap(self.digit)
            else { return nil }
            octets.append(high * 16 + low)
        }
        return octets
    }

    private static func digit(_ octet: UInt8) -> UInt8? {
        Character(Unicode.Scalar(octet)).hexDigitValue.map { UInt8($0) }
    }

    private static func escape(_ octet: UInt8) -> [UInt8] {
        guard [0x0A, 0x20, 0x2B, 0x2F, 0x3D].contains(octet) else { return [octet] }
        return Array("%\(octet < 16 ? "0" : "")\(String(octet, radix: 16))".utf8)
    }
}
