// A request on its way through the gateway.
package import Proxy

/// Through which door a request came.
package enum Door: Sendable, Equatable {
    /// It is to be carried to an upstream.
    case proxy
    /// Another gateway carries it and asks for the verdict alone.
    case callout
    /// Nobody carries it: somebody wants to know what would happen.
    case explanation
}

/// What the upstream shall see of a request's query.
package enum QueryEdit: Sendable, Equatable {
    case unchanged
    /// These octets after the `?`; nil for no query at all.
    case replaced([UInt8]?)
}

/// Parts of the upstream's request that a plugin has chosen.
package struct ReplacedParts: Sendable {
    /// The whole path, canonical, without query.
    package var path: [UInt8]?
    /// What stands in `Host`.
    package var host: [UInt8]?
    package var method: ReplacedMethod?

    /// Whether nothing is replaced.
    var isEmpty: Bool { self.path == nil && self.host == nil && self.method == nil }
}

/// One request on its way: what is known of it, and what it shall look like afterwards.
///
/// Bound to its event loop; kept on the connection and used again for its next request. What is stored is internal and
/// what other modules see is computed, as in `Exchange`, so that no access needs a check while it runs.
package final class Passage {
    /// What carries it; nil where nothing is carried.
    ///
    /// The exchange owns the passage, not the other way round.
    package unowned let exchange: Exchange?
    package let worker: Worker
    var currentPlan: Plan
    var enteredBy = Door.proxy
    var found: RouteMatch?
    var proven: Identity?
    var towardsUpstream = FieldEdits()
    var towardsClient = FieldEdits()
    var queryEdit = QueryEdit.unchanged
    var chosen = ReplacedParts()
    var wallTime: Double
    var identifier: RequestIdentifier
    var reasonWord: String?
    var moreForLog: String?
    private var memories: [(place: ObjectIdentifier, note: AnyObject)] = []
    private var streamsEnd: Double?
    private var holder: (any Standing)?
    /// Whether another request than the exchange's own is judged: the one below.
    private var judgesOriginal = false
    /// A callout's original; when it is over, storage for the next.
    private var original = RequestHead()
    private var originalClient = ClientFacts.unknown
    var deliver: (@Sendable (Passage, Verdict) -> Answer)?
    /// Whether the request's body was read, and can go to no upstream.
    var hasReadBody = false
    /// Whether a path of our own on the proxy listener answers.
    var isAtOwnPath = false
    /// The next plugin to be asked.
    var nextStep = 0
    /// Plugins that were asked, for the way back.
    var asked: [any Plugin] = []
    /// Whether `upstream` has the identity's fields already.
    private(set) var hasIdentityFields = false

    init(exchange: Exchange?, worker: Worker, plan: Plan, now: Double, identifier: RequestIdentifier) {
        self.exchange = exchange
        self.worker = worker
        self.currentPlan = plan
        self.wallTime = now
        self.identifier = identifier
    }

    /// A passage about a request that nobody carries: for explanations and tests.
    package init(
        explaining request: RequestHead,
        client: ClientFacts,
        plan: Plan,
        worker: Worker,
        now: Double,
        door: Door = .explanation
    ) {
        self.exchange = nil
        self.worker = worker
        self.currentPlan = plan
        self.wallTime = now
        self.identifier = worker.nextRequestID()
        self.original = request
        self.originalClient = client
        self.judgesOriginal = true
        self.enteredBy = door
    }

    // MARK: What plugins see and say

    /// The plan that it began with, and ends with.
    package var plan: Plan { self.currentPlan }
    package var door: Door { self.enteredBy }
    /// The route, and what of the path matched; nil on own paths and before routing.
    package var match: RouteMatch? { self.found }
    /// Who it is for, once a plugin has proven it.
    package var identity: Identity? {
        get { self.proven }
        set { self.proven = newValue }
    }
    /// Fields that the upstream shall see besides the client's.
    package var upstream: FieldEdits {
        _read { yield self.towardsUpstream }
        _modify { yield &self.towardsUpstream }
    }
    /// Fields of whatever answer the client gets.
    package var answer: FieldEdits {
        _read { yield self.towardsClient }
        _modify { yield &self.towardsClient }
    }
    /// The query that the upstream shall see.
    package var upstreamQuery: QueryEdit {
        get { self.queryEdit }
        set { self.queryEdit = newValue }
    }
    /// Path, host and method that the upstream shall see instead of what route and client say.
    package var replaced: ReplacedParts {
        get { self.chosen }
        set { self.chosen = newValue }
    }
    /// Wall time at which the request came, in seconds since 1970.
    package var now: Double { self.wallTime }
    /// What the request is called, in logs and towards the upstream.
    package var requestID: String { self.identifier.text }
    /// When what let the request in ends, in seconds since 1970, where a stream or tunnel has to end then too.
    package var lastsUntil: Double? {
        get { self.streamsEnd }
        set { self.streamsEnd = newValue }
    }
    /// What let the request in, where that may be taken back: a stream or tunnel then ends at once.
    package var standing: (any Standing)? {
        get { self.holder }
        set { self.holder = newValue }
    }
    /// The reason word for the log, where a plugin has one for what it answered.
    package var reason: String? {
        get { self.reasonWord }
        set { self.reasonWord = newValue }
    }
    /// More than the word for the log; never a secret.
    package var detail: String? {
        get { self.moreForLog }
        set { self.moreForLog = newValue }
    }
    /// What was noted within this request at a place, such as a plugin's own.
    package func note(at place: ObjectIdentifier) -> AnyObject? {
        for memory in self.memories where memory.place == place { return memory.note }
        return nil
    }

    /// Notes something at a place, instead of what was there.
    package func note(_ note: AnyObject, at place: ObjectIdentifier) {
        for index in self.memories.indices where self.memories[index].place == place {
            self.memories[index].note = note
            return
        }
        self.memories.append((place, note))
    }

    /// Puts another body and its type in the place of the one that was read; from then on it is the request's.
    ///
    /// Within `Reading.resume`, of a body that is kept. Where nobody carries the request its head alone changes.
    ///
    /// - Returns: false, and nothing has changed, where the head that comes of it would be refused.
    package func replaceBody(type: [UInt8]?, _ octets: [UInt8]) -> Bool {
        guard self.judgesOriginal else { return self.carrier.replaceBody(type: type, octets) }
        return self.original.carry(type: type, count: octets.count)
    }

    /// Where a plugin notes what it spent on the request.
    package static var spent: ObjectIdentifier { ObjectIdentifier((any SpentOnce).self) }

    /// Nothing of the request was sent: what was spent on it is given back; false if nothing was.
    @discardableResult
    func giveBack() -> Bool {
        guard let spent = self.note(at: Self.spent) as? any SpentOnce else { return false }
        spent.giveBack(self)
        return true
    }

    /// A head to read a callout's original into, with the storage of the one before.
    package func takeStorage() -> RequestHead {
        var head = RequestHead()
        // What is judged is never taken away.
        if !self.judgesOriginal { swap(&head, &self.original) }
        return head
    }

    /// The request that is judged: the exchange's own, or a callout's original; who reads much of it keeps the copy.
    ///
    /// Not lent by `_read`: what that needs between its two halves is too large for the caller's frame, and is allocated.
    package var request: RequestHead { self.judgesOriginal ? self.original : self.carrier.request }

    /// Who sent the request that is judged.
    package var client: ClientFacts { self.judgesOriginal ? self.originalClient : self.carrier.client }

    /// What carries a request that is not told by another.
    private var carrier: Exchange {
        guard let exchange = self.exchange else {
            preconditionFailure("a passage without exchange is about an original")
        }
        return exchange
    }

    /// The route's settings, once it is found.
    package var route: Route? { self.found?.planned.route }

    /// Whether the client is a browser that would show a page: GET or HEAD that accepts HTML, and navigates.
    package var isBrowserNavigation: Bool {
        let request = self.request
        guard request.method == .get || request.method == .head, self.acceptsHTML else { return false }
        guard let mode = request.string(of: .secFetchMode) else { return true }
        return mode == "navigate"
    }

    /// Whether the client asks for HTML.
    package var acceptsHTML: Bool {
        self.request.fields.strings(of: .accept).contains { $0.lowercased().contains("text/html") }
    }

    /// Whether the request is a call of gRPC: its client reads an answer's status from `grpc-status`.
    package var isGRPC: Bool {
        guard let type = self.request.first(.contentType) else { return false }
        return self.request.withValue(type) { value in
            guard value.count >= Self.grpcType.count else { return false }
            for index in Self.grpcType.indices where value[index] | 0x20 != Self.grpcType[index] | 0x20 {
                return false
            }
            return value.count == Self.grpcType.count || [0x2B, 0x3B].contains(value[Self.grpcType.count])
        }
    }

    private static let grpcType = Array("application/grpc".utf8)

    /// Whether a route is there for the request, but not by this connection: its handshake asked for another name than
    /// the request's host, and a connection of that host's own would find one (RFC 9110 §15.5.20).
    ///
    /// For a request that found no route.
    func isMisdirected(_ request: borrowing RequestHead) -> Bool {
        let client = self.client
        guard self.enteredBy == .proxy, client.wasAskedForCertificate != nil else { return false }
        return (try? self.currentPlan.router.wouldMatch(request, underOwnNameOf: client)) ?? false
    }

    /// Whether an answer's status has to say what it means, whatever the request is: another gateway reads a verdict from
    /// it, and would take the 200 under which gRPC tells of errors for a yes.
    var isReadByStatus: Bool { self.enteredBy == .callout || self.isAtOwnPath }

    /// Sets the identity's fields on `upstream`, once: before rules that change fields, or else at the end.
    func setIdentityFields() throws(Refusal) {
        guard !self.hasIdentityFields, let identity = self.identity else { return }
        self.hasIdentityFields = true
        try IdentityFields.set(identity, on: &self.towardsUpstream)
    }

    /// Judges a callout's original request from here on.
    func turn(to callout: Callout) {
        self.original = callout.original
        self.originalClient = callout.client
        self.judgesOriginal = true
        self.deliver = callout.deliver
        self.enteredBy = .callout
    }

    /// Makes ready for the connection's next request.
    func renew(plan: Plan, now: Double, identifier: RequestIdentifier) {
        if self.currentPlan !== plan { self.currentPlan = plan }
        self.wallTime = now
        self.identifier = identifier
        self.enteredBy = .proxy
        self.found = nil
        if self.proven != nil { self.proven = nil }
        self.towardsUpstream.reset()
        self.towardsClient.reset()
        self.queryEdit = .unchanged
        if !self.chosen.isEmpty { self.chosen = ReplacedParts() }
        self.hasIdentityFields = false
        self.streamsEnd = nil
        if self.holder != nil { self.holder = nil }
        if self.reasonWord != nil { self.reasonWord = nil }
        if self.moreForLog != nil { self.moreForLog = nil }
        if !self.memories.isEmpty { self.memories.removeAll(keepingCapacity: true) }
        self.judgesOriginal = false
        if self.deliver != nil { self.deliver = nil }
        (self.hasReadBody, self.isAtOwnPath) = (false, false)
        self.nextStep = 0
        if !self.asked.isEmpty { self.asked.removeAll(keepingCapacity: true) }
    }
}
