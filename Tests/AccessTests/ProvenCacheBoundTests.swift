// The memory of proven credentials: what it holds, for whom, and how much (H4, J8).
import Gateway
import JSON
import Testing

@testable import Access

struct ProvenCacheBoundTests {
    final class Proof {
        let name: String
        init(_ name: String) { self.name = name }
    }

    static func token(_ number: Int, count: Int = 800) -> [UInt8] {
        var token = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        for (place, digit) in String(number).utf8.enumerated() { token[count - 10 + place] = digit }
        return token
    }

    @Test func `a credential is known to the asker that proved it, and to no other`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let token = Self.token(1)
        cache.keep(Proof("one"), for: token.span, asker: 4)
        #expect(cache.value(token.span, asker: 4)?.name == "one")
        #expect(cache.value(token.span, asker: 8) == nil && cache.value(token.span, asker: 5) == nil)
    }

    @Test func `every octet counts, wherever it is (H4)`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let token = Self.token(1, count: 100)
        cache.keep(Proof("one"), for: token.span, asker: 4)
        for place in token.indices {
            var other = token
            other[place] ^= 1
            #expect(cache.value(other.span, asker: 4) == nil, "octet \(place)")
        }
        let (shorter, longer) = (Array(token.dropFirst()), [UInt8(ascii: "x")] + token)
        #expect(cache.value(shorter.span, asker: 4) == nil && cache.value(longer.span, asker: 4) == nil)
    }

    @Test func `what is forgotten is forgotten, young or old`() {
        let cache = ProvenCache<Proof>(maximumBytes: 40_000)
        for number in 0..<20 { cache.keep(Proof("\(number)"), for: Self.token(number).span, asker: 4) }
        for number in 0..<20 {
            let token = Self.token(number)
            cache.forget(token.span, asker: 8)
            let before = cache.value(token.span, asker: 4)
            cache.forget(token.span, asker: 4)
            #expect(before == nil || cache.value(token.span, asker: 4) == nil)
        }
        #expect(cache.count == 0)
    }

    @Test func `what is kept is bounded, with what it proved (J8)`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        for number in 0..<10_000 { cache.keep(Proof(""), for: Self.token(number).span, asker: 4) }
        #expect(cache.count <= (1 << 20) / (800 + 2048) + 1 && cache.count > 150)
        let large = ProvenCache<Proof>(maximumBytes: 1 << 20)
        for number in 0..<10_000 {
            large.keep(Proof(""), for: Self.token(number).span, asker: 4, holding: 100_000)
        }
        #expect(large.count <= 10 && large.count > 3)
        // What is more than a half of the memory is not kept at all.
        large.keep(Proof("huge"), for: Self.token(-1).span, asker: 4, holding: 600_000)
        #expect(large.value(Self.token(-1).span, asker: 4) == nil)
    }

    @Test func `what is asked for stays while others come`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let token = Self.token(-1)
        cache.keep(Proof("busy"), for: token.span, asker: 4)
        for number in 0..<5000 {
            cache.keep(Proof(""), for: Self.token(number).span, asker: 4)
            if number % 100 == 0 { #expect(cache.value(token.span, asker: 4)?.name == "busy") }
        }
    }

    @Test func `a flood of credentials that prove nothing pushes nothing out`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let known = (0..<100).map { Self.token($0) }
        for token in known { cache.keep(Proof(""), for: token.span, asker: 4) }
        for number in 1000..<50_000 { _ = cache.value(Self.token(number).span, asker: 4) }
        #expect(known.allSatisfy { cache.value($0.span, asker: 4) != nil })
        #expect(cache.count == 100 && cache.misses.value == 49_000 && cache.hits.value == 100)
    }

    @Test func `claims are charged by what they hold`() {
        let small: JSONValue = ["sub": "alice"]
        let large: JSONValue = ["groups": .array((0..<1000).map { .string("a group of some length \($0)") })]
        #expect(small.approximateBytes < 400)
        #expect(large.approximateBytes > 60_000 && large.approximateBytes < 200_000)
    }
}
