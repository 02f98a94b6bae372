// Certificates: what they say, and who vouches for them.

import Cryptography
import Testing

struct CertificateTests {
    /// January 2027, in seconds since 1970.
    static let day = 1_798_761_600.0

    static func der(_ pem: String) throws -> [UInt8] {
        try #require(CertificateAuthorities.read(pem: pem).first)
    }

    /// Why nobody vouches for a certificate; nil if somebody does.
    static func doubt(
        _ pem: String,
        _ others: [String] = [],
        by roots: [String] = [Certificates.root],
        at time: Double = day,
        partial: Bool = false
    ) throws -> String? {
        let authorities = try CertificateAuthorities(pem: roots)
        let (own, sent) = (try self.der(pem), try others.map { try self.der($0) })
        do throws(CertificateAuthorities.Doubt) {
            _ = try authorities.prove(own, others: sent, at: time, allowsPartialChain: partial)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func `a certificate says whose it is`() throws {
        let read = try ReadCertificate(der: Self.der(Certificates.leaf))
        #expect(read.subject == #"CN=client one,O=B\C3\A4r\, S\C3\B6hne,C=DE"#)
        #expect(read.issuer == "CN=Middle,O=Example")
        #expect(read.commonNames == ["client one"])
        #expect(
            read.alternativeNames == ["client.example", "client@example.com", "spiffe://example/client"]
        )
        #expect(read.serialNumber == "1003")
        #expect(read.fingerprint.count == 40)
        #expect(read.pem == Certificates.leaf + "\n")
    }

    @Test func `a name with a NUL in it is nobody's`() throws {
        #expect(try ReadCertificate(der: Self.der(Certificates.nul)).commonNames == [])
    }

    @Test func `what is no certificate is none, nor what something follows`() throws {
        let der = try Self.der(Certificates.leaf)
        for octets in [[], [0x30], Array(der.dropLast()), der + [0], Array(der.dropFirst())] {
            #expect(throws: CryptoError.malformedCertificate) { try ReadCertificate(der: octets) }
        }
        for text in ["", "x", Certificates.leaf.replacing("BEGIN", with: "BEGAN")] {
            #expect(throws: CryptoError.malformedCertificate) { try CertificateAuthorities(pem: [text]) }
        }
    }

    @Test func `a certificate is proven through what the client sent with it`() throws {
        #expect(try Self.doubt(Certificates.leaf, [Certificates.middle]) == nil)
        #expect(try Self.doubt(Certificates.leaf, [Certificates.other, Certificates.middle]) == nil)
        #expect(try Self.doubt(Certificates.leaf, by: [Certificates.root, Certificates.middle]) == nil)
        #expect(try Self.doubt(Certificates.leaf) != nil)
        #expect(try Self.doubt(Certificates.leaf, [Certificates.middle], by: [Certificates.other]) != nil)
    }

    @Test func `a chain that ends within is believed where that is allowed`() throws {
        #expect(try Self.doubt(Certificates.leaf, by: [Certificates.middle]) != nil)
        #expect(try Self.doubt(Certificates.leaf, by: [Certificates.middle], partial: true) == nil)
        // What the client sends is believed by neither.
        #expect(
            try Self.doubt(
                Certificates.leaf,
                [Certificates.middle, Certificates.root],
                by: [Certificates.other],
                partial: true
            ) != nil
        )
    }

    @Test func `each certificate of the chain is in date, and the first to end says until when`() throws {
        let authorities = try CertificateAuthorities(pem: [Certificates.root])
        let (leaf, middle) = (try Self.der(Certificates.leaf), try Self.der(Certificates.middle))
        let proof = try authorities.prove(leaf, others: [middle], at: Self.day + 0.5)
        #expect(proof.chain == [leaf, middle, try Self.der(Certificates.root)])
        // January 2031.
        #expect(proof.endsAt == 1_924_992_000)
        #expect(try Self.doubt(Certificates.leaf, [Certificates.middle], at: proof.endsAt - 1) == nil)
        #expect(try Self.doubt(Certificates.leaf, [Certificates.middle], at: proof.endsAt + 1) != nil)
        // December 2024.
        #expect(try Self.doubt(Certificates.leaf, [Certificates.middle], at: 1_735_000_000) != nil)
    }

    @Test func `only those that may sign, for clients, with keys of some size count`() throws {
        #expect(try Self.doubt(Certificates.server) != nil)
        #expect(try Self.doubt(Certificates.weak) != nil)
        #expect(try Self.doubt(Certificates.plain) == nil)
        #expect(try Self.doubt(Certificates.child, [Certificates.plain]) != nil)
        #expect(try Self.doubt(Certificates.child, by: [Certificates.root, Certificates.plain]) != nil)
    }

    @Test func `ten certificates may be sent, eleven are refused unread`() throws {
        let sent = [Certificates.middle] + Array(repeating: Certificates.other, count: 9)
        #expect(try Self.doubt(Certificates.leaf, sent) == nil)
        #expect(try Self.doubt(Certificates.leaf, sent + [Certificates.other]) == "more than 10 certificates")
    }

    @Test func `what the client sends and cannot be read is refused`() throws {
        let authorities = try CertificateAuthorities(pem: [Certificates.root])
        let leaf = try Self.der(Certificates.leaf)
        #expect(throws: CertificateAuthorities.Doubt.self) {
            try authorities.prove(leaf, others: [[1, 2, 3]], at: Self.day)
        }
    }
}
