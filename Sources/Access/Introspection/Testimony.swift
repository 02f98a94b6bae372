// What an instance says of a token that a service asks about: its own rules, without a request.
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

/// What is said of one token.
enum Testimony: Sendable {
    /// It is good; who proved it, and whether that may be remembered.
    case active(ProvenCredential, by: OpenIDConnect, isKept: Bool)
    /// It is not; why is for the log alone.
    case inactive(reason: String, detail: String)
    /// Nobody could tell: neither good nor bad.
    case unavailable(reason: String, detail: String)
}

extension OpenIDConnect {
    /// How the issuer is asked about tokens, where that is by introspection.
    var introspection: QuestionChoice? {
        settings.question.flatMap { $0.method == .introspection ? $0 : nil }
    }

    /// Names what was proven for services in the workers' memory; a route's rules know nothing of it.
    private var servicesAsker: UInt64 { number &* 4 &+ 3 }

    /// What a worker remembers of a token: proven for a request of a route, or for a service before.
    func remembered(_ token: [UInt8], _ memory: ProvenCache<ProvenCredential>, at now: Double) -> Testimony? {
        // What userinfo says of a token tells nobody whom it is for.
        let isShared = settings.question?.method != .userinfo
        for asker in isShared ? [servicesAsker, number &* 4] : [servicesAsker] {
            guard let known = memory.value(token.span, asker: asker) else { continue }
            let isCurrent =
                known.keysVersion == parties.keysVersion || known.keysVersion == ProvenCredential.withoutKeys
            if isCurrent, now < known.keptUntil { return judged(known, isKept: false) }
            memory.forget(token.span, asker: asker)
        }
        return nil
    }

    /// Keeps what a token proved, for the next service that asks.
    func remember(_ proven: ProvenCredential, _ token: [UInt8], _ memory: ProvenCache<ProvenCredential>) {
        memory.keep(proven, forOwn: token, asker: servicesAsker, holding: proven.approximateBytes)
    }

    /// Proves a token as for a request: by the issuer's keys, by asking the issuer, or both.
    func testimony(on token: [UInt8], at now: Double) async -> Testimony {
        let isJWT = BearerForm.isJWT(token)
        if let choice = introspection, !isJWT || !settings.methods.contains(.bearer) {
            return await ask(choice, token, besides: nil, at: now)
        }
        guard isJWT else {
            return .inactive(
                reason: "malformed",
                detail: "the token is no JWT, and nobody is asked about others"
            )
        }
        return await verified(token, at: now)
    }

    private func verified(_ token: [UInt8], at now: Double) async -> Testimony {
        var verdict = parties.verify(token, settings, at: now)
        if case .needsKeys(let issuer, let version) = verdict {
            let lookup = await parties.newerKeys(of: issuer, seen: version)
            guard lookup == .refreshed || !issuer.keys.isEmpty else {
                return .unavailable(reason: "no-keys", detail: "no key of the issuer is known")
            }
            verdict = parties.verify(token, settings, at: now)
        }
        switch verdict {
        case .needsKeys:
            return .inactive(reason: "unknown-key", detail: "the token names a key that is not known")
        case .refused(let reason, let detail): return .inactive(reason: reason, detail: detail)
        case .proven(let facts):
            if let choice = settings.question, choice.includesJWT {
                return await ask(choice, token, besides: facts, at: now)
            }
            return judged(settings.proven(facts, consumers: consumers), isKept: true)
        }
    }

    /// Asks the issuer, unless its answer is still known; nothing of the service's own request goes along.
    private func ask(
        _ choice: QuestionChoice,
        _ token: [UInt8],
        besides facts: CredentialFacts?,
        at now: Double
    ) async -> Testimony {
        guard BearerForm.isToken(token), token.count <= BearerForm.maximumBytes, let party = parties.client
        else {
            return .inactive(reason: "malformed", detail: "the token is none of RFC 6750 §2.1")
        }
        // A token is shown to its own issuer alone.
        guard facts.map({ $0.issuer == parties.issuer.settings.issuer }) ?? true else {
            return .inactive(
                reason: "wrong-issuer",
                detail: "the token's issuer is not the one that can be asked"
            )
        }
        do throws(Refusal) {
            let text = String(decoding: token, as: UTF8.self)
            let question = try question(choice, choice.introspection, text, facts)
            if choice.keepsAnswers, let kept = services.state.answers.answer(question.key, at: now) {
                return try decide(kept, question, at: now)
            }
            let outcome = await services.state.questions.run(
                question.key,
                clock: services.clock,
                keep: { _ in 0 }
            ) { [self] in await inquire(question, party) }
            switch outcome {
            case .answered(let kept): return try decide(kept, question, at: services.clock())
            case .unavailable(let reason, let detail): return .unavailable(reason: reason, detail: detail)
            }
        } catch {
            guard case .failed = error else {
                return .inactive(reason: error.reason, detail: error.cause.detail ?? "")
            }
            return .unavailable(reason: error.reason, detail: "")
        }
    }

    private func decide(
        _ kept: KeptAnswer,
        _ question: IssuerQuestion,
        at now: Double
    ) throws(Refusal) -> Testimony {
        switch kept.answer {
        case .refused(let reason, let detail): return .inactive(reason: reason, detail: detail)
        case .known(let information):
            let facts = try facts(information, question, until: kept.until, at: now)
            let isKept = question.choice.keepsAnswers && !question.choice.dependsOnClient
            return judged(settings.proven(facts, consumers: consumers), isKept: isKept)
        }
    }

    /// Whom a token is for is a rule on every token; what else a route asks of claims is that route's own.
    private func judged(_ proven: ProvenCredential, isKept: Bool) -> Testimony {
        let rule = settings.policy.rules.first { $0.kind == .audience }
        guard rule.map({ $0.verdict(on: proven.sources).passes }) ?? true else {
            return .inactive(reason: "wrong-audience", detail: "audience_required is not met")
        }
        return .active(proven, by: self, isKept: isKept)
    }

    /// Whether another instance would say the same of every token.
    func agrees(with other: OpenIDConnect) -> Bool {
        guard settings.question == nil, other.settings.question == nil else { return false }
        let mine = settings.policy.rules.filter { $0.kind == .audience }
        return parties.all.map(ObjectIdentifier.init) == other.parties.all.map(ObjectIdentifier.init)
            && settings.tokens.audiences == other.settings.tokens.audiences
            && settings.tokens.leeway == other.settings.tokens.leeway
            && settings.tokens.isTyped == other.settings.tokens.isTyped
            && mine == other.settings.policy.rules.filter { $0.kind == .audience }
    }
}
