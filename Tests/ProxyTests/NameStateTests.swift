// What is known of a name, and when it is asked for again: events in, actions out.

import NIOCore
import Testing

@testable import Proxy

struct NameStateTests {
    private static let a = IPAddress(v4: 1)
    private static let b = IPAddress(v4: 2)
    private static let c = IPAddress(v4: 3)

    /// No answer, and nobody ever had one.
    private static let away = NameAnswer<IPAddress>.failed(last: [], asOf: .distantPast)

    private static var rules: NameRules {
        var rules = NameRules()
        (rules.validSeconds, rules.staleSeconds, rules.errorSeconds) = (10, 100, 1)
        return rules
    }

    private static func at(_ seconds: Double) -> NIODeadline {
        .uptimeNanoseconds(0) + .seconds(1000) + TimeAmount(seconds: seconds)
    }

    /// A name that was asked for at 0 and got `addresses` there and then.
    private static func known(_ addresses: [IPAddress] = [a]) -> NameState<IPAddress> {
        var name = NameState<IPAddress>(Self.rules)
        _ = name.use(at: Self.at(0))
        _ = name.answered(.found(addresses), at: Self.at(0))
        return name
    }

    @Test func `who comes first asks, and who comes next waits for the same answer`() {
        var name = NameState<IPAddress>(Self.rules)
        #expect(name.use(at: Self.at(0)) == .wait(ask: true))
        #expect(name.use(at: Self.at(0)) == .wait(ask: false))
        #expect(name.asks(at: Self.at(0)) == false)
        #expect(name.answered(.found([Self.a]), at: Self.at(1)) == [])
        #expect(name.use(at: Self.at(1)) == .take([Self.a]))
    }

    @Test func `each connection begins with another address`() {
        var name = Self.known([Self.a, Self.b, Self.c])
        #expect(name.use(at: Self.at(1)) == .take([Self.a, Self.b, Self.c]))
        #expect(name.use(at: Self.at(1)) == .take([Self.b, Self.c, Self.a]))
        #expect(name.use(at: Self.at(1)) == .take([Self.c, Self.a, Self.b]))
        #expect(name.use(at: Self.at(1)) == .take([Self.a, Self.b, Self.c]))
    }

    @Test func `a name in use is asked for at its time, once, while the old addresses serve`() {
        var name = Self.known()
        #expect(name.asks(at: Self.at(9.9)) == false)
        #expect(name.asks(at: Self.at(10)) == true)
        #expect(name.asks(at: Self.at(11)) == false)
        #expect(name.use(at: Self.at(11)) == .take([Self.a]))
        #expect(name.use(at: Self.at(25)) == .take([Self.a]), "a slow resolver holds nobody up")
        _ = name.answered(.found([Self.b]), at: Self.at(26))
        #expect(name.use(at: Self.at(26)) == .take([Self.b]))
        #expect(name.asks(at: Self.at(35.9)) == false)
        #expect(name.asks(at: Self.at(36)) == true)
    }

    @Test func `a name that nobody used waits for a new answer rather than try old addresses`() {
        var name = Self.known()
        #expect(name.use(at: Self.at(19.9)) == .take([Self.a]))
        #expect(name.use(at: Self.at(20)) == .wait(ask: true))
        _ = name.answered(Self.away, at: Self.at(21))
        #expect(name.use(at: Self.at(21)) == .take([Self.a]), "what is old is better than nothing")
    }

    @Test func `a failure keeps the last addresses, to the end of their time and not beyond`() {
        var name = Self.known()
        _ = name.asks(at: Self.at(10))
        #expect(name.answered(Self.away, at: Self.at(12)) == [])
        #expect(name.use(at: Self.at(12)) == .take([Self.a]))
        #expect(name.asks(at: Self.at(12.9)) == false)
        #expect(name.asks(at: Self.at(13)) == true, "asked again soon")
        _ = name.answered(Self.away, at: Self.at(13))
        #expect(name.use(at: Self.at(109.9)) == .take([Self.a]))
        #expect(name.inTurn(at: Self.at(110)) == [])
        #expect(name.use(at: Self.at(110)) == .wait(ask: true))
    }

    @Test func `what another loop was told is better than nothing, until its own time is over`() {
        var name = NameState<IPAddress>(Self.rules)
        _ = name.use(at: Self.at(50))
        #expect(name.answered(.failed(last: [Self.b], asOf: Self.at(0)), at: Self.at(50)) == [])
        #expect(name.use(at: Self.at(50)) == .take([Self.b]))
        #expect(name.use(at: Self.at(109.9)) == .take([Self.b]))
        #expect(name.use(at: Self.at(110)) == .wait(ask: true))
        var newer = Self.known()
        _ = newer.answered(.failed(last: [Self.b], asOf: Self.at(-1)), at: Self.at(10))
        #expect(newer.use(at: Self.at(10)) == .take([Self.a]), "ours is newer")
    }

    @Test func `a name that never resolved fails at once until it may be asked for again`() {
        var name = NameState<IPAddress>(Self.rules)
        _ = name.use(at: Self.at(0))
        _ = name.answered(Self.away, at: Self.at(0))
        #expect(name.use(at: Self.at(0.9)) == .fail)
        #expect(name.use(at: Self.at(1)) == .wait(ask: true))
    }

    @Test func `an address is gone when three answers in a row leave it out`() {
        var name = Self.known([Self.a, Self.b])
        #expect(name.answered(.found([Self.b]), at: Self.at(10)) == [])
        #expect(name.use(at: Self.at(10)) == .take([Self.b]), "new connections go there no more")
        #expect(name.answered(.found([Self.b]), at: Self.at(20)) == [])
        #expect(
            name.answered(.found([Self.b, Self.a]), at: Self.at(30)) == [],
            "it was told again, and counts anew"
        )
        #expect(name.answered(.found([Self.b]), at: Self.at(40)) == [])
        #expect(name.answered(.found([Self.b]), at: Self.at(50)) == [])
        #expect(name.answered(.found([Self.b]), at: Self.at(60)) == [Self.a])
        #expect(name.answered(.found([Self.b]), at: Self.at(70)) == [])
    }

    @Test func `failures leave no address out`() {
        var name = Self.known([Self.a])
        for second in 1...9 { #expect(name.answered(Self.away, at: Self.at(Double(second))) == []) }
        #expect(name.use(at: Self.at(9)) == .take([Self.a]))
    }

    @Test func `what is too old to serve is forgotten, and not before`() {
        var name = Self.known()
        #expect(!name.isForgotten(at: Self.at(109.9)))
        #expect(name.isForgotten(at: Self.at(110)))
        _ = name.use(at: Self.at(110))
        #expect(!name.isForgotten(at: Self.at(111)), "an answer is on its way")
    }
}
