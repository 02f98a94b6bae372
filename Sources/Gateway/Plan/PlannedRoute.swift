// A route compiled: its plugins in order, and where its requests go.
package import Proxy

/// A plugin's instances on a route: one for everybody, others for some.
package struct PlannedStep: Sendable {
    /// An instance, and how exactly it is bound: the higher wins.
    struct Choice: Sendable {
        let plugin: any Plugin
        let weight: Int
    }

    /// The plugin's name.
    package let name: String
    /// The instance for whoever has none of his own.
    var common: Choice?
    /// By consumer id.
    var ofConsumers: [String: Choice] = [:]
    /// By consumer group's name.
    var ofGroups: [String: Choice] = [:]

    /// The one instance that is asked: Kong's precedence, see `PluginBinding.weight`.
    package func plugin(for identity: Identity?) -> (any Plugin)? {
        guard let consumer = identity?.consumer, !(self.ofConsumers.isEmpty && self.ofGroups.isEmpty) else {
            return self.common?.plugin
        }
        var best = self.common
        if let own = self.ofConsumers[consumer.id], own.weight > best?.weight ?? 0 { best = own }
        for group in consumer.consumerGroups {
            if let shared = self.ofGroups[group], shared.weight > best?.weight ?? 0 { best = shared }
        }
        return best?.plugin
    }

    /// Every instance that could be asked, the common one first.
    package var candidates: [any Plugin] {
        (self.common.map { [$0.plugin] } ?? []) + self.ofConsumers.values.map(\.plugin)
            + self.ofGroups.values.map(\.plugin)
    }
}

extension PluginBinding {
    /// How exactly this is bound, Kong's precedence from 12 down to 1.
    var weight: Int {
        switch (self.consumer != nil, self.consumerGroup != nil, self.route != nil, self.service != nil) {
        case (true, _, true, true): 12
        case (false, true, true, true): 11
        case (true, _, true, false): 10
        case (true, _, false, true): 9
        case (false, true, true, false): 8
        case (false, true, false, true): 7
        case (false, false, true, true): 6
        case (true, _, false, false): 5
        case (false, true, false, false): 4
        case (false, false, true, false): 3
        case (false, false, false, true): 2
        case (false, false, false, false): 1
        }
    }
}

/// A route as it is served.
package final class PlannedRoute: Sendable {
    package let route: Route
    package let service: Service?
    /// Where its requests go, and within which limits; nil without a service.
    package let terms: ForwardTerms?
    /// What its requests need besides, where the upstream has several targets.
    let balancing: PlannedBalancing?
    /// What is asked, in order.
    package let steps: [PlannedStep]
    /// Its place in the plan, for counters.
    let index: Int
    let servicePath: [UInt8]

    init(
        route: Route,
        service: Service?,
        terms: ForwardTerms?,
        balancing: PlannedBalancing? = nil,
        steps: [PlannedStep],
        index: Int
    ) {
        self.route = route
        self.service = service
        self.terms = terms
        self.balancing = balancing
        self.steps = steps
        self.index = index
        self.servicePath = Array((service?.path ?? "/").utf8)
        self.demand = ProtocolDemand(route.protocols)
    }

    /// What clients have to speak, if not all may.
    let demand: ProtocolDemand?

    /// Whether clients have to come by https and nothing else.
    var demandsHTTPS: Bool {
        guard case .https = self.demand else { return false }
        return true
    }
}
