// Puts a plan together: endpoints, plugin instances, and each route's steps.
import Proxy

/// Gathers the parts of a plan, and what is wrong with them.
struct PlanBuilder {
    private struct Made {
        let instance: PluginInstance
        let order: Order
        let plugin: any Plugin
    }

    /// Where routes stand that plugins are bound to.
    private struct RoutePlaces {
        var byID: [String: Int] = [:]
        var byService: [String: [Int]] = [:]
    }

    private let configuration: Configuration
    private let kinds: [String: PluginKind]
    private let services: [String: Service]
    let consumers: ConsumerDirectory
    private(set) var endpoints: [Endpoint: Endpoint] = [:]
    private(set) var groups: [String: TargetGroup] = [:]
    /// Those that were there before this plan.
    private let before: (endpoints: [Endpoint: Endpoint], groups: [String: TargetGroup])
    private let upstreams: [String: Upstream]
    private var groupOfService: [String: TargetGroup] = [:]
    private var endpointOfService: [String: Endpoint] = [:]
    private(set) var routes: [PlannedRoute] = []
    private(set) var plugins: [PlannedPlugin] = []
    private(set) var identityFields = FieldNameSet()
    private(set) var identityNames: [FieldName] = []
    private(set) var failures: [Diagnostic] = []
    private(set) var warnings: [Diagnostic] = []

    /// Names that the gateway itself sets; plugins add theirs.
    private static let ownFields: [FieldName] = [
        "x-consumer-id", "x-consumer-username", "x-consumer-custom-id", "x-consumer-groups",
        "x-credential-identifier", "x-credential-username", "x-anonymous-consumer", "x-authenticated-groups",
        "x-authenticated-userid",
    ]

    /// What a callout tells another gateway, which may copy it to the same upstream.
    private static let calloutFields: [FieldName] = [
        "x-auth-request-user", "x-auth-request-email", "x-auth-request-preferred-username",
        "x-auth-request-groups", "x-auth-request-access-token",
    ]

    /// Names that a plugin may set and that a client may have its own reasons to send where no plugin is asked.
    private static let clientsOwn: [FieldName] = [.authorization, .cookie, .host]

    private var tls: UpstreamTLSPlan

    init(
        _ configuration: Configuration,
        kinds: [PluginKind],
        tls: TLSTerms,
        endpoints: [Endpoint: Endpoint],
        groups: [String: TargetGroup]
    ) {
        self.tls = UpstreamTLSPlan(configuration, tls, after: endpoints.values)
        self.before = (endpoints, groups)
        self.configuration = configuration
        self.kinds = Dictionary(kinds.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        self.services = Dictionary(
            configuration.services.map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        self.consumers = ConsumerDirectory(configuration.consumers)
        self.upstreams = Dictionary(
            configuration.upstreams.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
    }

    mutating func build() {
        self.planUpstreams()
        for service in self.configuration.services where self.endpointOfService[service.id] == nil {
            // An upstream's name is no place: it stands where a place is shown, and nobody goes there.
            self.endpointOfService[service.id] =
                self.groupOfService[service.id].map { Endpoint(host: $0.name, port: 80) }
                ?? self.endpoint(service.host, service.port, for: service)
        }
        // Said once for a service, however many targets it has.
        for failure in self.tls.failures where !self.failures.contains(failure) {
            self.failures.append(failure)
        }
        self.checkDuplicates()
        let made = self.makePlugins()
        self.identityNames = Self.ownFields
        for made in made {
            self.warnings.append(contentsOf: made.plugin.warnings)
            for name in made.plugin.emittedFields
            where !Self.clientsOwn.contains(name) && !Self.calloutFields.contains(name)
                && !self.identityNames.contains(name)
            {
                self.identityNames.append(name)
            }
        }
        self.identityFields = FieldNameSet(self.identityNames + Self.calloutFields)
        self.planRoutes(made)
    }

    /// The endpoint of a place for a service; the one that is there already, in this plan or the one before.
    private mutating func endpoint(_ host: String, _ port: Int, for service: Service?) -> Endpoint {
        let wanted = Endpoint(
            host: host,
            port: port,
            speaksHTTP2: service?.speaksHTTP2 ?? false,
            tls: service.flatMap { self.tls.terms(of: $0, in: ServiceName.domain(of: host)) }
        )
        let endpoint = self.endpoints[wanted] ?? self.before.endpoints[wanted] ?? wanted
        self.endpoints[wanted] = endpoint
        return endpoint
    }

    /// Makes groups of upstreams: one for each way in which services speak to it, since health is a matter of that too.
    private mutating func planUpstreams() {
        var used: Set<String> = []
        for service in self.configuration.services where self.groupOfService[service.id] == nil {
            guard let upstream = self.upstreams[service.host] ?? Upstream(of: service) else { continue }
            used.insert(upstream.name)
            self.groupOfService[service.id] = self.group(of: upstream, for: service)
        }
        for upstream in self.configuration.upstreams {
            // Who is not asked yet is checked all the same.
            if !used.contains(upstream.name) { _ = self.group(of: upstream, for: nil) }
            guard !upstream.targets.contains(where: { $0.weight > 0 }) else { continue }
            let message = "upstream '\(upstream.name)' has no target with a weight: its requests get 503"
            self.warnings.append(Diagnostic(.warning, at: upstream.position, message))
        }
    }

    /// The group of an upstream for a service; one that has not changed is the one of the plan before.
    private mutating func group(of upstream: Upstream, for service: Service?) -> TargetGroup {
        let targets = upstream.targets.map { place in
            Target(
                self.endpoint(place.host, place.port, for: service),
                probe: self.probe(place, of: upstream, for: service),
                weight: place.weight,
                isFailover: place.isFailover
            )
        }
        let names = TargetGroup.names(of: upstream.name, for: service)
        for name in names {
            if let known = self.groups[name], known.targets != targets { continue }
            let group = TargetGroup.make(
                name: name,
                rules: upstream.rules,
                targets: targets,
                after: self.groups[name] ?? self.before.groups[name]
            )
            self.groups[name] = group
            return group
        }
        preconditionFailure("there are as many names as one wants")
    }

    /// Where a target is asked for its health; nil where requests go too.
    private mutating func probe(
        _ place: UpstreamPlace,
        of upstream: Upstream,
        for service: Service?
    ) -> Endpoint? {
        guard upstream.rules.active.isUsed, upstream.rules.active.kind != .tcp else { return nil }
        return Endpoint(
            host: place.host,
            port: place.port,
            speaksHTTP2: upstream.checking.speaksHTTP2,
            tls: self.tls.terms(
                of: upstream.checking,
                for: service,
                in: ServiceName.domain(of: place.host)
            )
        )
    }

    /// What all requests to a service have in common.
    private func terms(of service: Service) -> ForwardTerms? {
        self.endpointOfService[service.id].map {
            ForwardTerms(
                endpoint: $0,
                group: self.groupOfService[service.id],
                dropped: self.identityFields,
                connectSeconds: Double(service.connectTimeoutMilliseconds) / 1000,
                writeSeconds: Double(service.writeTimeoutMilliseconds) / 1000,
                readSeconds: Double(service.readTimeoutMilliseconds) / 1000,
                retries: service.retries
            )
        }
    }

    /// Two instances of one plugin with one binding: nobody could say which of them counts.
    private mutating func checkDuplicates() {
        var seen: [String: Set<PluginBinding>] = [:]
        for instance in self.configuration.plugins
        where !seen[instance.name, default: []].insert(instance.binding).inserted {
            self.failures.append(
                Diagnostic(
                    .error,
                    at: instance.position,
                    "plugin '\(instance.name)' is there twice for the same service, route and consumer"
                )
            )
        }
    }

    // MARK: Plugins

    private mutating func makePlugins() -> [Made] {
        var result: [Made] = []
        let places = self.places(for: self.configuration.plugins.map(\.binding))
        for instance in self.configuration.plugins where instance.isEnabled {
            guard let kind = self.kinds[instance.name] else {
                self.failures.append(
                    Diagnostic(.error, at: instance.position, "there is no plugin '\(instance.name)'")
                )
                continue
            }
            let routes = self.routes(under: instance.binding, places)
            self.checkReach(instance, routes)
            let scope = PluginScope(
                key: "\(instance.name)/\(instance.id)",
                binding: instance.binding,
                routes: routes,
                consumers: self.consumers,
                certificates: self.configuration.certificates,
                authorities: self.configuration.authorities,
                position: instance.position
            )
            do throws(ConfigurationError) {
                let plugin = try kind.make(instance.settings, scope)
                result.append(Made(instance: instance, order: kind.order, plugin: plugin))
                self.plugins.append(PlannedPlugin(name: instance.name, key: scope.key, plugin: plugin))
            } catch {
                self.failures.append(contentsOf: error.diagnostics)
            }
        }
        return result
    }

    /// Finds the routes that any of the bindings names.
    private func places(for bindings: [PluginBinding]) -> RoutePlaces {
        var places = RoutePlaces()
        let services = Set(bindings.compactMap { $0.route == nil ? $0.service : nil })
        let routes = Set(bindings.compactMap(\.route))
        guard !services.isEmpty || !routes.isEmpty else { return places }
        for (place, route) in self.configuration.routes.enumerated() {
            if routes.contains(route.id), places.byID[route.id] == nil { places.byID[route.id] = place }
            if let service = route.service, services.contains(service) {
                places.byService[service, default: []].append(place)
            }
        }
        return places
    }

    /// The routes that a binding covers.
    private func routes(under binding: PluginBinding, _ places: RoutePlaces) -> [Route] {
        guard let id = binding.route else {
            guard let service = binding.service else { return self.configuration.routes }
            return (places.byService[service] ?? []).map { self.configuration.routes[$0] }
        }
        guard let place = places.byID[id] else { return [] }
        let route = self.configuration.routes[place]
        return binding.service == nil || binding.service == route.service ? [route] : []
    }

    /// Notes that an instance would never be asked (P8): an error where its own binding contradicts itself.
    private mutating func checkReach(_ instance: PluginInstance, _ routes: [Route]) {
        guard routes.isEmpty, instance.binding.route != nil || instance.binding.service != nil else { return }
        let contradicts = instance.binding.route != nil && instance.binding.service != nil
        let message = "plugin '\(instance.name)' is bound to what no request reaches"
        if contradicts {
            self.failures.append(Diagnostic(.error, at: instance.position, message))
        } else {
            self.warnings.append(Diagnostic(.warning, at: instance.position, message))
        }
    }

    // MARK: Routes

    private mutating func planRoutes(_ made: [Made]) {
        let ordered = made.enumerated().sorted {
            ($0.element.order, $0.offset) < ($1.element.order, $1.offset)
        }
        var global: [Int] = []
        var byService: [String: [Int]] = [:]
        var byRoute: [String: [Int]] = [:]
        for (place, item) in ordered.enumerated() {
            let binding = item.element.instance.binding
            if let route = binding.route {
                byRoute[route, default: []].append(place)
            } else if let service = binding.service {
                byService[service, default: []].append(place)
            } else {
                global.append(place)
            }
        }
        let inOrder = ordered.map(\.element)
        let globalSteps = Self.steps(global.map { inOrder[$0] })
        let terms = self.services.compactMapValues { self.terms(of: $0) }
        let balancing = self.upstreams.mapValues(PlannedBalancing.init)
        for route in self.configuration.routes {
            let service = route.service.flatMap { self.services[$0] }
            if let service, !service.isEnabled { continue }
            var own = byRoute.isEmpty ? [] : byRoute[route.id] ?? []
            if !byService.isEmpty, let service = route.service { own += byService[service] ?? [] }
            let steps =
                own.isEmpty ? globalSteps : Self.steps((own + global).sorted().map { inOrder[$0] })
            self.routes.append(
                PlannedRoute(
                    route: route,
                    service: service,
                    terms: service.flatMap { terms[$0.id] },
                    balancing: service.flatMap { balancing[$0.host] },
                    steps: steps,
                    index: self.routes.count
                )
            )
        }
    }

    /// One step a plugin name, in order, each with the instances that may be asked.
    private static func steps(_ made: [Made]) -> [PlannedStep] {
        var steps: [PlannedStep] = []
        for made in made {
            let place: Int
            if let known = steps.firstIndex(where: { $0.name == made.instance.name }) {
                place = known
            } else {
                place = steps.count
                steps.append(PlannedStep(name: made.instance.name))
            }
            let binding = made.instance.binding
            let choice = PlannedStep.Choice(plugin: made.plugin, weight: binding.weight)
            if let consumer = binding.consumer {
                if choice.weight > steps[place].ofConsumers[consumer]?.weight ?? 0 {
                    steps[place].ofConsumers[consumer] = choice
                }
            } else if let group = binding.consumerGroup {
                if choice.weight > steps[place].ofGroups[group]?.weight ?? 0 {
                    steps[place].ofGroups[group] = choice
                }
            } else if choice.weight > steps[place].common?.weight ?? 0 {
                steps[place].common = choice
            }
        }
        return steps
    }
}
