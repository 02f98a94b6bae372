// What gateway tests share: requests in words, plans in a line, a carrier that records.
import JSON
import NIOCore
import NIOEmbedded
import Proxy

@testable import Gateway

/// A request's head from words.
func head(_ text: String, _ fields: [(name: String, value: String)] = []) throws -> RequestHead {
    try WrittenRequest(text, fields: fields).head
}

/// A service with routes, compiled.
func plan(
    _ routes: [Route],
    plugins: [PluginInstance] = [],
    consumers: [Consumer] = [],
    kinds: [PluginKind] = [],
    service: Service = Service(id: "s", name: "s", host: "up", port: 8080),
    after previous: Plan? = nil
) throws -> Plan {
    var configuration = Configuration()
    configuration.services = [service]
    configuration.routes = routes
    configuration.plugins = plugins
    configuration.consumers = consumers
    return try Plan(configuration, kinds: kinds, after: previous)
}

/// A route to the service, shaped by `change`.
func route(_ name: String, _ paths: [String] = [], _ change: (inout Route) -> Void = { _ in }) -> Route {
    var route = Route(id: name, name: name, service: "s", paths: paths)
    change(&route)
    return route
}

/// A client without TLS of whom nothing is known.
let nobody = client(.http)

/// A client whose handshake asked for a name.
func client(_ scheme: ClientFacts.Scheme, _ serverName: String? = nil) -> ClientFacts {
    guard let address = IPAddress("192.0.2.1") else { preconditionFailure("192.0.2.1 is an address") }
    return ClientFacts(peer: address, scheme: scheme, serverName: serverName)
}

/// Which route a request finds.
func found(
    _ plan: Plan,
    _ text: String,
    _ fields: [(name: String, value: String)] = [],
    from client: ClientFacts = nobody
) throws -> String? {
    try plan.match(try head(text, fields), from: client)?.planned.route.name
}

/// Carries nothing and remembers everything.
final class RecordingTransport: ExchangeTransport {
    var answers: [Answer] = []
    var orders: [ForwardOrder] = []

    func answer(_ exchange: Exchange, _ answer: Answer) { self.answers.append(answer) }
    func forward(_ exchange: Exchange, _ order: ForwardOrder) { self.orders.append(order) }
    func read(_ exchange: Exchange) {}
    func replaceBody(_ exchange: Exchange, type: [UInt8]?, _ octets: [UInt8]) -> Bool { false }
    func decisionTimedOut(_ exchange: Exchange) {}
}

/// A plugin made of closures.
final class ScriptedPlugin: Plugin {
    let emittedFields: [FieldName]
    private let onRequest: @Sendable (Passage) throws(Refusal) -> Step

    init(
        emits emittedFields: [FieldName] = [],
        _ onRequest: @escaping @Sendable (Passage) throws(Refusal) -> Step
    ) {
        self.emittedFields = emittedFields
        self.onRequest = onRequest
    }

    func request(_ passage: Passage) throws(Refusal) -> Step { try self.onRequest(passage) }

    func answer(_ passage: Passage, head: inout ResponseHead) {
        try? passage.answer.append("x-seen", "scripted")
    }

    /// A kind that always makes this plugin.
    static func kind(
        _ name: String,
        _ order: Order = .transform,
        emits: [FieldName] = [],
        _ onRequest: @escaping @Sendable (Passage) throws(Refusal) -> Step
    ) -> PluginKind {
        PluginKind(
            name: name,
            order: order,
            schema: [],
            make: { _, _ throws(ConfigurationError) in ScriptedPlugin(emits: emits, onRequest) }
        )
    }
}

/// An instance without settings.
func instance(
    _ name: String,
    _ binding: PluginBinding = PluginBinding(),
    id: String? = nil
) throws -> PluginInstance {
    PluginInstance(
        name: name,
        id: id ?? "\(name)-\(binding.weight)",
        binding: binding,
        settings: try Settings(schema: [])
    )
}

/// One exchange through a pipeline.
struct Trip {
    let transport = RecordingTransport()
    let exchange: Exchange
    let pipeline: Pipeline
    let loop = EmbeddedEventLoop()

    init(
        _ pipeline: Pipeline,
        _ request: RequestHead,
        peer: String = "192.0.2.7",
        trusted: Bool = false,
        scheme: ClientFacts.Scheme = .http
    ) throws {
        guard let address = IPAddress(peer) else { throw WrittenRequestError(message: "no address") }
        self.pipeline = pipeline
        self.exchange = Exchange(
            transport: self.transport,
            eventLoop: self.loop,
            request: request,
            client: ClientFacts(peer: address, isTrustedPeer: trusted, scheme: scheme)
        )
    }

    /// Lets it begin, and gives what came of it.
    @discardableResult
    func begin() -> RecordingTransport {
        self.pipeline.began(self.exchange)
        return self.transport
    }

    var passage: Passage? { self.exchange.attachment as? Passage }
}

/// A pipeline under a plan, with a clock that stands still.
func pipeline(
    _ plan: Plan,
    ownPaths: [OwnPath] = [],
    log: LogSink? = nil,
    notice: @escaping @Sendable (String) -> Void = { _ in }
) -> Pipeline {
    Pipeline(
        worker: 0,
        holder: PlanHolder(plan),
        settings: PipelineSettings(
            ownPaths: ownPaths,
            clock: { 1_800_000_000.5 },
            accessLog: log,
            notice: notice
        )
    )
}
