// A worker's upstreams of several targets: who keeps their books, and tells others of changes.

import NIOCore

/// One upstream on one event loop.
final class Balancer {
    /// As the plan has it.
    private var planned: TargetGroup
    /// With the places of services in their stead.
    private(set) var group: TargetGroup
    private(set) var state: BalancerState
    private var prober: Prober?
    private unowned let home: Balancers

    init(_ group: TargetGroup, home: Balancers) {
        self.planned = group
        self.group = group.placed(home.places)
        self.state = BalancerState(self.group)
        self.home = home
    }

    /// Takes over a newer group of the same name; an exchange that began under an older one asks this one as well.
    func adopt(_ group: TargetGroup) {
        guard group.number > self.planned.number else { return }
        self.planned = group
        self.place()
    }

    /// Takes over what is known of its services now; who stays keeps health and counts.
    func place() {
        self.group = self.planned.placed(self.home.places)
        self.state.adopt(self.group)
    }

    /// The services among its targets.
    var services: [String] { self.planned.services }

    func stands(for group: TargetGroup) -> Bool { self.planned === group }

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
    /// Where the services among the targets are.
    private(set) var places: [String: [ServicePlace]] = [:]
    /// The other workers, which hear of changes.
    var others: [NIOLoopBound<Worker>] = []
    /// Whether this worker makes the checks for all.
    var checks = false
    let notice: @Sendable (String) -> Void

    init(notice: @escaping @Sendable (String) -> Void) { self.notice = notice }

    /// Who keeps the book of a group; made when first asked for.
    func balancer(for group: TargetGroup) -> Balancer {
        if let last = self.last, last.stands(for: group) { return last }
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
        let services = self.services
        self.places = self.places.filter { services.contains($0.key) }
    }

    // MARK: Services

    /// The services that targets stand for.
    var services: Set<String> { Set(self.byName.values.flatMap(\.services)) }

    /// Where requests may go by what DNS says, and not by the plan alone.
    var placed: Set<Endpoint> {
        let balancers = self.byName.values.filter { !$0.services.isEmpty }
        return Set(balancers.flatMap { $0.group.targets.map(\.endpoint) })
    }

    /// DNS says where a service is; gives the endpoints that are none any more.
    func answered(_ name: String, _ places: [ServicePlace]) -> Set<Endpoint> {
        // An order that changes is no news: each server turns its answers as it likes.
        let places = places.sorted { ($0.priority, $0.host, $0.port) < ($1.priority, $1.host, $1.port) }
        guard self.places[name, default: []] != places else { return [] }
        let before = self.placed
        self.places[name] = places
        for balancer in self.byName.values where balancer.services.contains(name) { balancer.place() }
        return before.subtracting(self.placed)
    }

    // MARK: Checks and news

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
