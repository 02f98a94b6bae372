// Whose sessions an operator wants to end, as it travels over the control socket.
import Access
import JSON

/// A user's sessions, those of a session at the issuer, of an issuer, or all.
struct EndingWish: Sendable, Equatable {
    /// Nil for everybody's.
    var issuer: String?
    var subject: String?
    var sid: String?

    /// One line of JSON.
    var json: JSONValue {
        let members = [("issuer", self.issuer), ("subject", self.subject), ("sid", self.sid)]
        return .object(
            Dictionary(
                uniqueKeysWithValues: members.compactMap { name, value in value.map { (name, .string($0)) } }
            )
        )
    }

    init(issuer: String?, subject: String? = nil, sid: String? = nil) {
        self.issuer = issuer
        self.subject = subject
        self.sid = sid
    }

    /// Reads what `json` wrote; nil for anything else.
    init?(_ json: JSONValue) {
        guard let members = json.object, members.values.allSatisfy({ $0.string != nil }),
            Set(members.keys).isSubset(of: ["issuer", "subject", "sid"])
        else { return nil }
        self.init(
            issuer: json["issuer"]?.string,
            subject: json["subject"]?.string,
            sid: json["sid"]?.string
        )
        guard self.issuer != nil || (self.subject == nil && self.sid == nil) else { return nil }
    }

    /// Whose sessions are meant.
    var owner: SessionOwner {
        guard let issuer = self.issuer else { return .everyone }
        if let sid = self.sid { return .issuerSession(issuer: issuer, sid: sid) }
        if let subject = self.subject { return .subject(issuer: issuer, subject: subject) }
        return .issuer(issuer)
    }
}

extension AccessServices {
    /// Ends the sessions that are meant; whether all who have to know it do.
    ///
    /// The issuer's clock, which sessions are counted by, may be a little ahead of ours.
    func end(_ wish: EndingWish, at now: Double) async throws -> Bool {
        try self.endedSessions.end(wish.owner, of: wish.issuer, beganBy: now + 1, at: now)
        return await self.endedSessions.settled()
    }
}
