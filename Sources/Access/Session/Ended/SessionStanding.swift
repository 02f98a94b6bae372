// What a session's life hangs on, besides its own end.
import Cryptography
import Gateway

/// A session as it is looked for among those that were ended: made once, asked at each use.
final class SessionStanding: Standing {
    /// Everything that could have been ended with it.
    let marks: [EndedMark]
    /// When it began, by the issuer's clock.
    let beganAt: Double
    private let ended: EndedSessions

    init(_ session: Session, in ended: EndedSessions) throws(CryptoError) {
        var owners: [SessionOwner] = [
            .session(id: session.id), .subject(issuer: session.issuer, subject: session.subject),
            .issuer(session.issuer), .everyone,
        ]
        if let sid = session.issuerSession { owners.append(.issuerSession(issuer: session.issuer, sid: sid)) }
        if let counterpart = session.counterpart { owners.append(.session(id: counterpart)) }
        var marks: [EndedMark] = []
        for owner in owners { marks.append(try EndedMark(owner)) }
        self.marks = marks
        beganAt = session.beganAt
        self.ended = ended
    }

    /// Whether it was ended: here, by its issuer, or by whoever runs the gateway.
    func hasEnded(at now: Double) -> Bool { ended.contains(self, at: now) }
}
