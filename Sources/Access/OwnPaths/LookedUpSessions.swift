// The stored sessions of a request to one of our own paths, looked up before the path answers.
import Gateway

/// What a request's stored sessions are, by instance; noted on its passage.
final class LookedUpSessions {
    fileprivate let sessions: [ObjectIdentifier: Session]

    fileprivate init(_ sessions: [ObjectIdentifier: Session]) { self.sessions = sessions }

    static var place: ObjectIdentifier { ObjectIdentifier(LookedUpSessions.self) }
}

extension AccessServices {
    /// Goes on to `next` when the stored sessions that the request shows are known; at once where it shows none.
    ///
    /// - Throws: 503 while a store is down: nobody is told that he is signed out who is not (security row V4).
    func knowingSessions(
        _ passage: Passage,
        _ next: @escaping @Sendable (Passage) throws(Refusal) -> Step
    ) throws(Refusal) -> Step {
        let shown = passage.plan.logins.compactMap { instance -> (OpenIDConnect, SessionHandle)? in
            instance.shownHandle(passage).map { (instance, $0) }
        }
        guard !shown.isEmpty else { return try next(passage) }
        return .wait(
            Inquiry {
                var sessions: [ObjectIdentifier: Session] = [:]
                for (instance, handle) in shown {
                    guard let store = instance.store else { continue }
                    switch await instance.look(handle.id, store) {
                    case .found(let stored): sessions[ObjectIdentifier(instance)] = stored.session
                    case .missing: break
                    case .down(let reason):
                        return { _ throws(Refusal) in throw instance.storeUnavailable(reason) }
                    }
                }
                let found = sessions
                return { passage throws(Refusal) in
                    passage.note(LookedUpSessions(found), at: LookedUpSessions.place)
                    return try next(passage)
                }
            }
        )
    }
}

extension OpenIDConnect {
    /// The stored session that was looked up for a request, unless it was ended since.
    func lookedUpSession(_ passage: Passage) -> Session? {
        guard let found = passage.note(at: LookedUpSessions.place) as? LookedUpSessions,
            let session = found.sessions[ObjectIdentifier(self)],
            !hasEnded(session, at: passage.now)
        else { return nil }
        return session
    }
}
