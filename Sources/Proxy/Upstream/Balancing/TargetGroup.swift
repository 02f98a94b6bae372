// An upstream of several targets, and the rules by which one is chosen.

/// How a target is chosen.
package enum BalancingAlgorithm: String, Sendable, CaseIterable {
    case roundRobin = "round-robin"
    case leastConnections = "least-connections"
    case consistentHashing = "consistent-hashing"
    case latency
}

/// One of the places that an upstream's requests may go to.
package struct Target: Sendable, Equatable {
    package let endpoint: Endpoint
    /// Its share, next to the others' weights; 0 is none.
    package let weight: Int
    /// Whether it is used only while no other target is healthy.
    package let isFailover: Bool

    /// Describes a target.
    package init(_ endpoint: Endpoint, weight: Int = 100, isFailover: Bool = false) {
        self.endpoint = endpoint
        self.weight = weight
        self.isFailover = isFailover
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
    var isUsed: Bool { self.healthySeconds > 0 || self.unhealthySeconds > 0 }
}

/// The rules of an upstream.
package struct BalancingRules: Sendable, Equatable {
    package var algorithm = BalancingAlgorithm.roundRobin
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

    private init(_ name: String, _ rules: BalancingRules, _ targets: [Target], number: Int) {
        self.name = name
        self.rules = rules
        self.targets = targets
        self.number = number
    }
}
