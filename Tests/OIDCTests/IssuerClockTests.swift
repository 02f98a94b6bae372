// What is thought of an issuer's clock.
import Fetch
import JSON
import Testing

@testable import OIDC

struct IssuerClockTests {
    @Test(
        arguments: [
            // Said, sent, received: rounding and the way explain a second and the time of the request.
            (1000, 1000.2, 1000.4, 0), (1000, 1000.9, 1001.9, 0), (1000, 1001, 1001.1, 0),
            (1000, 999.9, 1000, 0), (1000, 999, 999.9, 0.1), (1005, 1000, 1001, 4),
            (1000, 1001.5, 1002, -0.5), (1000, 1011, 1012, -10), (1000, 990, 1012, 0),
        ] as [(Double, Double, Double, Double)]
    )
    func `only what rounding and the way cannot explain is skew`(
        said: Double,
        sent: Double,
        received: Double,
        skew: Double
    ) {
        #expect(abs(ClockSkew.least(said, between: sent, and: received) - skew) < 1e-9)
    }

    @Test func `a clock beyond the leeway is told of once, and once that it agrees`() {
        var watch = ClockWatch()
        watch.judged(withLeeway: 30)
        watch.judged(withLeeway: 10)
        #expect(watch.bound == 10)
        #expect(watch.saw(aheadBySeconds: 10) == nil)
        #expect(watch.saw(aheadBySeconds: 10.5) == .isOff)
        #expect((0..<1000).allSatisfy { _ in watch.saw(aheadBySeconds: 11) == nil })
        #expect(watch.saw(aheadBySeconds: 5.1) == nil)
        #expect(watch.saw(aheadBySeconds: -5) == .agrees)
        #expect(watch.saw(aheadBySeconds: -10) == nil)
        #expect(watch.saw(aheadBySeconds: -10.1) == .isOff)
    }

    @Test func `without leeway a second is no difference`() {
        var watch = ClockWatch()
        watch.judged(withLeeway: 0)
        #expect(watch.saw(aheadBySeconds: 1) == nil)
        #expect(watch.saw(aheadBySeconds: 1.1) == .isOff)
    }

    @Test func `answers and tokens are watched apart`() async throws {
        let stage = try Stage()
        let date = [("Date", "Tue, 14 Nov 2023 22:13:20 GMT")]
        stage.remote.answer("/.well-known/openid-configuration", stage.remote.metadata, fields: date)
        try stage.remote.publish([stage.key], fields: date)
        stage.issuer.judged(withLeeway: 2)
        await stage.issuer.start()
        #expect(stage.remote.skews == [0, 0])
        let check = AccessTokenCheck(issuer: stage.issuer, audiences: ["app"])
        for _ in 0..<3 {
            for ahead in [2.0, 50, 70] {
                let claims = stage.accessClaims(["iat": .number(stage.clock.now + ahead)])
                _ = try? check.verdict(on: Array(try stage.key.sign(claims).utf8), at: stage.now)
            }
        }
        #expect(
            stage.remote.clockNews == [ClockNews(isOff: true, aheadBySeconds: 50, leeway: 2, source: .token)]
        )
        // The date of an answer from a cache says nothing.
        let old = [("Date", "Tue, 14 Nov 2023 20:13:20 GMT"), ("Age", "7200")]
        try stage.remote.publish([stage.key], fields: old)
        let count = stage.remote.skews.count
        _ = await stage.issuer.keysAfterUnknownKey(seen: stage.issuer.keySnapshot.version)
        #expect(stage.remote.skews.count == count)
    }
}
