// What a connection's certificate says, read once.
import Cryptography
import Gateway
import Proxy

/// What is read of a certificate, kept with it.
final class CertificateReading: Sendable {
    let certificate: ReadCertificate
    /// The certificate in PEM, with all but letters, digits and `-._~` escaped.
    let escapedPEM: String

    private init(_ certificate: ReadCertificate) {
        self.certificate = certificate
        escapedPEM = Self.escaped(certificate.pem)
    }

    /// Reads a client's certificate, once a connection.
    ///
    /// - Throws: what one library took and the other does not is nobody's certificate.
    static func of(_ client: ClientCertificate) throws(Refusal) -> CertificateReading {
        do throws(CryptoError) {
            return try client.derived { certificate throws(CryptoError) in
                CertificateReading(try ReadCertificate(der: certificate.der))
            }
        } catch {
            throw .malformed(.init("malformed-client-certificate"))
        }
    }

    private static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var octets: [UInt8] = []
        octets.reserveCapacity(text.utf8.count * 5 / 4)
        for octet in text.utf8 {
            switch octet {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: octets.append(octet)
            default: octets += [0x25, digits[Int(octet >> 4)], digits[Int(octet & 15)]]
            }
        }
        return String(decoding: octets, as: UTF8.self)
    }
}
