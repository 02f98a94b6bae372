// Which target a request goes to, and what its end says of the target: values in, decisions out.

import Glibc
package import NIOCore

/// A target that was chosen for a request; given back when the request is over.
package struct Pick: Sendable, Equatable {
    package let endpoint: Endpoint
    /// The target's place in its balancer.
    let seat: Int
    /// Whether the request finds out how an unhealthy target does; until that is known.
    var isTrial: Bool
}

/// The book of an upstream on one event loop; knows no socket and no clock.
package struct BalancerState: Sendable {
    /// One target and what is known of it here; seats stay where they are, so that picks find them.
    struct Seat: Sendable {
        var endpoint: Endpoint
        var seed: UInt64
        var weight: Double
        var level: Int
        /// Whether the upstream has it now; if not, it only waits for its last request.
        var isListed = true
        var health = TargetHealth()
        /// Requests under way.
        var load = 0
        /// What it has coming to it, among the others (smooth weighted round robin).
        var credit = 0.0
        /// When it was last chosen, as picks are counted.
        var turn: UInt64 = 0
        /// Nanoseconds to an answer, weighted towards the latest, and when the latest was.
        var latency: Double?
        var measuredAt = NIODeadline.distantPast
        var failures: [HealthEvidence: Int] = [:]

        init(_ target: Target) {
            self.endpoint = target.endpoint
            self.seed = StickyCookie.number(of: target.endpoint)
            self.weight = Double(target.weight)
            self.level = target.level
        }
    }

    /// Seconds in which what was measured loses half of its weight.
    private static let memory = 10e9

    private(set) var seats: [Seat] = []
    private(set) var rules: BalancingRules
    private(set) var retries = 0
    private var budget = RetryBudget()
    private var turns: UInt64 = 0

    /// Everybody is healthy, nothing is under way.
    package init(_ group: TargetGroup) {
        self.rules = group.rules
        self.seats = group.targets.map(Seat.init)
    }

    /// Takes over a changed upstream; who stays keeps health and counts.
    package mutating func adopt(_ group: TargetGroup) {
        self.rules = group.rules
        let listed = self.seats.map(\.isListed)
        for index in self.seats.indices { self.seats[index].isListed = false }
        for target in group.targets {
            // Who was taken off the list and comes again is a new target.
            let known = self.seats.indices.first {
                $0 < listed.count && listed[$0] && self.seats[$0].endpoint == target.endpoint
            }
            if let known {
                self.seats[known].weight = Double(target.weight)
                self.seats[known].level = target.level
                self.seats[known].isListed = true
            } else if let free = self.free(listed) {
                self.seats[free] = Seat(target)
            } else {
                self.seats.append(Seat(target))
            }
        }
    }

    /// A seat that nobody has and nobody had, so that who stays finds theirs.
    private func free(_ listed: [Bool]) -> Int? {
        self.seats.indices.first {
            !self.seats[$0].isListed && self.seats[$0].load == 0 && !($0 < listed.count && listed[$0])
        }
    }

    // MARK: Choosing

    /// Chooses a target for a request; nil if none may be used.
    ///
    /// - Parameters:
    ///   - hash: what the request is hashed by; nil if there is nothing.
    ///   - tried: targets that have failed this request.
    package mutating func pick(hash: UInt64?, tried: [Pick] = [], at now: NIODeadline) -> Pick? {
        if tried.isEmpty { self.budget.earn(self.rules.retryPercent) }
        let isUsable = self.isUsable
        let highest = self.highestLevel(tried)
        let isSticky = self.rules.algorithm == .stickySessions
        if isSticky, isUsable, let home = hash.flatMap({ self.home($0, tried, highest, at: now) }) {
            return self.take(home, 0)
        }
        let hash = isSticky ? nil : hash
        var best: Int?
        var bestCost = (Double.infinity, UInt64.max)
        var total = 0.0
        let usual = self.usualLatency
        for index in self.seats.indices where self.seats[index].isOpen {
            let seat = self.seats[index]
            guard seat.level <= highest, !tried.contains(where: { $0.seat == index }) else {
                continue
            }
            switch seat.health.admittance(self.rules, at: now) {
            case .nothing: continue
            case .all: guard isUsable else { continue }
            case .oneTrial: break
            }
            let weight = seat.weight * (hash == nil ? seat.health.share(self.rules, at: now) : 1)
            let cost: Double
            switch (self.rules.algorithm, hash) {
            case (.consistentHashing, .some(let hash)): cost = Self.distance(hash, seat.seed, weight)
            case (.roundRobin, _), (.consistentHashing, nil), (.stickySessions, _):
                self.seats[index].credit += weight
                total += weight
                cost = -self.seats[index].credit
            case (.leastConnections, _): cost = Double(seat.load + 1) / weight
            case (.latency, _): cost = Self.latency(seat, usual, at: now) * Double(seat.load + 1) / weight
            }
            if (cost, seat.turn) < bestCost { (best, bestCost) = (index, (cost, seat.turn)) }
        }
        return best.map { self.take($0, total) }
    }

    /// The target that a client was with, while it may have requests; with no weight left it keeps those who are there.
    private func home(_ number: UInt64, _ tried: [Pick], _ highest: Int, at now: NIODeadline) -> Int? {
        self.seats.indices.first { index in
            let seat = self.seats[index]
            return seat.seed == number && seat.isListed && seat.level <= highest
                && seat.health.admittance(self.rules, at: now) == .all
                && !tried.contains { $0.seat == index }
        }
    }

    /// The level up to which targets may be chosen: that of the best healthy one which has not failed the request.
    ///
    /// Failover targets wait until no other is healthy at all.
    private func highestLevel(_ tried: [Pick]) -> Int {
        var (level, hasPrimary) = (Int.max, false)
        for index in self.seats.indices where self.seats[index].isOpen {
            guard self.seats[index].health.state == .healthy else { continue }
            let own = self.seats[index].level
            if own < Target.failoverLevel { hasPrimary = true }
            if own < level, !tried.contains(where: { $0.seat == index }) { level = own }
        }
        return hasPrimary ? min(level, Target.failoverLevel - 1) : level
    }

    private mutating func take(_ index: Int, _ total: Double) -> Pick {
        self.turns += 1
        self.seats[index].turn = self.turns
        self.seats[index].credit -= total
        self.seats[index].load += 1
        let isTrial = self.seats[index].health.state != .healthy
        if isTrial { self.seats[index].health.beginTrial() }
        return Pick(endpoint: self.seats[index].endpoint, seat: index, isTrial: isTrial)
    }

    /// Whether so much of the weight is healthy as the threshold asks for.
    private var isUsable: Bool {
        guard self.rules.threshold > 0 else { return true }
        var (all, healthy) = (0.0, 0.0)
        for seat in self.seats where seat.isOpen {
            all += seat.weight
            if seat.health.state == .healthy { healthy += seat.weight }
        }
        return healthy * 100 >= all * self.rules.threshold
    }

    /// How far a key is from a target: each key orders the targets by itself, so that losing one moves its keys alone.
    ///
    /// Weighted rendezvous hashing.
    private static func distance(_ hash: UInt64, _ seed: UInt64, _ weight: Double) -> Double {
        let drawn = StableHash.mixed(hash ^ seed)
        // From above 0 to 1, in 53 bits.
        let unit = (Double(drawn >> 11) + 1) / 9_007_199_254_740_992
        return -log(unit) / weight
    }

    /// What a target's answers take; one that has not answered yet counts as the others do.
    private static func latency(_ seat: Seat, _ usual: Double, at now: NIODeadline) -> Double {
        guard let latency = seat.latency else { return usual }
        // Who was slow is asked again, some time.
        let silent = Double((now - seat.measuredAt).nanoseconds)
        return latency * Self.memory / (Self.memory + max(0, silent))
    }

    private var usualLatency: Double {
        guard self.rules.algorithm == .latency else { return 0 }
        var (sum, count) = (0.0, 0.0)
        for seat in self.seats where seat.isOpen {
            guard let latency = seat.latency else { continue }
            (sum, count) = (sum + latency, count + 1)
        }
        return count > 0 ? sum / count : 1e6
    }

    // MARK: What became of it

    /// A target has answered with a status, after a time.
    mutating func answered(
        _ pick: inout Pick,
        status: Int,
        after time: TimeAmount,
        at now: NIODeadline
    ) -> HealthChange? {
        self.measure(pick.seat, Double(time.nanoseconds), at: now)
        let evidence: HealthEvidence? =
            self.rules.passive.unhealthyStatuses.contains(status)
            ? .httpFailure : self.rules.passive.healthyStatuses.contains(status) ? .success : nil
        if evidence == .httpFailure { self.seats[pick.seat].failures[.httpFailure, default: 0] += 1 }
        if pick.isTrial {
            pick.isTrial = false
            return self.seats[pick.seat].health.trialEnded(evidence != .httpFailure, self.rules, at: now)
        }
        return evidence.flatMap { self.seats[pick.seat].health.saw($0, by: .passive, self.rules, at: now) }
    }

    /// Nothing, or nothing whole, came of it.
    ///
    /// - Parameter isReused: whether the connection had been idle; its end then says nothing of the target.
    mutating func failed(
        _ pick: inout Pick,
        _ error: ProxyError,
        isReused: Bool,
        at now: NIODeadline
    ) -> HealthChange? {
        guard let evidence = error.evidence(isReused: isReused) else { return nil }
        self.seats[pick.seat].failures[evidence, default: 0] += 1
        if pick.isTrial {
            pick.isTrial = false
            return self.seats[pick.seat].health.trialEnded(false, self.rules, at: now)
        }
        return self.seats[pick.seat].health.saw(evidence, by: .passive, self.rules, at: now)
    }

    /// The request is no longer under way there.
    mutating func left(_ pick: Pick, at now: NIODeadline) {
        self.seats[pick.seat].load -= 1
        if pick.isTrial { _ = self.seats[pick.seat].health.trialEnded(nil, self.rules, at: now) }
    }

    /// A request that failed goes to another target; false if the budget is spent.
    mutating func retry(_ price: RetryQuestion.Price, at now: NIODeadline) -> Bool {
        switch price {
        case .forbidden: return false
        case .charged: guard self.budget.spend(self.rules.retryPercent, at: now) else { return false }
        case .free: break
        }
        self.retries += 1
        return true
    }

    private mutating func measure(_ index: Int, _ nanoseconds: Double, at now: NIODeadline) {
        let seat = self.seats[index]
        let passed = Double((now - seat.measuredAt).nanoseconds)
        // However many answers come at once, each counts for something.
        let old = min(0.9, Self.memory / (Self.memory + max(0, passed)))
        self.seats[index].latency = seat.latency.map { $0 * old + nanoseconds * (1 - old) } ?? nanoseconds
        self.seats[index].measuredAt = now
    }

    // MARK: From elsewhere

    /// A check of a target has ended.
    mutating func probed(
        _ endpoint: Endpoint,
        _ evidence: HealthEvidence,
        at now: NIODeadline
    ) -> HealthChange? {
        guard let index = self.place(of: endpoint) else { return nil }
        return self.seats[index].health.saw(evidence, by: .active, self.rules, at: now)
    }

    /// Another worker has seen a target fall or come back.
    mutating func told(_ endpoint: Endpoint, isUp: Bool, at now: NIODeadline) {
        guard let index = self.place(of: endpoint) else { return }
        self.seats[index].health.told(isUp: isUp, self.rules, at: now)
    }

    /// The state of a target; nil if the upstream does not have it.
    func state(of endpoint: Endpoint) -> TargetHealth.State? {
        self.place(of: endpoint).map { self.seats[$0].health.state }
    }

    private func place(of endpoint: Endpoint) -> Int? {
        self.seats.firstIndex { $0.isListed && $0.endpoint == endpoint }
    }
}

extension BalancerState.Seat {
    /// Whether it may ever be chosen.
    fileprivate var isOpen: Bool { self.isListed && self.weight > 0 }
}

extension ProxyError {
    /// What a failure says of the target.
    func evidence(isReused: Bool) -> HealthEvidence? {
        switch self {
        case .connectTimedOut, .answerTimedOut, .writeTimedOut: .timeout
        case .closedBeforeAnswer: isReused ? nil : .tcpFailure
        case .nameNotResolved, .connectFailed, .closedWithinAnswer, .malformedAnswer, .unexpectedUpgrade,
            .tlsUntrusted, .tlsWrongName, .tlsFailed:
            .tcpFailure
        case .overloaded, .notProcessed, .decisionTimedOut, .clientGone, .identityEnded, .noTarget: nil
        }
    }
}
