// One plugin on one route, and what came of a request.
import JSON
import Synchronization
import Testing

@testable import Gateway
@testable import Proxy

/// A clock that tests set.
final class TestClock: Sendable {
    private let seconds: Mutex<Double>

    init(_ seconds: Double = 1_800_000_000) { self.seconds = Mutex(seconds) }

    var now: Double {
        get { self.seconds.withLock { $0 } }
        set { self.seconds.withLock { $0 = newValue } }
    }
}

/// What came of a request, as client and upstream would see it.
struct Outcome {
    let trip: Trip

    var answer: Answer? { self.trip.transport.answers.first }
    var order: ForwardOrder? { self.trip.transport.orders.first }
    var isForwarded: Bool { self.order != nil }

    /// What the answer's edits say under a name, before or after forwarding; nil if they say nothing.
    func answered(_ name: FieldName) -> String? { self.trip.exchange.answerEdits.value(of: name) }

    /// What the upstream is told under a name besides the client's own.
    func told(_ name: FieldName) -> String? { self.trip.exchange.upstreamEdits.value(of: name) }

    var upstream: FieldEdits { self.trip.exchange.upstreamEdits }

    func message() throws -> String? {
        try JSONValue(parsing: self.answer?.body ?? [])["message"]?.string
    }
}

/// A pipeline whose one route has plugins.
struct Stage {
    let line: Pipeline
    let clock = TestClock()

    init(
        _ plugins: [(PluginKind, JSONValue)],
        path: String = "/",
        binding: PluginBinding = PluginBinding(),
        others: [PluginKind] = [],
        consumers: [Consumer] = [],
        worker: Int = 0
    ) throws {
        let plan = try Self.plan(plugins, path: path, binding: binding, others: others, consumers: consumers)
        let clock = self.clock
        self.line = Pipeline(
            worker: worker,
            holder: PlanHolder(plan),
            settings: PipelineSettings(clock: { clock.now })
        )
    }

    static func plan(
        _ plugins: [(PluginKind, JSONValue)],
        path: String = "/",
        binding: PluginBinding = PluginBinding(),
        others: [PluginKind] = [],
        consumers: [Consumer] = []
    ) throws -> Plan {
        var instances: [PluginInstance] = []
        for (kind, json) in plugins {
            let settings = try Settings(json, schema: kind.schema)
            instances.append(PluginInstance(name: kind.name, id: "i", binding: binding, settings: settings))
        }
        for kind in others { instances.append(try instance(kind.name)) }
        return try GatewayTests.plan(
            [route("r", [path])],
            plugins: instances,
            consumers: consumers,
            kinds: plugins.map(\.0) + others
        )
    }

    func ask(
        _ text: String = "GET http://x/",
        _ fields: [(name: String, value: String)] = [],
        peer: String = "192.0.2.7",
        trusted: Bool = false
    ) throws -> Outcome {
        let trip = try Trip(self.line, try head(text, fields), peer: peer, trusted: trusted)
        trip.begin()
        return Outcome(trip: trip)
    }
}

/// An upstream's answer with these fields, after the plugins: what the client would see, in order.
func seen(_ outcome: Outcome, _ fields: [(String, String)] = []) -> [(String, String)] {
    var (parser, head) = (ResponseParser(limits: ProxyLimits()), ResponseHead())
    let lines = fields.map { "\($0): \($1)\r\n" }.joined()
    parser.feed("HTTP/1.1 200 OK\r\n\(lines)Content-Length: 0\r\n\r\n".utf8, to: &head)
    guard case .complete = parser.advance(&head, answering: .get) else { return [("malformed", "")] }
    outcome.trip.pipeline.answered(outcome.trip.exchange, head: &head)
    var result: [(String, String)] = []
    let edits = outcome.trip.exchange.answerEdits
    head.fields.forEach { field in
        guard head.goesOn(field, after: edits) else { return }
        result.append((head.fields.name(field).lowercased(), head.fields.string(field)))
    }
    result.append(contentsOf: edits.added.map { ($0.name, $0.value) })
    return result
}

extension [(String, String)] {
    /// All values of a name, in order.
    func all(_ name: String) -> [String] { self.filter { $0.0 == name }.map(\.1) }
}
