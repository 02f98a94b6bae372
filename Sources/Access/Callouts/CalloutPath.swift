// An own path at which another gateway asks: may this request pass?
import Gateway
import Proxy

/// Answers one door: the same routes and plugins as for the proxy's own clients, nothing forwarded.
struct CalloutPath: Sendable {
    let door: CalloutDoor
    let services: AccessServices
    /// Says the verdict where nothing narrows it.
    private let deliver: @Sendable (Passage, Verdict) -> Answer

    init(door: CalloutDoor, services: AccessServices) {
        (self.door, self.services) = (door, services)
        deliver = Self.delivery(door, .none, services.authPrefix)
    }

    private static func delivery(
        _ door: CalloutDoor,
        _ narrowing: CalloutNarrowing,
        _ prefix: String
    ) -> @Sendable (Passage, Verdict) -> Answer {
        { passage, verdict in
            door.answer(CalloutVerdict(verdict, passage, narrowing, authPrefix: prefix))
        }
    }

    /// The path for the pipeline; every method may be asked about.
    var own: OwnPath {
        var isPrefix = false
        if case .itself = door.telling { isPrefix = true }
        return OwnPath(
            path: door.path,
            methods: [.get, .head, .post, .put, .delete, .patch, .options, .other],
            isPrefix: isPrefix
        ) { passage throws(Refusal) in try self.serve(passage) }
    }

    /// Turns to the request that the gateway asks about.
    func serve(_ passage: Passage) throws(Refusal) -> Step {
        guard passage.client.isTrustedPeer else { throw Self.untrusted(passage.client) }
        let original = try OriginalRequest(
            passage,
            door.telling,
            from: services.originalRequestFields,
            limits: services.limits
        )
        let narrowing = try narrowing(passage, original.head)
        let deliver =
            narrowing.isNone ? deliver : Self.delivery(door, narrowing, services.authPrefix)
        return .callout(Callout(original: original.head, client: original.client, deliver: deliver))
    }

    /// Nobody asks who is not listed (security row P1).
    static func untrusted(_ client: ClientFacts) -> Refusal {
        .forbidden(
            .init(
                "untrusted-callout",
                detail: "\(client.peer) may not ask; set trusted_ips if it is your gateway"
            )
        )
    }

    /// What the callout's own query narrows; where the query is the original's there is nothing to read.
    private func narrowing(
        _ passage: Passage,
        _ original: RequestHead
    ) throws(Refusal) -> CalloutNarrowing {
        guard case .fields = door.telling else { return .none }
        let query = passage.request.query ?? []
        let isOriginals = door.leavesQueryOn && original.query?.elementsEqual(query) ?? false
        guard let arguments = QueryArguments(query) else {
            if isOriginals { return .none }
            throw .forbidden(.init("unknown-parameter"))
        }
        // A rule that is known narrows all the same: the query might be the operator's own.
        guard let narrowing = CalloutNarrowing(arguments, passingOverOthers: isOriginals) else {
            throw .forbidden(.init("unknown-parameter"))
        }
        return narrowing
    }
}
