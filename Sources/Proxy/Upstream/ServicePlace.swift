// Services that are found by name: where DNS says that they are (RFC 2782).

/// A place where a service is, as a record of SRV has it.
package struct ServicePlace: Sendable, Hashable, CustomStringConvertible {
    /// A host name, or an address.
    package let host: String
    package let port: Int
    /// The lower is asked first; others only while none of those is healthy.
    package let priority: Int
    /// Its share among those of one priority.
    package let weight: Int

    /// Describes a place.
    package init(host: String, port: Int, priority: Int = 0, weight: Int = 1) {
        self.host = host
        self.port = port
        self.priority = priority
        self.weight = weight
    }

    /// Host and port.
    package var description: String { "\(self.host):\(self.port)" }
}

/// Names that say which service is wanted and not which host, such as `_http._tcp.example.com`.
package enum ServiceName {
    /// The domain whose service a name means; nil for the name of a host.
    package static func domain(of name: String) -> String? {
        let labels = name.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        guard labels.count == 3, labels[0].count > 1, labels[1].count > 1, !labels[2].isEmpty,
            labels[2] != ".", labels[0].first == "_", labels[1].first == "_"
        else { return nil }
        return String(labels[2])
    }
}

extension Endpoint {
    /// Whether DNS says where it is, port and all, by records of SRV.
    var isService: Bool { self.domain != nil }

    /// The same service at one of its places.
    ///
    /// - Parameter isNamed: whether requests tell the place's own name as their `Host`, and not the service's.
    func at(_ place: ServicePlace, isNamed: Bool) -> Endpoint {
        Endpoint(
            host: place.host,
            port: place.port,
            speaksHTTP2: self.speaksHTTP2,
            tls: self.tls,
            authority: isNamed ? nil : self.authority
        )
    }
}

extension Target {
    /// A target at each place of its service; without one it is itself, whose connections wait for an answer.
    func placed(_ places: [ServicePlace], isNamed: Bool) -> [Target] {
        guard self.endpoint.isService, !places.isEmpty else { return [self] }
        let priorities = Set(places.map(\.priority)).sorted()
        return places.map { place in
            let endpoint = self.endpoint.at(place, isNamed: isNamed)
            return Target(
                endpoint,
                probe: self.probe == self.endpoint ? endpoint : self.probe.at(place, isNamed: isNamed),
                // As in Kong the record's weight counts, a 0 for the least; who has none himself takes no part.
                weight: self.weight == 0 ? 0 : max(1, place.weight),
                level: self.level + (priorities.firstIndex(of: place.priority) ?? 0)
            )
        }
    }
}
