// What a plugin is, and the moments at which it is asked.
package import JSON
package import Proxy

/// Where a concern stands among the others: the list is the policy.
package enum Order: Int, Comparable, Sendable, CaseIterable {
    /// Gives the request its mark, so that whatever answers it can show it.
    case mark
    /// Answers what browsers ask beforehand, and says who may read the answers.
    case shape
    /// Refuses by address.
    case restrict
    /// Proves a certificate; before the others, as in Kong.
    case authenticateByCertificate
    /// Proves a key; before openid-connect, as in Kong.
    case authenticateByKey
    /// Proves a token or a session.
    case authenticate
    /// Refuses by group.
    case authorize
    /// Refuses by rate; after authentication, so that it can count by consumer.
    case limit
    /// Changes what the upstream or the client sees.
    case transform
    /// Answers by itself.
    case terminate

    package static func < (one: Order, other: Order) -> Bool { one.rawValue < other.rawValue }
}

/// A kind of plugin: what it is called, what may be written for it, and how it is made.
package struct PluginKind: Sendable {
    package let name: String
    package let order: Order
    package let schema: [FieldSchema]
    /// Whether it may be bound to a consumer or a group: not where it is what finds the consumer.
    package let mayBindConsumers: Bool
    /// One line for the manual.
    package let help: String
    /// Makes one from its settings; what is wrong with them is thrown, all of it.
    package let make: @Sendable (Settings, PluginScope) throws(ConfigurationError) -> any Plugin

    /// Describes a kind.
    package init(
        name: String,
        order: Order,
        schema: [FieldSchema],
        mayBindConsumers: Bool = true,
        help: String = "",
        make: @escaping @Sendable (Settings, PluginScope) throws(ConfigurationError) -> any Plugin
    ) {
        self.name = name
        self.order = order
        self.schema = schema
        self.mayBindConsumers = mayBindConsumers
        self.help = help
        self.make = make
    }
}

/// What an instance will be asked about.
package struct PluginScope: Sendable {
    /// Names the instance, the same in every plan that has it.
    package let key: String
    package let binding: PluginBinding
    /// The routes on which it is in force.
    package let routes: [Route]
    package let consumers: ConsumerDirectory
    /// Those that it may show to others.
    package let certificates: [Certificate]
    /// Those whose signatures may be believed.
    package let authorities: [Authority]
    /// Where it stands in the file.
    package let position: Position

    /// Describes a scope.
    package init(
        key: String,
        binding: PluginBinding = PluginBinding(),
        routes: [Route] = [],
        consumers: ConsumerDirectory = ConsumerDirectory([]),
        certificates: [Certificate] = [],
        authorities: [Authority] = [],
        position: Position = .nowhere
    ) {
        self.key = key
        self.binding = binding
        self.routes = routes
        self.consumers = consumers
        self.certificates = certificates
        self.authorities = authorities
        self.position = position
    }
}

/// One concern of the gateway, made once from its settings and asked for every request on its routes.
package protocol Plugin: AnyObject, Sendable {
    /// Names of fields that it may set towards the upstream: a client's own copies are dropped everywhere (H1).
    var emittedFields: [FieldName] { get }
    /// Warnings about settings that are allowed and unwise.
    var warnings: [Diagnostic] { get }
    /// Whether it wants to see the client's certificate, so that handshakes have to ask for one.
    var asksForCertificate: Bool { get }
    /// Says what shall become of the request; on the event loop, at once.
    func request(_ passage: Passage) throws(Refusal) -> Step
    /// Sees the upstream's answer before the client does; in reverse order of the requests.
    func answer(_ passage: Passage, head: inout ResponseHead)
    /// Says what would become of the request, and by which rules, without sending or changing anything.
    ///
    /// - Parameter claims: of a user who is taken as proven; nil for what the request itself brings.
    func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict
}

extension Plugin {
    package var emittedFields: [FieldName] { [] }
    package var warnings: [Diagnostic] { [] }
    package var asksForCertificate: Bool { false }
    package func answer(_ passage: Passage, head: inout ResponseHead) {}
    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        do throws(Refusal) {
            switch try self.request(passage) {
            case .proceed: return PluginVerdict(.passes)
            case .answer(let answer): return PluginVerdict(.answers(status: answer.status))
            case .wait: return PluginVerdict(.undecided("the verdict needs the outside world"))
            case .read: return PluginVerdict(.undecided("the verdict needs the request's body"))
            case .callout: return PluginVerdict(.undecided("the verdict is about another request"))
            }
        } catch {
            return PluginVerdict(.refuses(error))
        }
    }
}

/// What a plugin spent on a request, and has back where that reaches no upstream.
package protocol SpentOnce: AnyObject {
    /// The request was refused or answered here, or no connection came about: no upstream has seen anything of it.
    func giveBack(_ passage: Passage)
}

/// What shall happen next.
package enum Step {
    /// Go on to the next plugin, or to the upstream.
    case proceed
    /// Stop here with this answer; nothing is forwarded.
    case answer(Answer)
    /// The verdict needs the outside world; it is asked for off the loop, and then it goes on.
    case wait(Inquiry)
    /// The verdict needs the request's body; it is gathered, and then it goes on.
    case read(Reading)
    /// Judge another request instead of this one; for own paths that are callouts.
    case callout(Callout)
}

/// A request's body that is looked at before the verdict.
package struct Reading {
    /// How a request goes on when its body is there.
    package typealias Resumption = (Passage, BodyRead) throws(Refusal) -> Step

    /// Octets beyond which the body is not gathered.
    package let limit: Int
    /// Whether the request may go on to an upstream, with its body as it came; otherwise it has to come to an answer.
    package let keepsBody: Bool
    package let resume: Resumption

    /// Describes what is wanted.
    package init(upTo limit: Int, keepsBody: Bool = false, _ resume: @escaping Resumption) {
        self.limit = limit
        self.keepsBody = keepsBody
        self.resume = resume
    }
}

/// A question to the outside world.
package struct Inquiry: Sendable {
    /// How a request goes on when the answer is there; runs on the event loop.
    package typealias Resumption = @Sendable (Passage) throws(Refusal) -> Step

    /// Asks, off the loop; cancelled when the client has gone.
    package let work: @Sendable () async -> Resumption

    /// Wraps a question.
    package init(_ work: @escaping @Sendable () async -> Resumption) {
        self.work = work
    }
}

/// A request that another gateway has received and asks about.
package struct Callout {
    /// The request as the other gateway received it, through the same guard.
    package let original: RequestHead
    /// Who sent it.
    package let client: ClientFacts
    /// Says the verdict in the asking gateway's way; `passage` is about the original request.
    package let deliver: @Sendable (_ passage: Passage, _ verdict: Verdict) -> Answer

    /// Describes a callout.
    package init(
        original: RequestHead,
        client: ClientFacts,
        deliver: @escaping @Sendable (_ passage: Passage, _ verdict: Verdict) -> Answer
    ) {
        self.original = original
        self.client = client
        self.deliver = deliver
    }
}

/// What all plugins of a route together say.
package enum Verdict {
    /// It may pass: `passage.upstream` is what the upstream shall see.
    case passes
    /// A plugin answers by itself: a login, a redirect, a termination.
    case answered(Answer)
    /// It is refused; `ErrorAnswer` has the words.
    case refused(Refusal)
}

/// A path of our own on the proxy listener.
package struct OwnPath: Sendable {
    /// The exact path, without query.
    package let path: String
    /// The methods that it answers; others get 405.
    package let methods: [Method]
    /// Whether longer paths that begin with `path` are meant too.
    package let isPrefix: Bool
    /// Whether the routes decide where `serve` says to proceed, or the method is none of these.
    package let mayPass: Bool
    /// Answers.
    package let serve: @Sendable (Passage) throws(Refusal) -> Step

    /// Describes a path.
    package init(
        path: String,
        methods: [Method],
        isPrefix: Bool = false,
        mayPass: Bool = false,
        serve: @escaping @Sendable (Passage) throws(Refusal) -> Step
    ) {
        self.path = path
        self.methods = methods
        self.isPrefix = isPrefix
        self.mayPass = mayPass
        self.serve = serve
    }
}
