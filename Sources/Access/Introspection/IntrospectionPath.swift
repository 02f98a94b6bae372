// Own paths: services ask whether a token is good.
import Cryptography
import Gateway
import JSON
import Proxy

/// Answers `introspect` and `introspect/batch` (RFC 7662, RFC 9701), for consumers of one group.
struct IntrospectionPath: Sendable {
    let services: AccessServices

    /// The longest form, in octets: a token of the greatest size, each octet escaped.
    static let maximumFormBytes = 64 << 10
    /// The longest batch, in octets and tokens.
    static let maximumBatchBytes = 1 << 20
    static let maximumTokens = 100
    /// Tokens of one batch that are asked about at a time, so that one service leaves room for others.
    private static let atATime = 8

    /// Both paths, for the pipeline.
    static func all(_ services: AccessServices) -> [OwnPath] {
        let path = IntrospectionPath(services: services)
        return [
            OwnPath(path: "\(services.authPrefix)/introspect", methods: [.post]) { passage throws(Refusal) in
                try path.single(passage)
            },
            OwnPath(path: "\(services.authPrefix)/introspect/batch", methods: [.post]) {
                passage throws(Refusal) in
                try path.batch(passage)
            },
        ]
    }

    // MARK: One token

    private func single(_ passage: Passage) throws(Refusal) -> Step {
        let caller = try caller(passage)
        try require("application/x-www-form-urlencoded", passage)
        return .read(
            Reading(upTo: Self.maximumFormBytes) { passage, read throws(Refusal) in
                guard let form = QueryArguments(try Self.whole(read)) else {
                    throw .malformed(.init("malformed-body", message: "The body is not a form"))
                }
                let inquiry = try TokenInquiry(form: form)
                return try judge([inquiry], passage) { passage, found throws(Refusal) in
                    try tell(found[0], caller, passage)
                }
            }
        )
    }

    private func tell(_ testimony: Testimony, _ caller: String, _ passage: Passage) throws(Refusal) -> Step {
        note([testimony], "single", passage)
        if case .unavailable(let reason, let detail) = testimony {
            let message = "The identity provider is unavailable"
            throw .unavailable(retryAfterSeconds: 5, .init(reason, message: message, detail: detail))
        }
        let members = IntrospectionAnswer.members(testimony)
        guard IntrospectionAnswer.isSignedWanted(passage.request) else {
            return .answer(IntrospectionAnswer.answer(members.serialized()))
        }
        do throws(CryptoError) {
            let text = try services.signing.sign(
                [
                    "aud": .string(caller), "iat": .integer(Int64(passage.now.rounded(.down))),
                    "token_introspection": members,
                ],
                type: "token-introspection+jwt",
                at: passage.now
            )
            passage.worker.metrics.count(MetricKey("gatehouse_signatures_total", ["kind": "introspection"]))
            return .answer(
                IntrospectionAnswer.answer(Array(text.utf8), type: IntrospectionAnswer.signedType)
            )
        } catch {
            throw .failed(.init("internal-error"))
        }
    }

    // MARK: A batch

    private func batch(_ passage: Passage) throws(Refusal) -> Step {
        _ = try caller(passage)
        try require("application/json", passage)
        return .read(
            Reading(upTo: Self.maximumBatchBytes) { passage, read throws(Refusal) in
                let octets = try Self.whole(read)
                guard let entries = (try? JSONValue(parsing: octets))?.array else {
                    throw .malformed(.init("malformed-body", message: "The body is not a JSON array"))
                }
                guard entries.count <= Self.maximumTokens else {
                    let message = "A batch has at most \(Self.maximumTokens) tokens"
                    throw .chosen(
                        status: 413,
                        retryAfterSeconds: nil,
                        .init("too-many-tokens", message: message)
                    )
                }
                return try judge(entries.map { TokenInquiry(entry: $0) }, passage) { passage, found in
                    note(found, "batch", passage)
                    let members = JSONValue.array(found.map(IntrospectionAnswer.members))
                    return .answer(IntrospectionAnswer.answer(members.serialized()))
                }
            }
        )
    }

    // MARK: What both have in common

    /// Who asks, by the name that signed answers are for.
    private func caller(_ passage: Passage) throws(Refusal) -> String {
        guard let group = services.introspectionGroup else {
            throw .notFound(.init("introspection-off", message: "no Route matched with those values"))
        }
        let consumer = try IntrospectionCaller.consumer(passage, group: group)
        passage.identity = Identity(subject: consumer.title, consumer: consumer, method: "introspection")
        return consumer.title
    }

    private func require(_ type: String, _ passage: Passage) throws(Refusal) {
        let values = passage.request.fields.strings(of: .contentType)
        let given = values.first?.lowercased().split(separator: ";").first?.filter { $0 != " " && $0 != "\t" }
        guard values.count == 1, given == type else {
            let cause = Refusal.Cause("unsupported-media-type", message: "Expected \(type)")
            throw .chosen(status: 415, retryAfterSeconds: nil, cause)
        }
    }

    private static func whole(_ read: BodyRead) throws(Refusal) -> [UInt8] {
        switch read {
        case .whole(let octets): return octets
        case .tooLarge:
            throw .chosen(
                status: 413,
                retryAfterSeconds: nil,
                .init("body-too-large", message: "Payload too large")
            )
        }
    }

    /// Judges tokens, in their order: from this worker's memory, or off the loop.
    private func judge(
        _ inquiries: [TokenInquiry?],
        _ passage: Passage,
        then: @escaping @Sendable (Passage, [Testimony]) throws(Refusal) -> Step
    ) throws(Refusal) -> Step {
        let all = passage.plan.tokenJudges
        let memory = services.proven(passage.worker)
        let known = inquiries.map { remembered($0, all, memory, at: passage.now) }
        if !known.contains(where: { $0 == nil }) { return try then(passage, known.compactMap { $0 }) }
        let now = passage.now
        return .wait(
            Inquiry {
                let found = await self.found(inquiries, known, all, at: now)
                return { passage throws(Refusal) in
                    self.remember(found, inquiries, passage)
                    return try then(passage, found)
                }
            }
        )
    }

    private func remembered(
        _ inquiry: TokenInquiry?,
        _ all: [OpenIDConnect],
        _ memory: ProvenCache<ProvenCredential>,
        at now: Double
    ) -> Testimony? {
        guard let inquiry else { return .inactive(reason: "malformed", detail: "an entry names no token") }
        do throws(TokenInquiry.Inactive) {
            for judge in try inquiry.judges(among: all) {
                if let known = judge.remembered(inquiry.token, memory, at: now), case .active = known {
                    return inquiry.narrowed(known)
                }
            }
            return nil
        } catch {
            return .inactive(reason: error.reason, detail: error.detail)
        }
    }

    /// What is not known yet, a few at a time.
    private func found(
        _ inquiries: [TokenInquiry?],
        _ known: [Testimony?],
        _ all: [OpenIDConnect],
        at now: Double
    ) async -> [Testimony] {
        var found = known
        let open = known.indices.filter { known[$0] == nil }
        await withTaskGroup(of: (Int, Testimony).self) { group in
            for (count, place) in open.enumerated() {
                if count >= Self.atATime, let (done, testimony) = await group.next() {
                    found[done] = testimony
                }
                guard let inquiry = inquiries[place] else { continue }
                group.addTask { (place, await inquiry.testimony(among: all, at: now)) }
            }
            for await (place, testimony) in group { found[place] = testimony }
        }
        return found.map { $0 ?? .inactive(reason: "malformed", detail: "an entry names no token") }
    }

    private func remember(_ found: [Testimony], _ inquiries: [TokenInquiry?], _ passage: Passage) {
        let memory = services.proven(passage.worker)
        for case (.active(let proven, let judge, isKept: true), let inquiry?) in zip(found, inquiries) {
            judge.remember(proven, inquiry.token, memory)
        }
    }

    /// Counts the answers, and tells the log why tokens are not active.
    private func note(_ found: [Testimony], _ form: String, _ passage: Passage) {
        var reasons: [(reason: String, detail: String)] = []
        for testimony in found {
            var outcome = "active"
            switch testimony {
            case .active: break
            case .inactive(let reason, let detail):
                outcome = "inactive"
                reasons.append((reason, detail))
            case .unavailable(let reason, let detail):
                outcome = "unavailable"
                reasons.append((reason, detail))
            }
            let labels: KeyValuePairs = ["form": form, "outcome": outcome]
            passage.worker.metrics.count(MetricKey("gatehouse_introspections_total", labels))
        }
        guard let first = reasons.first else { return }
        passage.reason = first.reason
        let words = reasons.map(\.reason).joined(separator: " ")
        passage.detail = found.count == 1 ? first.detail : "\(reasons.count) of \(found.count): \(words)"
    }
}

extension TokenInquiry {
    /// What the first judge says that finds the token good, or else why none does.
    func testimony(among all: [OpenIDConnect], at now: Double) async -> Testimony {
        do throws(Inactive) {
            var worst: Testimony?
            for judge in try judges(among: all) {
                let testimony = await judge.testimony(on: token, at: now)
                switch testimony {
                case .active: return narrowed(testimony)
                // Nobody is called bad while one could not be asked.
                case .unavailable: worst = testimony
                case .inactive: worst = worst ?? testimony
                }
            }
            return worst ?? .inactive(reason: "wrong-issuer", detail: "nobody judges the token")
        } catch {
            return .inactive(reason: error.reason, detail: error.detail)
        }
    }

    /// A good token that is not for whom the service names is not good for it (RFC 7662 §4).
    func narrowed(_ testimony: Testimony) -> Testimony {
        guard !audiences.isEmpty, case .active(let proven, _, _) = testimony else { return testimony }
        let claim = proven.sources.claim(at: ["aud"])?.value
        let named = claim.map { $0.string.map { [$0] } ?? $0.strings ?? [] } ?? []
        let isForAll = audiences.allSatisfy { wanted in named.contains { $0.isIdentical(toUTF8Of: wanted) } }
        return isForAll
            ? testimony
            : .inactive(reason: "wrong-audience", detail: "the token is not for whom the service names")
    }
}
