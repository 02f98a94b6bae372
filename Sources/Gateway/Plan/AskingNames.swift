// Which names ask their clients for a certificate.
import Proxy

/// The names whose handshakes ask for a certificate: those of routes with a plugin that wants to see one.
///
/// A handshake knows a name and no route yet, so a name asks if any request to it could meet such a route. Asking costs a
/// client without certificate nothing: whether it needs one is the plugin's to say.
struct AskingNames: Sendable {
    private var hosts = HostTable()
    private var hasHosts = false
    /// Whether a client that names nobody is asked: by an address no name can be told (RFC 6066 §3).
    private var asksNameless = false

    init() {}

    init(_ routes: [PlannedRoute]) {
        for route in routes where Self.asks(route) {
            if route.route.hosts.isEmpty {
                self.asksNameless = true
                self.add(.any)
            }
            for host in route.route.hosts {
                if Self.isAddress(Array(host.utf8).span) {
                    self.asksNameless = true
                } else {
                    self.add(HostDemand(host))
                }
            }
        }
    }

    /// Which port the host demands does not matter: a handshake tells none.
    private mutating func add(_ demand: HostDemand) {
        _ = self.hosts.number(of: demand, next: 0)
        self.hasHosts = true
    }

    /// Whether clients of the route come by TLS, and a plugin wants their certificate.
    private static func asks(_ route: PlannedRoute) -> Bool {
        let protocols = route.route.protocols
        return (protocols.contains("https") || protocols.contains("grpcs"))
            && route.steps.contains { $0.candidates.contains { $0.asksForCertificate } }
    }

    /// Whether no name asks.
    var isEmpty: Bool { !self.hasHosts && !self.asksNameless }

    /// Whether a client that names `name` in its handshake is asked.
    func asks(_ name: String?) -> Bool {
        guard let name else { return self.asksNameless }
        return self.asks(host: Array(name.utf8).span)
    }

    /// Whether a client whose request is for `host` should have been asked.
    func asks(host: Span<UInt8>) -> Bool {
        if host.isEmpty || Self.isAddress(host) { return self.asksNameless }
        var isAsked = false
        _ = self.hosts.forEachMet(by: host) { _ in isAsked = true }
        return isAsked
    }

    /// Whether a host is an address: in brackets, or numbers and dots alone.
    private static func isAddress(_ host: Span<UInt8>) -> Bool {
        if !host.isEmpty, host[0] == UInt8(ascii: "[") { return true }
        for index in host.indices {
            let octet = host[index]
            guard octet == UInt8(ascii: ".") || (0x30...0x39).contains(octet) else { return false }
        }
        return true
    }
}
