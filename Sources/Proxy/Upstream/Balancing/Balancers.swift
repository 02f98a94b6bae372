// A worker's upstreams of several targets: who keeps their books, and tells others of changes.

import NIOCore

/// One upstream on one event loop.
final class Balancer {
    private(set) var group: TargetGroup
    private(set) var state: BalancerState
    private var prober: Prober?
    private unowned let home: Balancers

    init(_ group: TargetGroup, home: Balancers) {
        self.group = group
        self.state = BalancerState(group)
        self.home = home
    }

    /// Takes over a newer group of the same name; an exchange that began under an older one asks this one as well.
    func adopt(_ group: TargetGroup) {
        guard group.number > self.group.number else { return }
        self.group = group
        self.state.adopt(group)
    }

    // MARK: Exchanges

    func pick(hash: UInt64?, tried: [Pick], at now: NIODeadline) -> Pick? {
        self.state.pick(hash: hash, tried: tried, at: now)
    }

    func answered(_ pick: inout Pick, status: Int, after time: TimeAmount, at now: NIODeadline) {
        self.tell(pick.endpoint, self.state.answered(&pick, status: status, after: time, at: now))
    }

    func failed(_ pick: inout Pick, _ error: ProxyError, isReused: Bool, at now: NIODeadline) {
        self.tell(pick.endpoint, self.state.failed(&pick, error, isReused: isReused, at: now))
    }

    func left(_ pick: Pick, at now: NIODeadline) { self.state.left(pick, at: now) }

    func retry(_ price: RetryQuestion.Price, at now: NIODeadline) -> Bool {
        self.state.retry(price, at: now)
    }

    // MARK: Checks

    /// Looks whether checks are due; on the one worker that makes them.
    func check(on worker: Worker, at now: NIODeadline) {
        guard self.group.rules.active.isUsed else { return self.stop() }
        let prober = self.prober ?? Prober(worker: worker)
        self.prober = prober
        prober.check(self.group, at: now, state: { self.state.state(of: $0) }) { endpoint, evidence in
            self.tell(endpoint, self.state.probed(endpoint, evidence, at: .now()))
            // Others may have missed a change: after each check they hear how the target stands.
            guard let state = self.state.state(of: endpoint), state != .trial else { return }
            self.home.tellOthers(self.group.name, endpoint, isUp: state == .healthy)
        }
    }

    /// Makes no checks any more.
    func stop() {
        self.prober?.stop()
        self.prober = nil
    }

    /// Another worker has seen a target fall or come back.
    func told(_ endpoint: Endpoint, isUp: Bool, at now: NIODeadline) {
        self.state.told(endpoint, isUp: isUp, at: now)
    }

    private func tell(_ endpoint: Endpoint, _ change: HealthChange?) {
        guard let change else { return }
        self.home.notice(
            "upstream '\(self.group.name)': target \(endpoint.host):\(endpoint.port) is "
                + "\(change.isUp ? "healthy again" : "unhealthy") (\(change.why))"
        )
        self.home.tellOthers(self.group.name, endpoint, isUp: change.isUp)
    }

    var report: UpstreamReport {
        UpstreamReport(
            name: self.group.name,
            retries: self.state.retries,
            targets: self.state.seats.filter(\.isListed).map { seat in
                UpstreamReport.Target(
                    name: "\(seat.endpoint.host):\(seat.endpoint.port)",
                    state: seat.health.state,
                    failures: seat.failures
                )
            }
        )
    }
}

/// All upstreams of one event loop.
final class Balancers {
    private var byName: [String: Balancer] = [:]
    private var last: Balancer?
    /// The other workers, which hear of changes.
    var others: [NIOLoopBound<Worker>] = []
    /// Whether this worker makes the checks for all.
    var checks = false
    let notice: @Sendable (String) -> Void

    init(notice: @escaping @Sendable (String) -> Void) { self.notice = notice }

    /// Who keeps the book of a group; made when first asked for.
    func balancer(for group: TargetGroup) -> Balancer {
        if let last = self.last, last.group === group { return last }
        let balancer = self.byName[group.name] ?? Balancer(group, home: self)
        self.byName[group.name] = balancer
        balancer.adopt(group)
        self.last = balancer
        return balancer
    }

    /// Keeps these groups and no other.
    func follow(_ groups: [TargetGroup]) {
        let names = Set(groups.map(\.name))
        for (name, balancer) in self.byName where !names.contains(name) {
            balancer.stop()
            self.byName[name] = nil
        }
        self.last = nil
        for group in groups { _ = self.balancer(for: group) }
    }

    /// Makes the checks that are due.
    func tick(_ worker: Worker, at now: NIODeadline) {
        guard self.checks else { return }
        for balancer in self.byName.values { balancer.check(on: worker, at: now) }
    }

    func stop() {
        for balancer in self.byName.values { balancer.stop() }
        self.others = []
    }

    func told(_ name: String, _ endpoint: Endpoint, isUp: Bool, at now: NIODeadline) {
        self.byName[name]?.told(endpoint, isUp: isUp, at: now)
    }

    func tellOthers(_ name: String, _ endpoint: Endpoint, isUp: Bool) {
        for other in self.others {
            other.eventLoop.execute {
                other.value.balancers.told(name, endpoint, isUp: isUp, at: .now())
            }
        }
    }

    var reports: [UpstreamReport] { self.byName.values.map(\.report) }
}

/// What one worker knows of an upstream.
package struct UpstreamReport: Sendable {
    /// What it knows of a target.
    package struct Target: Sendable {
        /// Host and port.
        package let name: String
        package let state: TargetHealth.State
        package let failures: [HealthEvidence: Int]
    }

    package let name: String
    package let retries: Int
    package let targets: [Target]
}
