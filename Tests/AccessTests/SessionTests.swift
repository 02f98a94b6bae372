// Sessions: how long they live, and how they are kept.
import JSON
import Testing

@testable import Access

struct SessionTests {
    let limits = SessionLimits(idling: 100, rolling: 1000, absolute: 5000)

    private func session(used: Double = 0, renewed: Double = 0, created: Double = 0) -> Session {
        var session = Session(id: "i", at: created, issuer: "https://id.example", subject: "alice")
        session.usedAt = used
        session.renewedAt = renewed
        return session
    }

    // V3
    @Test func `an unused session ends with the idle time, to the second`() {
        #expect(limits.isAlive(session(used: 50), at: 149.9))
        #expect(!limits.isAlive(session(used: 50), at: 150))
    }

    @Test func `a session that is not renewed ends with the rolling time`() {
        #expect(limits.isAlive(session(used: 990), at: 999.9))
        #expect(!limits.isAlive(session(used: 990), at: 1000))
        #expect(limits.isAlive(session(used: 990, renewed: 750), at: 1000))
    }

    // V3
    @Test func `no renewal outlives the absolute time`() {
        #expect(limits.isAlive(session(used: 4990, renewed: 4990), at: 4999))
        #expect(!limits.isAlive(session(used: 4990, renewed: 4990), at: 5000))
    }

    @Test func `a limit of 0 is none, but a year is the end of any cookie`() {
        let none = SessionLimits(idling: 0, rolling: 0, absolute: 0)
        #expect(none.isAlive(session(), at: 31_535_999))
        #expect(!none.isAlive(session(), at: 31_536_000))
        #expect(none.longestSeconds == 31_536_000)
        #expect(limits.longestSeconds == 100)
    }

    // D10
    @Test func `a session from the future is none`() {
        #expect(limits.isAlive(session(used: 60, renewed: 60, created: 60), at: 0))
        #expect(!limits.isAlive(session(used: 61, renewed: 61, created: 61), at: 0))
    }

    @Test func `the cookie is written anew only when it has aged`() {
        #expect(!limits.needsRenewal(session(), at: 9.9))
        #expect(limits.needsRenewal(session(), at: 10))
        let usual = SessionLimits()
        #expect(!usual.needsRenewal(session(), at: 59.9))
        #expect(usual.needsRenewal(session(), at: 60))
        let rolling = SessionLimits(idling: 0, rolling: 1000, absolute: 0)
        #expect(!rolling.needsRenewal(session(), at: 749))
        #expect(rolling.needsRenewal(session(), at: 750))
    }

    @Test func `use moves the idle time, and the rolling time only when three quarters are over`() {
        let early = limits.renewed(session(), at: 99)
        #expect(early.usedAt == 99)
        #expect(early.renewedAt == 0)
        let late = limits.renewed(session(used: 700), at: 750)
        #expect(late.renewedAt == 750)
        #expect(late.createdAt == 0)
    }

    @Test func `a session survives its octets whole`() {
        var session = session()
        session.accessToken = "at"
        session.accessTokenExpires = 12.5
        session.isAccessTokenProven = true
        session.refreshToken = "rt"
        session.idToken = "a.b.c"
        session.scope = "openid email"
        session.userInfo = ["name": "Zoë"]
        #expect(Session(serialized: session.serialized()) == session)
        #expect(Session(serialized: Array("{\"v\":2}".utf8)) == nil)
        #expect(Session(serialized: []) == nil)
    }

    @Test func `a login attempt survives its octets whole`() {
        let attempt = LoginAttempt(
            state: "s",
            nonce: "n",
            verifier: "v",
            redirectURI: "https://a/cb",
            target: "/x?y",
            startedAt: 3
        )
        #expect(LoginAttempt(serialized: attempt.serialized()) == attempt)
    }
}

struct UsedOnceTests {
    // A6
    @Test func `a word counts once until it expires`() {
        let used = UsedOnce(maximum: 2)
        #expect(used.note("a", until: 10, at: 0))
        #expect(!used.note("a", until: 10, at: 9.9))
        #expect(used.contains("a", at: 9.9))
        #expect(!used.contains("a", at: 10))
        #expect(used.note("a", until: 20, at: 10))
    }

    // A stranger who fills the memory keeps nobody from logging in or out.
    @Test func `without room what expires first makes way`() {
        let used = UsedOnce(maximum: 8)
        for number in 0..<8 { #expect(used.note("old \(number)", until: 100 + Double(number), at: 0)) }
        #expect(used.note("new", until: 200, at: 1))
        #expect(used.contains("new", at: 1))
        #expect(!used.note("new", until: 200, at: 1))
        let kept = (0..<8).filter { used.contains("old \($0)", at: 1) }
        #expect(kept == Array(2..<8))
    }
}

struct ProvenCacheTests {
    final class Proof {}

    // H4
    @Test func `a proof is found by the same asker and the same octets alone`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let proof = Proof()
        let token = Array("header.payload.signature-signature-signature".utf8)
        cache.keep(proof, for: token.span, asker: 1)
        #expect(cache.value(token.span, asker: 1) === proof)
        #expect(cache.value(token.span, asker: 2) == nil)
        for index in token.indices {
            var other = token
            other[index] ^= 1
            #expect(cache.value(other.span, asker: 1) == nil)
        }
        #expect(cache.value(Array(token.dropLast()).span, asker: 1) == nil)
        #expect(cache.value((token + [0]).span, asker: 1) == nil)
    }

    @Test func `a forgotten proof is gone`() {
        let cache = ProvenCache<Proof>(maximumBytes: 1 << 20)
        let token = Array("t".utf8)
        cache.keep(Proof(), for: token.span, asker: 1)
        cache.forget(token.span, asker: 1)
        #expect(cache.value(token.span, asker: 1) == nil)
        #expect(cache.count == 0)
    }

    @Test func `its bound holds, and what is asked for stays`() {
        let bytes = 100_000
        let cache = ProvenCache<Proof>(maximumBytes: bytes)
        let dear = Array("dear".utf8)
        cache.keep(Proof(), for: dear.span, asker: 0)
        for number in 0..<10_000 {
            cache.keep(Proof(), for: Array("token \(number)".utf8).span, asker: 0)
            #expect(cache.value(dear.span, asker: 0) != nil)
        }
        #expect(cache.count <= bytes / 2048 + 1)
    }
}

struct SingleFlightTests {
    @Test func `those who ask at once share one answer, latecomers too, and then it is asked anew`() async {
        let flights = SingleFlight<Int>()
        let asked = UsedOnce()
        let clock = ManualClock(0)
        @Sendable func ask(_ number: Int) async -> Int {
            await flights.run([1], clock: { clock.now }, keep: { _ in 60 }) {
                _ = asked.note("\(number)", until: .infinity, at: 0)
                return number
            }
        }
        async let one = ask(1)
        async let two = ask(2)
        let answers = await (one, two)
        #expect(answers.0 == answers.1)
        clock.advance(by: 59)
        #expect(await ask(3) == answers.0)
        clock.advance(by: 2)
        #expect(await ask(4) == 4)
    }
}
