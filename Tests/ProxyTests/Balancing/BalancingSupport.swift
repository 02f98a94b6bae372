// Upstreams for tests of balancing, and a clock of whole seconds.

import NIOCore

@testable import Proxy

/// So many seconds after the tests' beginning.
func second(_ seconds: Double) -> NIODeadline {
    .uptimeNanoseconds(1_000_000_000_000) + TimeAmount(seconds: seconds)
}

/// A target that is named by its port.
func target(_ port: Int, weight: Int = 100, isFailover: Bool = false) -> Target {
    Target(Endpoint(host: "10.0.0.1", port: port), weight: weight, isFailover: isFailover)
}

/// An upstream with rules that `change` makes.
func group(
    _ targets: [Target],
    after previous: TargetGroup? = nil,
    _ change: (inout BalancingRules) -> Void = { _ in }
) -> TargetGroup {
    var rules = BalancingRules()
    rules.passive.healthyStatuses = [200]
    rules.passive.unhealthyStatuses = [500, 503]
    change(&rules)
    return .make(name: "zones", rules: rules, targets: targets, after: previous)
}

/// A balancer's book, for tests: its changes may stand within an expectation.
final class Book {
    var state: BalancerState

    init(_ group: TargetGroup) { self.state = BalancerState(group) }

    func pick(hash: UInt64? = nil, tried: [Pick] = [], at now: NIODeadline = second(0)) -> Pick? {
        self.state.pick(hash: hash, tried: tried, at: now)
    }

    /// The port of the target that a request goes to.
    func port(tried: [Pick] = [], at now: NIODeadline = second(0)) -> Int? {
        self.pick(tried: tried, at: now)?.endpoint.port
    }

    /// The ports of so many requests, each over before the next.
    func ports(_ count: Int, hash: UInt64? = nil, at now: NIODeadline = second(0)) -> [Int] {
        (0..<count).compactMap { _ in
            guard let pick = self.pick(hash: hash, at: now) else { return nil }
            self.left(pick, at: now)
            return pick.endpoint.port
        }
    }

    func answered(_ pick: inout Pick, status: Int, at now: NIODeadline = second(0)) -> HealthChange? {
        self.state.answered(&pick, status: status, after: .milliseconds(1), at: now)
    }

    func failed(_ pick: inout Pick, _ error: ProxyError, isReused: Bool = false) -> HealthChange? {
        self.state.failed(&pick, error, isReused: isReused, at: second(0))
    }

    func left(_ pick: Pick, at now: NIODeadline = second(0)) { self.state.left(pick, at: now) }

    func retry(_ price: RetryQuestion.Price) -> Bool { self.state.retry(price, at: second(0)) }

    /// Sends requests until one goes to `port`, and gives it that end.
    @discardableResult
    func end(at port: Int, _ error: ProxyError? = nil, status: Int = 200) -> HealthChange? {
        for _ in 0..<1000 {
            guard var pick = self.pick() else { return nil }
            defer { self.left(pick) }
            guard pick.endpoint.port == port else { continue }
            guard let error else { return self.answered(&pick, status: status) }
            return self.failed(&pick, error)
        }
        return nil
    }

    func told(_ target: Target, isUp: Bool, at now: NIODeadline = second(0)) {
        self.state.told(target.endpoint, isUp: isUp, at: now)
    }
}

/// The health of a target, for tests.
final class Patient {
    var health = TargetHealth()
    var rules: BalancingRules

    init(_ rules: BalancingRules) { self.rules = rules }

    func saw(_ evidence: HealthEvidence, by source: HealthSource, at seconds: Double = 0) -> HealthChange? {
        self.health.saw(evidence, by: source, self.rules, at: second(seconds))
    }

    func told(isUp: Bool, at seconds: Double) {
        self.health.told(isUp: isUp, self.rules, at: second(seconds))
    }

    /// Tries it, if a trial is due, and gives the trial that end.
    func trial(_ isSuccess: Bool?, at seconds: Double) -> HealthChange? {
        guard self.admittance(seconds) == .oneTrial else { return nil }
        self.health.beginTrial()
        return self.health.trialEnded(isSuccess, self.rules, at: second(seconds))
    }

    func admittance(_ seconds: Double) -> TargetHealth.Admittance {
        self.health.admittance(self.rules, at: second(seconds))
    }

    func share(_ seconds: Double) -> Double { self.health.share(self.rules, at: second(seconds)) }
}
