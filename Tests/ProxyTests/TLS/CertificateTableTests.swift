// Which certificate answers to which name, and what of it outlives a change.

import Testing

@testable import Proxy

struct CertificateTableTests {
    private let one, other, rsa: ServerCertificate

    init() throws {
        self.one = try ServerCertificate(WrittenPairs.one)
        self.other = try ServerCertificate(WrittenPairs.other)
        self.rsa = try ServerCertificate(WrittenPairs.rsa)
    }

    @Test func `a table of nothing has a certificate for nobody`() {
        let table = CertificateTable()
        #expect(table.isEmpty)
        for name in ["a.example", "*", "", nil] { #expect(table.certificate(for: name) == nil) }
    }

    @Test func `the name itself goes first, then its first label as a wildcard, then its last`() throws {
        let table = CertificateTable(
            [
                (["www.example.com"], self.one), (["*.example.com"], self.other),
                (["www.example.*"], self.rsa),
            ],
            standard: nil
        )
        #expect(!table.isEmpty)
        #expect(table.certificate(for: "www.example.com") === self.one)
        #expect(table.certificate(for: "api.example.com") === self.other)
        #expect(table.certificate(for: "www.example.org") === self.rsa)
        // A wildcard is one label, no more and no less.
        for name in ["example.com", "a.b.example.com", "www.example", "www.example.co.uk", "com", ".", nil] {
            #expect(table.certificate(for: name) == nil, "\(name ?? "-")")
        }
    }

    @Test func `whom no name fits gets what is for all of them, or else the settings' own`() throws {
        let settings = CertificateTable([(["a.example"], self.one)], standard: self.rsa)
        let file = CertificateTable([(["a.example"], self.one), (["*"], self.other)], standard: self.rsa)
        for name in ["b.example", nil] {
            #expect(settings.certificate(for: name) === self.rsa)
            #expect(file.certificate(for: name) === self.other)
        }
        #expect(settings.certificate(for: "a.example") === self.one)
    }

    @Test func `what is the same in the next table goes on, with its sessions`() throws {
        let before = CertificateTable([(["a.example"], self.one)], standard: self.rsa)
        let again = try ServerCertificate(WrittenPairs.one)
        let after = CertificateTable(
            [(["b.example"], again), (["c.example"], self.other)],
            standard: try ServerCertificate(WrittenPairs.rsa),
            after: before
        )
        #expect(after.certificate(for: "b.example") === self.one)
        #expect(after.certificate(for: "c.example") === self.other)
        #expect(after.certificate(for: "a.example") === self.rsa)
    }

    @Test func `another certificate, a second one or another policy begins anew`() throws {
        let before = CertificateTable([(["a.example"], self.one)], standard: nil)
        var policy = TLSPolicy()
        policy.takesTLS12 = false
        let changed = [
            self.other, try ServerCertificate(WrittenPairs.one, and: WrittenPairs.rsa),
            try ServerCertificate(WrittenPairs.one, policy: policy),
        ]
        for certificate in changed {
            let after = CertificateTable([(["a.example"], certificate)], standard: nil, after: before)
            #expect(after.certificate(for: "a.example") === certificate)
        }
    }

    @Test func `who asks is what the table was told`() {
        let table = CertificateTable([], standard: self.one, asks: { $0 == "asks.example" })
        #expect(table.asksClient(of: "asks.example"))
        #expect(!table.asksClient(of: "plain.example"))
        #expect(!table.asksClient(of: nil))
        #expect(!CertificateTable().asksClient(of: "asks.example"))
    }

    @Test func `a certificate is shown with its own key, and two with keys of two kinds`() throws {
        let mixed = CertificatePair(certificate: WrittenPairs.one.certificate, key: WrittenPairs.other.key)
        #expect(throws: CertificateError.keyDoesNotFit) { try ServerCertificate(mixed) }
        #expect(throws: CertificateError.sameKind) {
            try ServerCertificate(WrittenPairs.one, and: WrittenPairs.other)
        }
        let noCertificate = CertificatePair(certificate: "x", key: WrittenPairs.one.key)
        #expect(throws: CertificateError.noCertificate) { try ServerCertificate(noCertificate) }
        let noKey = CertificatePair(certificate: WrittenPairs.one.certificate, key: "x")
        #expect(throws: CertificateError.noKey) { try ServerCertificate(noKey) }
    }

    @Test func `handshakes that ask begin anew, tickets and all, once they remember too much`() throws {
        let asking = self.one.askingContext(for: ClientHello(), takesHTTP2: false)
        let first = try asking.begin().memory
        first.remember([[UInt8](repeating: 0, count: (4 << 20) - 1)], of: [1])
        #expect(first.bytes == 4 << 20)
        #expect(try asking.begin().memory === first)
        first.remember([[0]], of: [2])
        let second = try asking.begin().memory
        #expect(second !== first)
        #expect(second.bytes == 0)
        #expect(try asking.begin().memory === second)
        // Each way to speak has tickets of its own.
        #expect(try self.one.askingContext(for: ClientHello(), takesHTTP2: true).begin().memory !== second)
    }
}
