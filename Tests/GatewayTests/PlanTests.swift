// A configuration becomes a plan: which instance is asked, in which order, and what is refused.
import JSON
import Proxy
import Synchronization
import Testing

@testable import Gateway

struct PlanTests {
    private let kinds = [
        ScriptedPlugin.kind("late", .terminate) { _ throws(Refusal) in .proceed },
        ScriptedPlugin.kind("early", .authenticate, emits: ["x-early", .authorization]) { _ throws(Refusal) in
            .proceed
        },
    ]

    @Test func `plugins are asked in the order of their kinds`() throws {
        let plan = try plan(
            [route("r", ["/"])],
            plugins: [try instance("late"), try instance("early")],
            kinds: self.kinds
        )
        #expect(plan.routes[0].steps.map(\.name) == ["early", "late"])
    }

    /// Kong's twelve precedences: each beats all that come after it.
    @Test func `the most exactly bound instance is asked`() throws {
        let (c, g, r, s) = ("c", "g", "r", "s")
        let bindings = [
            PluginBinding(service: s, route: r, consumer: c),
            PluginBinding(service: s, route: r, consumerGroup: g),
            PluginBinding(route: r, consumer: c), PluginBinding(service: s, consumer: c),
            PluginBinding(route: r, consumerGroup: g), PluginBinding(service: s, consumerGroup: g),
            PluginBinding(service: s, route: r), PluginBinding(consumer: c), PluginBinding(consumerGroup: g),
            PluginBinding(route: r), PluginBinding(service: s), PluginBinding(),
        ]
        #expect(bindings.map(\.weight) == (1...12).reversed())
        var consumer = Consumer(id: c, username: "carla")
        consumer.consumerGroups = [g]
        let identity = Identity(consumer: consumer, method: "test")
        for first in bindings.indices {
            let plugins = try bindings[first...].map { try instance("early", $0) }
            let plan = try plan(
                [route("r", ["/"])],
                plugins: Array(plugins.shuffled()),
                consumers: [consumer],
                kinds: self.kinds
            )
            let asked = plan.routes[0].steps[0].plugin(for: identity)
            #expect(asked === plan.plugin(key: "early/\(plugins[0].id)"))
        }
    }

    @Test func `a stranger is asked by nobody's own instance`() throws {
        let plan = try plan(
            [route("r", ["/"])],
            plugins: [try instance("early", PluginBinding(consumer: "c"))],
            consumers: [Consumer(id: "c", username: "carla")],
            kinds: self.kinds
        )
        #expect(plan.routes[0].steps[0].plugin(for: nil) == nil)
    }

    @Test func `an instance that is switched off is not there`() throws {
        var off = try instance("early")
        off.isEnabled = false
        #expect(try plan([route("r", ["/"])], plugins: [off], kinds: self.kinds).routes[0].steps.isEmpty)
    }

    @Test func `P8 two instances with one binding are an error`() throws {
        let twice = [try instance("early", id: "1"), try instance("early", id: "2")]
        #expect(
            throws: ConfigurationError(
                at: .nowhere,
                "plugin 'early' is there twice for the same service, route and consumer"
            )
        ) {
            try plan([route("r", ["/"])], plugins: twice, kinds: self.kinds)
        }
    }

    @Test func `P8 an instance that no request reaches is an error, or a warning`() throws {
        let elsewhere = PluginBinding(service: "other", route: "r")
        #expect(
            throws: ConfigurationError(at: .nowhere, "plugin 'early' is bound to what no request reaches")
        ) {
            try plan([route("r", ["/"])], plugins: [try instance("early", elsewhere)], kinds: self.kinds)
        }
        let idle = try plan(
            [],
            plugins: [try instance("early", PluginBinding(service: "s"))],
            kinds: self.kinds
        )
        #expect(idle.warnings.map(\.message) == ["plugin 'early' is bound to what no request reaches"])
    }

    @Test func `what every plugin finds wrong is said at once`() throws {
        let picky = PluginKind(
            name: "early",
            order: .limit,
            schema: [],
            make: { settings, scope throws(ConfigurationError) in
                throw ConfigurationError(at: scope.position, "\(scope.key) is wrong")
            }
        )
        let plugins = [
            try instance("early", PluginBinding(route: "r"), id: "1"), try instance("early", id: "2"),
        ]
        do throws(ConfigurationError) {
            var configuration = Configuration()
            configuration.routes = [route("r", ["/"])]
            configuration.plugins = plugins
            _ = try Plan(configuration, kinds: [picky])
            Issue.record("the plan was taken")
        } catch {
            #expect(error.diagnostics.map(\.message) == ["early/1 is wrong", "early/2 is wrong"])
        }
    }

    @Test func `an upstream that did not change keeps its endpoint`() throws {
        let first = try plan([route("r", ["/"])])
        let second = try plan([route("r", ["/"]), route("q", ["/q"])], after: first)
        #expect(first.routes[0].terms?.endpoint === second.routes[0].terms?.endpoint)
    }

    /// H1: every name that any plugin can set is kept from clients on every route, in any spelling.
    @Test func `H1 names of all plugins are gathered`() throws {
        let fields = try plan(
            [route("r", ["/"])],
            plugins: [try instance("early", PluginBinding(route: "r"))],
            kinds: self.kinds
        ).identityFields
        for name: FieldName in [
            "x-early", "x_early", "X.Early", "x-consumer-id", "x_consumer_username", "x-consumer-custom-id",
            "x-consumer-groups", "x-credential-identifier", "x-anonymous-consumer", "x-authenticated-groups",
        ] {
            #expect(fields.contains(name), "\(name)")
        }
        #expect(!fields.contains(.authorization))
        #expect(!fields.contains("x-other"))
    }

    @Test func `a route behind one of our own paths is warned about`() throws {
        let own = [
            OwnPath(path: "/oauth2/start", methods: [.get]) { _ throws(Refusal) in .proceed },
            OwnPath(path: "/oauth2/ext-authz", methods: [.get], isPrefix: true) { _ throws(Refusal) in
                .proceed
            },
        ]
        let plan = try plan([
            route("same", ["/oauth2/start"]), route("below", ["/oauth2/ext-authz/x"]),
            route("beside", ["/oauth2/start/x"]), route("above", ["/oauth2"]),
        ])
        #expect(
            plan.routesHidden(behind: own).map(\.message) == [
                "route 'same': the path '/oauth2/start' hides behind our own '/oauth2/start'",
                "route 'below': the path '/oauth2/ext-authz/x' hides behind our own '/oauth2/ext-authz'",
            ]
        )
    }
}
