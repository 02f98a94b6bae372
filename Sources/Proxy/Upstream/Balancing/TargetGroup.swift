// An upstream of several targets, and the rules by which one is chosen.

/// How a target is chosen.
package enum BalancingAlgorithm: String, Sendable, CaseIterable {
    case roundRobin = "round-robin"
    case leastConnections = "least-connections"
    case consistentHashing = "consistent-hashing"
    case latency
    /// Whoever comes again goes where he was, by a cookie; others by turns.
    case stickySessions = "sticky-sessions"
}

/// One of the places that an upstream's requests may go to.
package struct Target: Sendable, Equatable {
    package let endpoint: Endpoint
    /// Where it is asked for its health: the same place, spoken to as the checks want it.
    package let probe: Endpoint
    /// Its share, next to the others' weights; 0 is none.
    package let weight: Int
    /// Targets of a level are used only while none of a lower one is healthy.
    package let level: Int

    /// The level of targets that are kept for when no other is healthy; services' priorities are below.
    static let failoverLevel = 1 << 16

    /// Describes a target.
    ///
    /// - Parameter probe: where its checks go, if they speak otherwise than requests do.
    package init(
        _ endpoint: Endpoint,
        probe: Endpoint? = nil,
        weight: Int = 100,
        isFailover: Bool = false
    ) {
        let level = isFailover ? Self.failoverLevel : 0
        self.init(endpoint, probe: probe ?? endpoint, weight: weight, level: level)
    }

    init(_ endpoint: Endpoint, probe: Endpoint, weight: Int, level: Int) {
        self.endpoint = endpoint
        self.probe = probe
        self.weight = weight
        self.level = level
    }
}

/// How many of each kind of evidence change a target's state; 0 is never (Kong's `successes`, `http_failures` and so on).
package struct HealthLimits: Sendable, Equatable {
    package var successes = 0
    package var httpFailures = 0
    package var tcpFailures = 0
    package var timeouts = 0
    /// Statuses that speak for a target.
    package var healthyStatuses: Set<Int> = []
    /// Statuses that speak against it.
    package var unhealthyStatuses: Set<Int> = []

    /// Limits that change nothing.
    package init() {}

    /// Whether anything can take a target out.
    var canTakeOut: Bool { self.httpFailures > 0 || self.tcpFailures > 0 || self.timeouts > 0 }
}

/// How targets are asked for their health, beside the clients' requests.
package struct ActiveChecks: Sendable, Equatable {
    /// What is asked.
    package enum Kind: Sendable, Equatable {
        /// Whether a connection can be made.
        case tcp
        /// What a GET of the path is answered, with these fields.
        case http(path: String, fields: [String])
        /// What gRPC's health service says of the server, asked with these fields.
        case grpc(fields: [String])
    }

    package var kind = Kind.tcp
    package var limits = HealthLimits()
    /// Seconds between two checks of a healthy target, and of one that is not; 0 is never.
    package var healthySeconds = 0.0
    package var unhealthySeconds = 0.0
    /// Seconds that a check may take.
    package var timeoutSeconds = 1.0
    /// Checks that are under way at once.
    package var concurrency = 10

    /// Checks that ask nothing.
    package init() {}

    /// Whether they can bring a target back that was taken out.
    var bringBack: Bool { self.unhealthySeconds > 0 && self.limits.successes > 0 }
    /// Whether anything is asked at all.
    package var isUsed: Bool { self.healthySeconds > 0 || self.unhealthySeconds > 0 }
}

/// The rules of an upstream.
package struct BalancingRules: Sendable, Equatable {
    package var algorithm = BalancingAlgorithm.roundRobin
    /// How clients are kept with their targets, where they are.
    package var stickyCookie: StickyCookie?
    package var passive = HealthLimits()
    package var active = ActiveChecks()
    /// Percent of all weight that has to be healthy for the upstream to be used.
    package var threshold = 0.0
    /// Seconds after which one request tries a target that only requests could bring back; 0 is never, as Kong.
    package var trialSeconds = 10.0
    /// Seconds in which a target that came back grows into its share; 0 is none.
    package var slowStartSeconds = 0.0
    /// Retries for a hundred requests, besides a few a second.
    package var retryPercent = 20.0
    /// The name to send as `Host` in place of the target's; also used by active checks.
    package var hostHeader: String?
    /// Whether that is the host which a record of SRV names, for a target that is a service (`use_srv_name`).
    package var tellsServiceHost = false

    /// Kong's defaults.
    package init() {}

    /// Whether requests themselves find out that a target is back.
    var tries: Bool { self.trialSeconds > 0 && !self.active.bringBack }
}

/// An upstream of several targets; made once for a plan and shared.
package final class TargetGroup: Sendable {
    package let name: String
    package let rules: BalancingRules
    package let targets: [Target]
    /// The higher is the newer of two groups of one name.
    package let number: Int

    /// Makes a group, or gives `previous` where nothing has changed.
    package static func make(
        name: String,
        rules: BalancingRules,
        targets: [Target],
        after previous: TargetGroup? = nil
    ) -> TargetGroup {
        if let previous, previous.rules == rules, previous.targets == targets { return previous }
        return TargetGroup(name, rules, targets, number: (previous?.number ?? 0) + 1)
    }

    /// The same group with its services' places in their stead.
    func placed(_ known: [String: [ServicePlace]]) -> TargetGroup {
        guard !self.services.isEmpty else { return self }
        let targets = self.targets.flatMap {
            $0.placed(known[$0.endpoint.host] ?? [], isNamed: self.rules.tellsServiceHost)
        }
        return TargetGroup(self.name, self.rules, targets, number: self.number)
    }

    /// The services among its targets.
    var services: [String] { self.targets.lazy.map(\.endpoint).filter(\.isService).map(\.host) }

    private init(_ name: String, _ rules: BalancingRules, _ targets: [Target], number: Int) {
        self.name = name
        self.rules = rules
        self.targets = targets
        self.number = number
    }
}
