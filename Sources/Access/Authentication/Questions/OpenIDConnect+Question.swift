// The openid-connect plugin: tokens that their issuer is asked about.
import Cryptography
import Gateway
import JSON
import OIDC
import Proxy

/// What came of asking.
enum QuestionOutcome: Sendable {
    case answered(KeptAnswer)
    /// Nobody could tell: the token is not let in, and not called bad either.
    case unavailable(reason: String, detail: String)
}

/// One question about one token.
struct IssuerQuestion: Sendable {
    let choice: QuestionChoice
    let token: String
    let terms: IntrospectionTerms
    /// What keys proved of it before.
    let besides: CredentialFacts?
    /// A keyed hash of all that is asked.
    let key: [UInt8]
}

extension OpenIDConnect {
    /// Proves a token that was shown: by the issuer's keys, or by asking the issuer.
    func prove(_ token: [UInt8], _ passage: Passage) throws(Refusal) -> Step {
        guard let choice = settings.question,
            !settings.methods.contains(.bearer) || !BearerForm.isJWT(token)
        else { return try verify(token, passage, mayAsk: true) }
        return try ask(choice, about: token, besides: nil, passage)
    }

    /// Asks the issuer about a token, unless its answer is still known.
    ///
    /// - Parameter besides: what keys proved of the token; both must let it pass.
    func ask(
        _ choice: QuestionChoice,
        about token: [UInt8],
        besides facts: CredentialFacts?,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        guard token.count <= BearerForm.maximumBytes else { throw badCredential("too-large") }
        guard BearerForm.isToken(token), let party = parties.client else {
            throw badCredential("malformed", detail: "the token is none of RFC 6750 §2.1")
        }
        // We are a client of one issuer; the others' tokens are none of its business.
        guard facts.map({ $0.issuer == parties.issuer.settings.issuer }) ?? true else {
            throw badCredential("wrong-issuer", detail: "the token's issuer is not the one that can be asked")
        }
        let terms = choice.terms(for: passage.request)
        let question = try question(choice, terms, String(decoding: token, as: UTF8.self), facts)
        if choice.keepsAnswers, let kept = services.state.answers.answer(question.key, at: passage.now) {
            count(choice, Self.word(kept.answer, isKept: true), passage)
            return try decide(kept, question, passage)
        }
        guard passage.door != .explanation else {
            throw .unavailable(retryAfterSeconds: 5, settings.cause("needs-issuer"))
        }
        return .wait(
            Inquiry { [self] in
                let outcome = await services.state.questions.run(
                    question.key,
                    clock: services.clock,
                    keep: { _ in 0 }
                ) { [self] in await inquire(question, party) }
                return { passage throws(Refusal) in try self.resume(after: outcome, question, passage) }
            }
        )
    }

    /// Everything that an answer depends on is part of the key (security row H4), and how long it may be kept; the
    /// rules of a route are not, so that routes share answers.
    func question(
        _ choice: QuestionChoice,
        _ terms: IntrospectionTerms,
        _ token: String,
        _ facts: CredentialFacts?
    ) throws(Refusal) -> IssuerQuestion {
        let who = [
            choice.method.rawValue, settings.issuer.url, settings.issuer.introspectionEndpoint ?? "",
            settings.issuer.userInfoEndpoint ?? "", settings.client?.id ?? "",
        ]
        let form = [terms.form.rawValue, terms.hint ?? "", terms.tokenParameter]
        let times = [choice.seconds, choice.refusalSeconds, settings.tokens.leeway].map { String($0) }
        let info = settings.userInfoTerms
        let lists = [
            terms.audiences, terms.fields.words, terms.parameters.words, info.fields.words,
            info.arguments.words, [String(info.isSigned)], times,
        ].map(SealedCookie.tuple)
        do throws(CryptoError) {
            let key = try services.state.grants.key(for: who + form + lists + ["question", token])
            return IssuerQuestion(choice: choice, token: token, terms: terms, besides: facts, key: key)
        } catch {
            throw .failed(settings.cause("internal-error"))
        }
    }

    /// Asks the issuer, once there is a place.
    func inquire(_ question: IssuerQuestion, _ party: RelyingParty) async -> QuestionOutcome {
        do throws(OIDCError) {
            let information = try await parties.issuer.questions.ask { () async throws(OIDCError) in
                guard question.choice.method == .userinfo else {
                    return try await party.introspect(question.token, question.terms)
                }
                return try await party.information(of: question.token)
            }
            guard question.choice.method == .userinfo || information.isActive else {
                return keep(.refused(reason: "inactive-token", detail: Self.inactive), question)
            }
            return keep(.known(information), question)
        } catch {
            guard error.isUnavailable else {
                return keep(.refused(reason: error.reason, detail: error.detail), question)
            }
            return .unavailable(reason: error.reason, detail: error.detail)
        }
    }

    private static var inactive: String { "the issuer says that the token is not active" }

    private func keep(_ answer: IssuerAnswer, _ question: IssuerQuestion) -> QuestionOutcome {
        let now = services.clock()
        var until = now + question.choice.refusalSeconds
        if case .known(let information) = answer {
            until = now + question.choice.seconds
            if let end = information.members["exp"]?.number {
                until = min(until, end + settings.tokens.leeway)
            }
        }
        let kept = KeptAnswer(answer: answer, until: until)
        if question.choice.keepsAnswers { services.state.answers.keep(kept, question.key) }
        return .answered(kept)
    }

    private func resume(
        after outcome: QuestionOutcome,
        _ question: IssuerQuestion,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        switch outcome {
        case .answered(let kept):
            count(question.choice, Self.word(kept.answer, isKept: false), passage)
            return try decide(kept, question, passage)
        case .unavailable(let reason, let detail):
            count(question.choice, reason == "issuer-busy" ? "busy" : "unavailable", passage)
            throw issuerUnavailable(reason, detail: detail)
        }
    }

    // MARK: The verdict

    private func decide(
        _ kept: KeptAnswer,
        _ question: IssuerQuestion,
        _ passage: Passage
    ) throws(Refusal) -> Step {
        switch kept.answer {
        case .refused(let reason, let detail): throw badCredential(reason, detail: detail)
        case .known(let information):
            let facts = try facts(information, question, until: kept.until, at: passage.now)
            let proven = settings.proven(facts, consumers: consumers)
            if question.choice.keepsAnswers, !question.choice.dependsOnClient {
                services.proven(passage.worker).keep(
                    proven,
                    for: Array(question.token.utf8).span,
                    asker: number &* 4,
                    holding: proven.approximateBytes
                )
            }
            return try admit(proven, passage)
        }
    }

    /// What an answer proves, once every rule on it is met.
    func facts(
        _ information: TokenInformation,
        _ question: IssuerQuestion,
        until: Double,
        at now: Double
    ) throws(Refusal) -> CredentialFacts {
        let members = information.members
        let isUserInfo = question.choice.method == .userinfo
        if !isUserInfo {
            let one = IntrospectionRules.Case(
                members,
                issuer: parties.issuer.settings.issuer,
                audiences: settings.tokens.audiences,
                leeway: settings.tokens.leeway,
                at: now
            )
            do throws(InformationFailure) { try IntrospectionRules.check(one) } catch {
                throw badCredential(error.reason, detail: "\(error.detail) (\(error.rule))")
            }
        }
        let subject = members["sub"]?.string
        if let known = question.besides?.subject, let subject, !known.isIdentical(toUTF8Of: subject) {
            throw badCredential("subject-mismatch", detail: "the issuer names another user than the token")
        }
        let source = ClaimSource(isUserInfo ? "userinfo" : "introspection", members)
        let others = question.besides?.sources.sources ?? []
        let ends = members["exp"]?.number.map { $0 + settings.tokens.leeway } ?? now + settings.cache.seconds
        var facts = CredentialFacts(
            method: question.choice.method,
            issuer: parties.issuer.settings.issuer,
            subject: subject ?? question.besides?.subject ?? members["client_id"]?.string,
            sources: ClaimSources([source] + others),
            accessToken: question.token,
            expires: min(ends, question.besides?.expires ?? .infinity),
            keysVersion: question.besides?.keysVersion ?? ProvenCredential.withoutKeys
        )
        facts.keptUntil = min(until, facts.expires)
        facts.userInfo = isUserInfo ? members : nil
        facts.introspection = isUserInfo ? nil : information
        return facts
    }

    // MARK: Counts

    private static func word(_ answer: IssuerAnswer, isKept: Bool) -> String {
        switch answer {
        case .known: isKept ? "kept" : "active"
        case .refused: isKept ? "kept-refusal" : "refused"
        }
    }

    private func count(_ choice: QuestionChoice, _ outcome: String, _ passage: Passage) {
        let labels: KeyValuePairs = ["method": choice.method.rawValue, "outcome": outcome]
        passage.worker.metrics.count(MetricKey("gatehouse_token_questions_total", labels))
    }
}

extension [IssuerSettings.Field] {
    fileprivate var words: [String] { flatMap { [$0.name, $0.value] } }
}
