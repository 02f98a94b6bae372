// How slowly a body may come.

import NIOCore
import Testing

@testable import Proxy

struct BodyPaceTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private var limits: ProxyLimits {
        var limits = ProxyLimits()
        (limits.bodySeconds, limits.bodyRate) = (10, 100)
        return limits
    }

    private func at(_ seconds: Int64) -> NIODeadline { self.start + .seconds(seconds) }

    @Test func `between two pieces the pause is the bound, as long as the body keeps up`() {
        var pace = BodyPace()
        #expect(pace.deadline(self.at(0), received: 0, self.limits) == self.at(10))
        #expect(pace.deadline(self.at(5), received: 1000, self.limits) == self.at(15))
    }

    @Test func `a body that drips has what was given in advance, and what its octets earn`() {
        var pace = BodyPace()
        _ = pace.deadline(self.at(0), received: 0, self.limits)
        #expect(pace.deadline(self.at(9), received: 100, self.limits) == self.at(11))
        #expect(pace.deadline(self.at(9), received: 900, self.limits) == self.at(19))
        #expect(pace.deadline(self.at(9), received: 5000, self.limits) == self.at(19))
    }

    @Test func `time in which we hold the client back does not count`() {
        var pace = BodyPace()
        _ = pace.deadline(self.at(0), received: 0, self.limits)
        pace.hold(self.at(2))
        pace.hold(self.at(50))
        #expect(pace.deadline(self.at(102), received: 100, self.limits) == self.at(111))
        #expect(pace.deadline(self.at(103), received: 100, self.limits) == self.at(111))
    }

    @Test func `a rate of 0 is no bound`() {
        var (pace, limits) = (BodyPace(), self.limits)
        limits.bodyRate = 0
        _ = pace.deadline(self.at(0), received: 0, limits)
        #expect(pace.deadline(self.at(5000), received: 1, limits) == self.at(5010))
    }
}
