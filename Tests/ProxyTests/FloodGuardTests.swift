// What a peer of HTTP/2 may do how often (E3).

import NIOCore
import Testing

@testable import Proxy

@Suite struct FloodGuardTests {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    /// How many of `most` frames are let pass before the first that is not.
    private static func admitted(_ most: Int, _ admit: () -> Bool) -> Int {
        (0..<most).firstIndex { _ in !admit() } ?? most
    }

    @Test
    func `two hundred resets in a period are let pass, one more is not, and a new period begins anew (E3)`() {
        var guarding = FloodGuard()
        let first = Self.admitted(300) { guarding.admitReset(at: Self.now) }
        let late = guarding.admitReset(at: Self.now + FloodGuard.period - .nanoseconds(1))
        let next = guarding.admitReset(at: Self.now + FloodGuard.period)
        #expect(first == 200 && !late && next)
    }

    @Test func `frames that want an answer have a count of their own`() {
        var guarding = FloodGuard()
        let controls = Self.admitted(300) { guarding.admitControl(at: Self.now) }
        let resets = Self.admitted(300) { guarding.admitReset(at: Self.now) }
        #expect(controls == 200 && resets == 200)
    }

    @Test func `frames that do nothing much are measured by what the connection is used for`() {
        var guarding = FloodGuard(FloodGuard.Bounds(idle: 10, idlePerUse: 2))
        let unused = Self.admitted(10) { guarding.admitIdle() }
        guarding.noteUse()
        let used = Self.admitted(10) { guarding.admitIdle() }
        #expect(unused == 10 && used == 2)
    }

    @Test func `empty data in a row is counted, and data ends the row`() {
        var guarding = FloodGuard()
        let first = Self.admitted(10) { guarding.admitData(isEmpty: true) }
        let filled = guarding.admitData(isEmpty: false)
        let second = Self.admitted(20) { guarding.admitData(isEmpty: true) }
        #expect(first == 10 && filled && second == 10)
    }

    @Test func `five continuations of a head are let pass and six are not`() {
        let guarding = FloodGuard()
        #expect(guarding.admits(continuations: 5) && !guarding.admits(continuations: 6))
    }
}
