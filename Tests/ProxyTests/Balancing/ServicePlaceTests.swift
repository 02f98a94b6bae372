// Services and their places: names, targets out of records, and what becomes of a balancer's book.

import NIOCore
import Testing

@testable import Proxy

struct ServicePlaceTests {
    private static let name = "_http._tcp.zone.test"

    /// A target that is a service.
    private static func service(weight: Int = 100, isFailover: Bool = false) -> Target {
        Target(Endpoint(host: Self.name, port: 80), weight: weight, isFailover: isFailover)
    }

    private static func place(_ port: Int, priority: Int = 0, weight: Int = 1) -> ServicePlace {
        ServicePlace(host: "10.0.0.1", port: port, priority: priority, weight: weight)
    }

    @Test(arguments: [
        ("_http._tcp.zone.test", "zone.test"), ("_http._tcp.zone.test.", "zone.test."),
        ("_web._tag.service.consul", "service.consul"), ("_http._tcp.test", "test"),
    ])
    func `a name with two labels of that form means a service`(name: String, domain: String) {
        #expect(ServiceName.domain(of: name) == domain)
    }

    @Test(arguments: [
        "zone.test", "_http.zone.test", "http._tcp.zone.test", "_http._tcp", "_http._tcp.", "_http._tcp..",
        "_._tcp.zone.test", "_http._.zone.test", "x._http._tcp.zone.test", "10.0.0.1", "::1", "",
    ])
    func `any other name means a host`(name: String) { #expect(ServiceName.domain(of: name) == nil) }

    @Test func `each record is a target, with its weight and its priority`() {
        let known = [
            Self.name: [
                Self.place(1, priority: 20, weight: 5), Self.place(2, priority: 10, weight: 0),
                Self.place(3, priority: 20),
            ]
        ]
        let placed = group([Self.service(), target(9, isFailover: true)]).placed(known)
        #expect(placed.targets.map(\.endpoint.port) == [1, 2, 3, 9])
        #expect(placed.targets.map(\.weight) == [5, 1, 1, 100])
        #expect(placed.targets.map(\.level) == [1, 0, 1, Target.failoverLevel])
        #expect(group([Self.service(weight: 0)]).placed(known).targets.map(\.weight) == [0, 0, 0])
        let reserve = group([Self.service(isFailover: true)]).placed(known).targets.map(\.level)
        #expect(reserve == [Target.failoverLevel + 1, Target.failoverLevel, Target.failoverLevel + 1])
    }

    @Test func `without an answer the service is itself a target`() {
        let group = group([Self.service()])
        #expect(group.placed([:]).targets.map(\.endpoint.host) == [Self.name])
        #expect(group.placed([Self.name: []]).targets.map(\.endpoint.host) == [Self.name])
        #expect(group.services == [Self.name])
    }

    @Test func `Host is the service's name, or the record's where that is wanted`() {
        let known = [Self.name: [Self.place(81)]]
        let service = group([Self.service()]).placed(known).targets[0].endpoint
        #expect(String(decoding: service.authority, as: UTF8.self) == Self.name)
        #expect(service.description == "10.0.0.1:81")
        let named = group([Self.service()]) { $0.tellsServiceHost = true }.placed(known).targets[0].endpoint
        #expect(String(decoding: named.authority, as: UTF8.self) == "10.0.0.1:81")
        #expect(service != named)
    }

    @Test func `a level is asked only while no lower one is healthy, or has failed the request`() throws {
        let known = [Self.name: [Self.place(1), Self.place(2, priority: 1), Self.place(3, priority: 2)]]
        let targets = group([Self.service(), target(9, isFailover: true)]) { $0.passive.tcpFailures = 1 }
        let book = Book(targets.placed(known))
        #expect(book.ports(5) == [1, 1, 1, 1, 1])
        let first = try #require(book.pick())
        let second = try #require(book.pick(tried: [first]))
        #expect(second.endpoint.port == 2)
        let third = try #require(book.pick(tried: [first, second]))
        #expect(third.endpoint.port == 3)
        // A failover target waits until nobody else is healthy, as it ever did.
        #expect(book.pick(tried: [first, second, third]) == nil)
        for port in 1...3 { book.end(at: port, .connectFailed) }
        #expect(book.ports(3) == [9, 9, 9])
    }

    @Test func `an answer moves those who came and went, and nobody else`() throws {
        let home = Balancers { _ in }
        let planned = group([Self.service()]) { $0.passive.tcpFailures = 1 }
        let balancer = home.balancer(for: planned)
        #expect(balancer.group.targets.map(\.endpoint.host) == [Self.name])
        #expect(home.answered(Self.name, [Self.place(1), Self.place(2)]).map(\.host) == [Self.name])
        let fallen = try #require(balancer.group.targets.first { $0.endpoint.port == 1 }).endpoint
        balancer.told(fallen, isUp: false, at: second(0))
        #expect(home.answered(Self.name, [Self.place(2), Self.place(1)]).isEmpty)
        #expect(home.answered(Self.name, [Self.place(3), Self.place(1)]).map(\.port) == [2])
        #expect(balancer.state.state(of: fallen) == .unhealthy)
        #expect(home.balancer(for: planned) === balancer)
        // Another plan's group of the same service is placed at once.
        let next = group([Self.service(), target(7)], after: planned)
        home.follow([next])
        #expect(balancer.group.targets.map(\.endpoint.port) == [1, 3, 7])
        #expect(balancer.state.state(of: fallen) == .unhealthy)
        home.follow([])
        #expect(home.places.isEmpty && home.services.isEmpty)
    }

    @Test func `an answer says for how long it holds, within what the settings say`() {
        var rules = NameRules()
        rules.validSeconds = 10
        func askedAgain(_ seconds: Double?) -> NIODeadline {
            var state = NameState<ServicePlace>(rules)
            _ = state.use(at: second(0))
            _ = state.answered(.found([Self.place(1)], seconds: seconds), at: second(0))
            return state.askAt
        }
        #expect(askedAgain(nil) == second(10))
        #expect(askedAgain(3) == second(3))
        #expect(askedAgain(0) == second(1))
        #expect(askedAgain(86_400) == second(10))
    }
}
