// Says what would become of a request, and why; nothing is sent or changed.
package import JSON
import Pattern
package import Proxy

/// The whole way of one request under a plan, rule by rule.
package struct Explanation: Sendable {
    /// What would become of it.
    package enum Outcome: Sendable, Equatable {
        case passes
        /// The gateway answers by itself.
        case answers(status: Int, reason: String?)
        /// It cannot be told without the outside world.
        case undecided(String)
    }

    package let outcome: Outcome
    /// As shown by `gatehouse explain`.
    package let json: JSONValue

    /// Whether it would be passed on.
    package var passes: Bool { self.outcome == .passes }
}

/// Explains requests under one plan.
package struct Explainer {
    private let plan: Plan
    private let now: Double

    /// Explains under a plan, as of a time in seconds since 1970.
    package init(plan: Plan, now: Double) {
        self.plan = plan
        self.now = now
    }

    /// Explains a request that the guard does not let in, whatever the plan.
    package static func explain(_ refusal: RequestRefusal) -> Explanation {
        Self.finish(.answers(status: refusal.status, reason: refusal.reason), [:])
    }

    /// Explains a request.
    ///
    /// - Parameter claims: of a user who is taken as proven; nil for what the request itself brings.
    package func explain(_ request: RequestHead, client: ClientFacts, claims: JSONValue?) -> Explanation {
        let passage = Passage(
            explaining: request,
            client: client,
            plan: self.plan,
            worker: Worker(index: 0),
            now: self.now
        )
        var members: [String: JSONValue] = [
            "request": [
                "method": .string(request.methodText), "scheme": .string(client.scheme.rawValue),
                "host": .string(request.hostText), "path": .string(request.pathText),
            ]
        ]
        do throws(PatternError) {
            passage.found = try self.plan.match(request, from: client)
        } catch {
            return Self.finish(.answers(status: 400, reason: "pattern-exhausted"), members)
        }
        guard let match = passage.match else {
            members["route"] = .null
            return Self.finish(.answers(status: 404, reason: "no-route"), members)
        }
        members["route"] = Self.describe(match.planned)
        if match.planned.demandsHTTPS, client.scheme == .http {
            return Self.finish(
                .answers(status: match.planned.route.httpsRedirectStatus, reason: "https-required"),
                members
            )
        }
        let (outcome, plugins) = self.ask(match.planned, passage, claims)
        members["plugins"] = .array(plugins)
        if let identity = passage.identity { members["identity"] = Self.describe(identity) }
        if outcome == .passes, match.planned.service == nil {
            return Self.finish(.answers(status: 503, reason: "no-service"), members)
        }
        return Self.finish(outcome, members)
    }

    /// Asks the plugins in order, up to the first that does not let it pass; the rest are not reached.
    private func ask(
        _ planned: PlannedRoute,
        _ passage: Passage,
        _ claims: JSONValue?
    ) -> (Explanation.Outcome, [JSONValue]) {
        var asked: [JSONValue] = []
        var end: Explanation.Outcome?
        for step in planned.steps {
            guard let plugin = step.plugin(for: passage.identity) else { continue }
            guard end == nil else {
                asked.append(["plugin": .string(step.name), "verdict": "not reached", "rules": []])
                continue
            }
            let verdict = plugin.explain(passage, claims: claims)
            var described = verdict.json.object ?? [:]
            described["plugin"] = .string(step.name)
            asked.append(.object(described))
            switch verdict.outcome {
            case .passes: continue
            case .answers(let status): end = .answers(status: status, reason: passage.reason)
            case .refuses(let refusal): end = .answers(status: refusal.status, reason: refusal.reason)
            case .undecided(let why): end = .undecided("\(step.name): \(why)")
            }
        }
        return (end ?? .passes, asked)
    }

    private static func describe(_ planned: PlannedRoute) -> JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(planned.route.title), "plugins": .array(planned.steps.map { .string($0.name) }),
        ]
        if planned.route.position.line > 0 { members["source"] = .string(planned.route.position.description) }
        if let service = planned.service { members["service"] = .string(service.name ?? service.id) }
        if let endpoint = planned.terms?.endpoint { members["upstream"] = .string(endpoint.description) }
        return .object(members)
    }

    private static func describe(_ identity: Identity) -> JSONValue {
        var members: [String: JSONValue] = [
            "method": .string(identity.method), "anonymous": .bool(identity.isAnonymous),
            "groups": .array(identity.groups.map { .string($0) }),
        ]
        if let subject = identity.subject { members["subject"] = .string(subject) }
        if let issuer = identity.issuer { members["issuer"] = .string(issuer) }
        if let consumer = identity.consumer { members["consumer"] = .string(consumer.title) }
        return .object(members)
    }

    private static func finish(_ outcome: Explanation.Outcome, _ members: [String: JSONValue]) -> Explanation
    {
        var members = members
        switch outcome {
        case .passes: members["verdict"] = "passes"
        case .answers(let status, let reason):
            members["verdict"] = status >= 400 ? "refuses" : "answers"
            members["status"] = .integer(Int64(status))
            members["reason"] = reason.map { .string($0) } ?? .null
        case .undecided(let why):
            members["verdict"] = "undecided"
            members["detail"] = .string(why)
        }
        return Explanation(outcome: outcome, json: .object(members))
    }
}
