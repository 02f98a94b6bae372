// The certificate of a client, and what is computed from it.

import Testing

@testable import Proxy

struct ClientCertificateTests {
    @Test func `a thumbprint is computed once a certificate`() {
        let one = ClientCertificate(der: [1, 2, 3])
        let other = ClientCertificate(der: [4])
        var asked: [[UInt8]] = []
        func digest(_ octets: [UInt8]) -> [UInt8] {
            asked.append(octets)
            return octets.reversed()
        }
        #expect(one.thumbprint(by: digest) == [3, 2, 1])
        #expect(one.thumbprint(by: digest) == [3, 2, 1])
        #expect(other.thumbprint(by: digest) == [4])
        #expect(asked == [[1, 2, 3], [4]])
    }

    @Test func `a digest that fails is asked again`() throws {
        struct Failure: Error {}
        let certificate = ClientCertificate(der: [1])
        #expect(throws: Failure.self) { try certificate.thumbprint { _ throws(Failure) in throw Failure() } }
        #expect(certificate.thumbprint { $0 } == [1])
    }

    @Test func `what was sent with a certificate is found again by it, and counted`() {
        let memory = ChainMemory()
        #expect(memory.others(of: [1]) == [])
        memory.remember([[7, 7], [8]], of: [1])
        memory.remember([[9]], of: [2, 2])
        #expect(memory.others(of: [1]) == [[7, 7], [8]])
        #expect(memory.others(of: [2, 2]) == [[9]])
        #expect(memory.bytes == 4 + 3)
        memory.remember([[7]], of: [1])
        #expect(memory.others(of: [1]) == [[7]])
        #expect(memory.bytes == 7)
    }

    @Test func `facts say whether the handshake proved the certificate`() {
        let address = IPAddress(v4: 0x7F00_0001)
        #expect(ClientFacts(peer: address).certificate == nil)
        #expect(ClientFacts(peer: address).wasAskedForCertificate == nil)
        let shown = ClientFacts(peer: address, certificate: ClientCertificate(der: [1]))
        #expect(shown.certificate?.isFromTLS == true)
        #expect(shown.wasAskedForCertificate == true)
    }
}
