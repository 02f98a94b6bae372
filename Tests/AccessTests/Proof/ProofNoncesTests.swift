// Nonces for proofs: ours alone, for a while, and across a change of keys.
import Testing

@testable import Access

struct ProofNoncesTests {
    private let old = [UInt8](repeating: 1, count: 32)
    private let new = [UInt8](repeating: 2, count: 32)

    private func nonces(_ keys: [[UInt8]], seconds: Double = 300) throws -> ProofNonces {
        try ProofNonces(SealingKeyRing(octets: keys), seconds: seconds)
    }

    @Test func `a nonce is good in its span and the next, and no longer`() throws {
        let nonces = try nonces([old])
        // A span is 150 s: this one begins at 1500.
        let nonce = try #require(nonces.current(at: 1500))
        #expect(nonces.current(at: 1649) == nonce)
        #expect(nonces.age(of: nonce, at: 1649) == .current)
        #expect(nonces.age(of: nonce, at: 1650) == .former)
        #expect(nonces.age(of: nonce, at: 1799) == .former)
        #expect(nonces.age(of: nonce, at: 1800) == nil)
        // A replica's clock may be behind.
        #expect(nonces.age(of: nonce, at: 1499) == .current)
        #expect(nonces.age(of: nonce, at: 1349) == nil)
    }

    @Test func `nobody else makes one`() throws {
        let nonces = try nonces([old])
        let nonce = try #require(nonces.current(at: 1500))
        let stranger = try #require(try self.nonces([new]).current(at: 1500))
        #expect(nonces.age(of: stranger, at: 1500) == nil)
        #expect(nonces.age(of: "", at: 1500) == nil)
        #expect(nonces.age(of: String(nonce.dropLast()), at: 1500) == nil)
        #expect(nonces.age(of: nonce + "A", at: 1500) == nil)
        let other = nonce.last == "A" ? "Q" : "A"
        #expect(nonces.age(of: nonce.dropLast() + other, at: 1500) == nil)
        // Made for another lifetime.
        #expect(try self.nonces([old], seconds: 600).age(of: nonce, at: 1500) == nil)
    }

    @Test func `a new key makes new nonces and still proves those of the old one`() throws {
        let before = try #require(try nonces([old]).current(at: 1500))
        let rotated = try nonces([new, old])
        #expect(rotated.age(of: before, at: 1500) == .current)
        let after = try #require(rotated.current(at: 1500))
        #expect(after != before)
        #expect(try nonces([new]).age(of: after, at: 1500) == .current)
        #expect(try nonces([new]).age(of: before, at: 1500) == nil)
    }
}
