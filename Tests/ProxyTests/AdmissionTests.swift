// Who may connect, and who is turned away.

import Testing

@testable import Proxy

struct AdmissionTests {
    private func admission(_ change: (inout ProxyLimits) -> Void) -> Admission {
        var limits = ProxyLimits()
        change(&limits)
        return Admission(limits)
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func `as many come in as the total says, and one more when one has left`() throws {
        let admission = self.admission { $0.connectionsTotal = 2 }
        let peer = try self.address("192.0.2.1")
        #expect(admission.enter(peer, isTrusted: false, workerIsFull: false) == nil)
        #expect(admission.enter(peer, isTrusted: true, workerIsFull: false) == nil)
        #expect(admission.enter(peer, isTrusted: true, workerIsFull: false) == .server)
        #expect(admission.connections == 2)
        admission.leave(peer, isTrusted: true)
        #expect(admission.enter(peer, isTrusted: false, workerIsFull: false) == nil)
        #expect(admission.turnedAway(.server) == 1)
    }

    @Test func `an address has a bound of its own, save a trusted peer's`() throws {
        let admission = self.admission { $0.connectionsPerAddress = 1 }
        let (one, other) = (try self.address("192.0.2.1"), try self.address("192.0.2.2"))
        #expect(admission.enter(one, isTrusted: false, workerIsFull: false) == nil)
        #expect(admission.enter(one, isTrusted: false, workerIsFull: false) == .address)
        #expect(admission.enter(other, isTrusted: false, workerIsFull: false) == nil)
        #expect(admission.enter(one, isTrusted: true, workerIsFull: false) == nil)
        #expect(admission.connections == 3)
        admission.leave(one, isTrusted: true)
        #expect(admission.enter(one, isTrusted: false, workerIsFull: false) == .address)
        admission.leave(one, isTrusted: false)
        #expect(admission.enter(one, isTrusted: false, workerIsFull: false) == nil)
        #expect(admission.turnedAway(.address) == 2)
        #expect(admission.connections == 2)
    }

    @Test func `an IPv6 address counts with its whole /64, an IPv4 one alone`() throws {
        let admission = self.admission { $0.connectionsPerAddress = 1 }
        for text in ["2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:192.0.2.1", "192.0.2.2", "::1"] {
            let peer = try self.address(text)
            #expect(admission.enter(peer, isTrusted: false, workerIsFull: false) == nil, "\(text)")
        }
        for text in ["2001:db8:0:1:ffff::9", "192.0.2.1", "::2"] {
            let peer = try self.address(text)
            #expect(admission.enter(peer, isTrusted: false, workerIsFull: false) == .address, "\(text)")
        }
    }

    @Test func `a full worker turns away before anything is counted`() throws {
        let admission = self.admission { _ in }
        let peer = try self.address("192.0.2.1")
        #expect(admission.enter(peer, isTrusted: false, workerIsFull: true) == .worker)
        #expect(admission.connections == 0)
        #expect(admission.turnedAway(.worker) == 1)
    }
}
