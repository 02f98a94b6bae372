// A configuration compiled for serving: immutable, swapped whole.
package import Pattern
package import Proxy

/// A plugin instance of a plan.
package struct PlannedPlugin: Sendable {
    /// The kind's name.
    package let name: String
    /// Names the instance, the same in every plan that has it.
    package let key: String
    package let plugin: any Plugin
}

/// Everything that the data plane needs to know, made from a configuration in one go.
package final class Plan: Sendable {
    /// Rises with every plan that is taken into service.
    package let generation: UInt64
    package let router: Router
    package let routes: [PlannedRoute]
    package let consumers: ConsumerDirectory
    /// All instances, in the order of the file.
    package let plugins: [PlannedPlugin]
    /// Names that any plugin can set towards an upstream: never taken from a client, on any path (H1).
    package let identityFields: FieldNameSet
    /// The same one by one, but for those of callouts themselves: a callout's answer has all of them.
    package let identityNames: [FieldName]
    /// Cookies of plugins: kept from every upstream, on any route (H6, K8).
    package let ownedCookies: OwnedCookies
    /// What handshakes with clients are shown.
    package let certificates: CertificateTable
    /// Whose clients are asked for a certificate.
    let asking: AskingNames
    /// What is allowed and should be looked at.
    package let warnings: [Diagnostic]
    /// Shared with the next plan, so that what did not change keeps its connections.
    let endpoints: [Endpoint: Endpoint]
    let groups: [String: TargetGroup]

    /// Compiles a configuration.
    ///
    /// - Throws: everything that plugins and patterns find wrong, in one error.
    package init(
        _ configuration: Configuration,
        kinds: [PluginKind],
        tls: TLSTerms = TLSTerms(),
        generation: UInt64 = 1,
        after previous: Plan? = nil
    ) throws(ConfigurationError) {
        var builder = PlanBuilder(
            configuration,
            kinds: kinds,
            tls: tls,
            endpoints: previous?.endpoints ?? [:],
            groups: previous?.groups ?? [:]
        )
        builder.build()
        let asking = AskingNames(builder.routes)
        let certificates = CertificatePlan(configuration, tls, asking, after: previous?.certificates)
        let failures = builder.failures + certificates.failures
        guard failures.isEmpty else { throw ConfigurationError(failures) }
        self.certificates = certificates.table
        self.asking = asking
        self.generation = generation
        self.router = try Router(builder.routes)
        self.routes = builder.routes
        self.consumers = builder.consumers
        self.plugins = builder.plugins
        self.identityNames = builder.identityNames
        self.identityFields = builder.identityFields
        self.ownedCookies = OwnedCookies(builder.plugins.map(\.plugin))
        self.warnings = builder.warnings + self.router.warnings
        self.endpoints = builder.endpoints
        self.groups = builder.groups
    }

    /// Every endpoint that exchanges of this plan may go to.
    package var upstreams: Set<Endpoint> { Set(self.endpoints.values) }

    /// The upstreams of several targets.
    package var targetGroups: [TargetGroup] { Array(self.groups.values) }

    /// The best route for a request.
    package func match(
        _ head: borrowing RequestHead,
        from client: ClientFacts
    ) throws(PatternError) -> RouteMatch? {
        try self.router.match(head, from: client)
    }

    /// The instance with that key.
    package func plugin(key: String) -> (any Plugin)? { self.plugins.first { $0.key == key }?.plugin }

    /// Warnings about routes that no request reaches, because a path of our own comes first.
    package func routesHidden(behind ownPaths: [OwnPath]) -> [Diagnostic] {
        self.routes.map(\.route).flatMap { route in
            route.paths.compactMap { path in
                let own = ownPaths.first { own in
                    !own.mayPass && (path == own.path || (own.isPrefix && path.hasPrefix(own.path)))
                }
                return own.map {
                    let name = "route '\(route.title)': the path '\(path)' hides behind our own '\($0.path)'"
                    return Diagnostic(.warning, at: route.position, name)
                }
            }
        }
    }
}
