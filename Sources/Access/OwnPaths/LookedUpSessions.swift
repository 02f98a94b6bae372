// The stored sessions of a request to one of our own paths, looked up before the path answers.
import Gateway

/// What a request's stored sessions are, by instance; noted on its passage.
final class LookedUpSessions: Sendable {
    fileprivate let sessions: [ObjectIdentifier: Session]
    fileprivate let remembered: [ObjectIdentifier: Session]

    fileprivate init(_ sessions: [ObjectIdentifier: Session], remembered: [ObjectIdentifier: Session]) {
        self.sessions = sessions
        self.remembered = remembered
    }

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
        let shown = passage.plan.logins.flatMap { $0.shownHandles(passage) }
        guard !shown.isEmpty else { return try next(passage) }
        return .wait(
            Inquiry {
                var sessions: [ObjectIdentifier: Session] = [:]
                var remembered: [ObjectIdentifier: Session] = [:]
                for one in shown {
                    switch await one.instance.look(one.id, one.store) {
                    case .found(let stored) where one.isRemembered:
                        remembered[ObjectIdentifier(one.instance)] = stored.session
                    case .found(let stored): sessions[ObjectIdentifier(one.instance)] = stored.session
                    case .missing: break
                    case .down(let reason):
                        return { _ throws(Refusal) in throw one.instance.storeUnavailable(reason) }
                    }
                }
                let found = LookedUpSessions(sessions, remembered: remembered)
                return { passage throws(Refusal) in
                    passage.note(found, at: LookedUpSessions.place)
                    return try next(passage)
                }
            }
        )
    }
}

/// A session in a store that a request shows.
private struct ShownSession: Sendable {
    let instance: OpenIDConnect
    let store: SessionStore
    let id: String
    /// Whether it is what would bring a session back.
    let isRemembered: Bool
}

extension OpenIDConnect {
    fileprivate func shownHandles(_ passage: Passage) -> [ShownSession] {
        var shown: [ShownSession] = []
        if let store, let handle = shownHandle(passage) {
            shown.append(ShownSession(instance: self, store: store, id: handle.id, isRemembered: false))
        }
        if let store = remembering?.store, case .handle(let handle) = shownRemembered(passage) {
            shown.append(ShownSession(instance: self, store: store, id: handle.id, isRemembered: true))
        }
        return shown
    }

    /// What a request shows that would bring a session back, unless it was ended; nothing is brought back.
    func presentedRemembered(_ passage: Passage) -> Session? {
        let session: Session? =
            switch shownRemembered(passage) {
            case .copy(let copy): copy
            case .handle:
                (passage.note(at: LookedUpSessions.place) as? LookedUpSessions)?
                    .remembered[ObjectIdentifier(self)]
            case .unreadable, nil: nil
            }
        return session.flatMap { hasEnded($0, at: passage.now) ? nil : $0 }
    }

    /// The stored session that was looked up for a request, unless it was ended since.
    func lookedUpSession(_ passage: Passage) -> Session? {
        guard let found = passage.note(at: LookedUpSessions.place) as? LookedUpSessions,
            let session = found.sessions[ObjectIdentifier(self)],
            !hasEnded(session, at: passage.now)
        else { return nil }
        return session
    }
}
