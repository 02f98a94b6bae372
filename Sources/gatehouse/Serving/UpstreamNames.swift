// Who answers for the names of upstreams: the system, or servers of DNS.
import Gateway
import Logging
import Names
import Proxy

/// The desks that are asked for names.
struct UpstreamNames: Sendable {
    let addresses: NameDesk<IPAddress>
    let services: NameDesk<ServicePlace>

    /// - Parameter servers: who is asked; the system's if there are none.
    init(_ servers: [NameServer], logger: Logger) {
        self.addresses = .ofAddresses(servers, logger: logger)
        self.services = .ofServices(servers, logger: logger)
    }

    /// Adds the counts of both to a snapshot.
    func add(to snapshot: inout MetricsSnapshot) {
        self.addresses.add(to: &snapshot)
        self.services.add(to: &snapshot)
    }
}

extension NameDesk<IPAddress> {
    /// Asks for addresses: the servers if there are any, and for what those do not know the system.
    fileprivate static func ofAddresses(_ servers: [NameServer], logger: Logger) -> NameDesk {
        let lookup = RecordLookup(servers: servers)
        return NameDesk(logger: logger) { name in
            do throws(NameLookupError) {
                var found = servers.isEmpty ? nil : try lookup.addresses(of: name)
                if found == nil { found = try NameLookup.addresses(of: name) }
                return .success((found ?? []).compactMap { IPAddress(octets: $0) })
            } catch {
                return .failure(error)
            }
        }
    }
}

extension NameDesk<ServicePlace> {
    /// Asks for the places of services: the servers, or those of the system if there are none.
    fileprivate static func ofServices(_ servers: [NameServer], logger: Logger) -> NameDesk {
        let lookup = RecordLookup(servers: servers)
        return NameDesk(logger: logger) { name in
            do throws(NameLookupError) {
                let found = try lookup.services(of: name)
                let places = found.records.map {
                    ServicePlace(host: $0.host, port: $0.port, priority: $0.priority, weight: $0.weight)
                }
                return .success(places, seconds: found.seconds)
            } catch {
                return .failure(error)
            }
        }
    }
}
