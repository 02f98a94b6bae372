// Upstreams and their targets, as a file names them.
package import Proxy

/// What of a request chooses the target, where an upstream hashes.
package enum HashSource: Sendable, Hashable {
    case consumer, ip, path
    case header(FieldName)
    /// The cookie's name, and the path for which it is set where a client has none.
    case cookie(String, path: String)
    case queryArgument(String)
    /// A named group of the pattern that the path matched.
    case capture(String)
}

/// One of an upstream's targets.
package struct UpstreamPlace: Sendable, Hashable {
    package var host: String
    package var port: Int
    package var weight = 100
    package var isFailover = false

    /// Describes a target.
    package init(host: String, port: Int, weight: Int = 100, isFailover: Bool = false) {
        self.host = host
        self.port = port
        self.weight = weight
        self.isFailover = isFailover
    }
}

/// How active checks speak to targets, as far as that is not how the services do.
package struct HealthChecking: Sendable, Hashable {
    /// Whether they speak TLS though the services may not: the types `https` and `grpcs`.
    package var speaksTLS = false
    /// Whether they speak HTTP/2: the types `grpc` and `grpcs`.
    package var speaksHTTP2 = false
    /// Whether a target has to prove its name to them.
    package var verifiesTLS = true
    /// The name that is asked for and has to be proven; nil is the target's own.
    package var serverName: String?

    /// Checks that speak HTTP/1.1, and TLS where the services do.
    package init() {}
}

/// Several targets under one name; a service whose host is the name goes to one of them.
package struct Upstream: Sendable {
    /// The file's `id`, or one made from the name.
    package var id: String
    /// In lower case, as hosts are.
    package var name: String
    package var rules = BalancingRules()
    package var checking = HealthChecking()
    /// What is hashed, and what instead where a request has none of it.
    package var hashOn: HashSource?
    package var hashFallback: HashSource?
    package var targets: [UpstreamPlace] = []
    package var tags: [String] = []
    package var position: Position = .nowhere

    /// Describes an upstream.
    package init(id: String, name: String, targets: [UpstreamPlace] = []) {
        self.id = id
        self.name = name
        self.targets = targets
    }

    /// The upstream that a service's host stands for by itself: one that records of SRV place; nil for a plain host.
    init?(of service: Service) {
        guard ServiceName.domain(of: service.host) != nil else { return nil }
        let place = UpstreamPlace(host: service.host, port: service.port)
        self.init(id: service.host, name: service.host, targets: [place])
    }
}
