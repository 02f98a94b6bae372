// Whose handshakes ask for a certificate, and whose requests then come by the wrong connection.

import Proxy
import Testing

@testable import Gateway

struct AskingNamesTests {
    static func plan(_ routes: [Route], _ bindings: [PluginBinding]) throws -> Plan {
        let plugins = try bindings.map { try instance("tls-handshake-modifier", $0) }
        return try compiled(routes, plugins)
    }

    private static func compiled(_ routes: [Route], _ plugins: [PluginInstance]) throws -> Plan {
        var configuration = Configuration()
        configuration.services = [
            Service(id: "s", name: "s", host: "up", port: 8080),
            Service(id: "t", name: "t", host: "up", port: 8081),
        ]
        configuration.routes = routes
        configuration.plugins = plugins
        return try Plan(configuration, kinds: [TLSHandshakeModifier.kind])
    }

    static func hosts(_ name: String, _ hosts: [String], service: String = "s") -> Route {
        var route = Route(id: name, name: name, service: service, paths: ["/\(name)"])
        route.hosts = hosts
        return route
    }

    /// Whether a request for a host should have come by a connection that asked.
    private static func asks(_ plan: Plan, _ host: String) -> Bool {
        let octets = Array(host.utf8)
        return plan.asking.asks(host: octets.span)
    }

    @Test func `without such a plugin no name asks`() throws {
        let plan = try Self.plan([Self.hosts("a", ["a.example"]), Self.hosts("b", [])], [])
        #expect(plan.asking.isEmpty)
        for name in ["a.example", "b.example", nil] { #expect(!plan.asking.asks(name)) }
    }

    @Test func `the hosts of a plugin's routes ask, and no others`() throws {
        let routes = [
            Self.hosts("a", ["a.example", "*.wild.example", "tail.*"]), Self.hosts("b", ["b.example"]),
        ]
        let plan = try Self.plan(routes, [PluginBinding(route: "a")])
        let asked = ["a.example", "A.Example", "x.wild.example", "x.y.wild.example", "tail.org"]
        for name in asked { #expect(plan.asking.asks(name), "\(name)") }
        let left = ["b.example", "wild.example", "a.example.org", "xtail.org", "tail", nil]
        for name in left { #expect(!plan.asking.asks(name), "\(name ?? "-")") }
        #expect(!plan.asking.isEmpty)
    }

    @Test func `a plugin of a service or of all reaches all of its routes`() throws {
        let routes = [
            Self.hosts("a", ["a.example"]), Self.hosts("b", ["b.example"]),
            Self.hosts("c", ["c.example"], service: "t"),
        ]
        let ofService = try Self.plan(routes, [PluginBinding(service: "s")])
        let names = ["a.example", "b.example", "c.example", "d.example"]
        #expect(names.map { ofService.asking.asks($0) } == [true, true, false, false])
        let ofAll = try Self.plan(routes, [PluginBinding()])
        #expect(names.map { ofAll.asking.asks($0) } == [true, true, true, false])
    }

    @Test func `a route without hosts makes every name ask, and who names nobody too`() throws {
        let routes = [Self.hosts("a", []), Self.hosts("b", ["b.example"])]
        let plan = try Self.plan(routes, [PluginBinding(route: "a")])
        for name in ["a.example", "b.example", "x", nil] { #expect(plan.asking.asks(name)) }
        for host in ["127.0.0.1", "[::1]", "b.example"] {
            #expect(Self.asks(plan, host))
        }
    }

    @Test func `an address is as good as no name`() throws {
        let routes = [Self.hosts("a", ["127.0.0.1"]), Self.hosts("b", ["b.example"])]
        let plan = try Self.plan(routes, [PluginBinding(route: "a")])
        #expect(plan.asking.asks(nil))
        #expect(Self.asks(plan, "127.0.0.1"))
        #expect(Self.asks(plan, "[::1]"))
        #expect(!plan.asking.asks("b.example"))
    }

    @Test func `a route that takes no TLS makes nobody ask`() throws {
        var plain = Self.hosts("a", ["a.example"])
        plain.protocols = ["http"]
        #expect(try Self.plan([plain], [PluginBinding(route: "a")]).asking.isEmpty)
        plain.protocols = ["grpcs"]
        #expect(try Self.plan([plain], [PluginBinding(route: "a")]).asking.asks("a.example"))
    }
}
