// Which target a request goes to.

import NIOCore
import Testing

@testable import Proxy

struct BalancerStateTests {
    // MARK: Taking turns

    @Test func `weights hold, and turns are spread`() {
        let state = Book(group([target(1, weight: 5), target(2, weight: 1), target(3, weight: 1)]))
        #expect(state.ports(7) == [1, 1, 2, 1, 3, 1, 1])
        let counts = state.ports(7000).reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(counts == [1: 5000, 2: 1000, 3: 1000])
    }

    @Test func `a weight of 0 gets nothing, and nobody is nobody`() {
        let state = Book(group([target(1), target(2, weight: 0)]))
        #expect(Set(state.ports(10)) == [1])
        let empty = Book(group([]))
        #expect(empty.port() == nil)
    }

    @Test func `who was tried is not asked again`() {
        let state = Book(group([target(1), target(2)]))
        guard let one = state.pick(), let other = state.pick(tried: [one]) else { return }
        #expect(Set([one.endpoint.port, other.endpoint.port]) == [1, 2])
        #expect(state.port(tried: [one, other]) == nil)
    }

    @Test func `a target that came back begins with little`() {
        let state = Book(
            group([target(1), target(2)]) {
                $0.passive.tcpFailures = 1
                $0.slowStartSeconds = 10
            }
        )
        state.end(at: 2, .connectFailed)
        state.told(target(2), isUp: true, at: second(1))
        func share(_ seconds: Double) -> Int {
            state.ports(1100, at: second(seconds)).count { $0 == 2 }
        }
        #expect(share(1) == 100)
        #expect((360...370).contains(share(6)))
        #expect(share(12) == 550)
    }

    // MARK: Load and latency

    @Test func `the least loaded for its weight is asked`() {
        let state = Book(
            group([target(1, weight: 200), target(2)]) { $0.algorithm = .leastConnections }
        )
        let picks = (0..<6).compactMap { _ in state.pick() }
        #expect(picks.count { $0.endpoint.port == 1 } == 4)
        for pick in picks where pick.endpoint.port == 2 { state.left(pick) }
        #expect(state.port() == 2)
    }

    @Test func `equal loads take turns`() {
        let state = Book(group([target(1), target(2)]) { $0.algorithm = .leastConnections })
        #expect(state.ports(4) == [1, 2, 1, 2])
    }

    @Test func `the quicker is asked, and the slower again after a while`() {
        let state = Book(group([target(1), target(2)]) { $0.algorithm = .latency })
        for _ in 0..<2 {
            guard var pick = state.pick() else { continue }
            let time = TimeAmount.milliseconds(pick.endpoint.port == 1 ? 10 : 20)
            _ = state.state.answered(&pick, status: 200, after: time, at: second(0))
            state.left(pick)
        }
        #expect(Set(state.ports(20)) == [1])
        // One that is measured all the time stays as it is; silence halves the other in ten seconds.
        guard var pick = state.pick(at: second(15)) else { return }
        _ = state.state.answered(&pick, status: 200, after: .milliseconds(10), at: second(15))
        state.left(pick, at: second(15))
        #expect(state.port(at: second(15)) == 2)
    }

    @Test func `who is quick is not buried under requests`() {
        let state = Book(group([target(1), target(2)]) { $0.algorithm = .latency })
        let ports = (0..<10).compactMap { _ in state.port() }
        #expect(ports.count { $0 == 1 } == 5)
    }

    // MARK: Hashing

    @Test func `a key sticks, and only the keys of a lost target move`() {
        let targets = (1...5).map { target($0) }
        let state = Book(
            group(targets) {
                $0.algorithm = .consistentHashing
                $0.passive.tcpFailures = 1
            }
        )
        let keys = (0..<5000).map { StableHash("key \($0)".utf8).number }
        let before = keys.map { state.ports(1, hash: $0)[0] }
        #expect(keys.map { state.ports(1, hash: $0)[0] } == before)
        for port in 1...5 {
            #expect((850...1150).contains(before.count { $0 == port }), "\(before.count { $0 == port })")
        }
        state.told(target(3), isUp: false, at: second(0))
        let after = keys.map { state.ports(1, hash: $0)[0] }
        for (old, new) in zip(before, after) { #expect(old == 3 ? new != 3 : new == old) }
        // The lost share goes to all others, not to one neighbour.
        let heirs = Set(zip(before, after).filter { $0.0 == 3 }.map(\.1))
        #expect(heirs == [1, 2, 4, 5])
        state.told(target(3), isUp: true, at: second(1))
        #expect(keys.map { state.ports(1, hash: $0)[0] } == before)
    }

    @Test func `hashing keeps to the weights`() {
        let state = Book(
            group([target(1, weight: 300), target(2, weight: 100)]) { $0.algorithm = .consistentHashing }
        )
        let ports = (0..<8000).map { state.ports(1, hash: StableHash("\($0)".utf8).number)[0] }
        #expect((5700...6300).contains(ports.count { $0 == 1 }))
    }

    @Test func `who has nothing to hash takes turns`() {
        let state = Book(group([target(1), target(2)]) { $0.algorithm = .consistentHashing })
        #expect(state.ports(4) == [1, 2, 1, 2])
    }

    // MARK: Health

    @Test func `an unhealthy target gets nothing until its trial, which takes one request`() {
        let state = Book(group([target(1), target(2)]) { $0.passive.tcpFailures = 1 })
        #expect(state.end(at: 2, .connectFailed)?.isUp == false)
        #expect(Set(state.ports(20, at: second(9))) == [1])
        let picks = (0..<20).compactMap { _ in state.pick(at: second(10)) }
        var trials = picks.filter { $0.endpoint.port == 2 }
        #expect(trials.count == 1 && trials.allSatisfy(\.isTrial))
        guard !trials.isEmpty else { return }
        let change = state.answered(&trials[0], status: 404, at: second(11))
        #expect(change?.isUp == true)
        state.left(trials[0], at: second(11))
        #expect(state.ports(20, at: second(11)).count { $0 == 2 } == 10)
    }

    @Test func `a trial that a client left is no trial`() {
        let state = Book(group([target(1)]) { $0.passive.tcpFailures = 1 })
        state.end(at: 1, .connectFailed)
        #expect(state.port(at: second(1)) == nil)
        guard let trial = state.pick(at: second(10)) else { return }
        #expect(state.port(at: second(10)) == nil)
        state.left(trial, at: second(10))
        #expect(state.port(at: second(10)) == 1)
    }

    @Test func `failover targets are asked only while no other is healthy`() {
        let state = Book(
            group([target(1), target(2, isFailover: true)]) { $0.passive.tcpFailures = 1 }
        )
        #expect(Set(state.ports(10)) == [1])
        guard let pick = state.pick() else { return }
        // Even for a request that has tried the only other in vain: it is still called healthy.
        #expect(state.port(tried: [pick]) == nil)
        state.end(at: 1, .connectFailed)
        #expect(Set(state.ports(10)) == [2])
        state.told(target(1), isUp: true, at: second(1))
        #expect(Set(state.ports(10)) == [1])
    }

    @Test(arguments: [(50.0, true), (50.1, false)])
    func `below the threshold nobody is asked`(threshold: Double, isServed: Bool) {
        let state = Book(
            group([target(1), target(2)]) {
                $0.passive.tcpFailures = 1
                $0.threshold = threshold
            }
        )
        state.end(at: 2, .connectFailed)
        #expect((state.port() != nil) == isServed)
        // Trials go on, or nobody would ever come back.
        #expect(Set(state.ports(10, at: second(10))).contains(2))
    }

    @Test func `statuses count as the rules say`() {
        let state = Book(group([target(1)]) { $0.passive.httpFailures = 2 })
        for _ in 0..<5 { #expect(state.end(at: 1, status: 502) == nil) }
        #expect(state.end(at: 1, status: 503) == nil)
        #expect(state.end(at: 1, status: 200) == nil)
        #expect(state.end(at: 1, status: 503) == nil)
        #expect(state.end(at: 1, status: 404) == nil)
        #expect(state.end(at: 1, status: 500)?.isUp == false)
    }

    @Test func `the end of an idle connection says nothing of the target`() {
        let state = Book(group([target(1)]) { $0.passive.tcpFailures = 1 })
        guard var pick = state.pick() else { return }
        #expect(state.failed(&pick, .closedBeforeAnswer, isReused: true) == nil)
        #expect(state.failed(&pick, .clientGone) == nil)
        #expect(state.failed(&pick, .closedBeforeAnswer)?.isUp == false)
    }

    // MARK: Reloads

    @Test func `health survives a change of other things, and goes with the address`() {
        let first = group([target(1), target(2)]) { $0.passive.tcpFailures = 1 }
        let state = Book(first)
        state.end(at: 2, .connectFailed)
        let next = group([target(2, weight: 7), target(3)], after: first) { $0.passive.tcpFailures = 1 }
        #expect(next.number == first.number + 1)
        state.state.adopt(next)
        #expect(Set(state.ports(10)) == [3])
        #expect(state.state.state(of: target(1).endpoint) == nil)
        #expect(state.state.state(of: target(2).endpoint) == .unhealthy)
        let last = group([target(1)], after: next) { $0.passive.tcpFailures = 1 }
        state.state.adopt(last)
        #expect(state.state.state(of: target(1).endpoint) == .healthy)
        state.state.adopt(group([target(1), target(2)], after: last))
        #expect(state.state.state(of: target(2).endpoint) == .healthy)
    }

    @Test func `a request under way does not count for whoever came after its target`() {
        let first = group([target(1)]) { $0.passive.tcpFailures = 1 }
        let state = Book(first)
        guard var pick = state.pick() else { return }
        state.state.adopt(group([target(2)], after: first) { $0.passive.tcpFailures = 1 })
        _ = state.failed(&pick, .connectFailed)
        state.left(pick)
        #expect(state.state.state(of: target(2).endpoint) == .healthy)
        #expect(state.port() == 2)
    }

    @Test func `a group that has not changed is the same one`() {
        let first = group([target(1)])
        #expect(group([target(1)], after: first) === first)
        #expect(group([target(1, weight: 2)], after: first) !== first)
    }

    // MARK: Sticky sessions

    @Test func `who was with a target comes back to it, whoever joins, and others go by turns`() {
        let two = group([target(1), target(2)]) { $0.algorithm = .stickySessions }
        let book = Book(two)
        let home = StickyCookie.number(of: target(2).endpoint)
        #expect(book.ports(4, hash: home) == [2, 2, 2, 2])
        #expect(Set(book.ports(4)) == [1, 2])
        #expect(Set(book.ports(4, hash: 7)) == [1, 2])
        let more = (1...9).map { target($0, weight: $0 == 2 ? 0 : 100) }
        book.state.adopt(group(more, after: two) { $0.algorithm = .stickySessions })
        // One without weight gets nobody new, and keeps who is there.
        #expect(book.ports(9, hash: home) == [Int](repeating: 2, count: 9))
        #expect(!book.ports(30).contains(2))
    }

    @Test func `a target that is lost gives its clients away`() throws {
        let book = Book(
            group([target(1), target(2), target(3, isFailover: true)]) {
                $0.algorithm = .stickySessions
                $0.passive.tcpFailures = 1
            }
        )
        let home = StickyCookie.number(of: target(2).endpoint)
        let pick = try #require(book.pick(hash: home))
        #expect(book.pick(hash: home, tried: [pick])?.endpoint.port == 1)
        book.end(at: 2, .connectFailed)
        #expect(book.ports(3, hash: home) == [1, 1, 1])
        // Who was sent to a failover target does not stay there.
        let spare = StickyCookie.number(of: target(3).endpoint)
        #expect(book.ports(3, hash: spare) == [1, 1, 1])
    }

    @Test(arguments: ["", "-1", "+1", "ABC", "zzzzzzzzzzzzz", "00000000000000", "1 ", "é"])
    func `a cookie that we never set names nobody`(value: String) {
        #expect(StickyCookie.number(value) == nil)
    }
}
