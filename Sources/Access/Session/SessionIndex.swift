// Whose sessions end before their time, and how every node hears of it.
package import Cryptography

/// Whose sessions are meant.
package enum SessionOwner: Sendable, Hashable {
    /// All of a user: `iss` and `sub`, which are a user together alone (security row V14).
    case subject(issuer: String, subject: String)
    /// All that one session at the issuer has led to: `iss` and `sid` (Back-Channel Logout 1.0 §2.1).
    case issuerSession(issuer: String, sid: String)
    /// One session of ours, by `Session.id`.
    case session(id: String)
    /// All that an issuer has let in.
    case issuer(String)
    /// All there are.
    case everyone

    /// The owner's name in stores and logs of endings: SHA-256 of its parts, so that nobody is named there.
    package func key() throws(CryptoError) -> OwnerKey {
        let parts: [String]
        switch self {
        case .subject(let issuer, let subject): parts = ["sub", issuer, subject]
        case .issuerSession(let issuer, let sid): parts = ["sid", issuer, sid]
        case .session(let id): parts = ["session", id]
        case .issuer(let issuer): parts = ["issuer", issuer]
        case .everyone: parts = ["everyone"]
        }
        return OwnerKey(text: Hexadecimal.encode(try Digest.sha256.hash(utf8: SealedCookie.tuple(parts))))
    }
}

/// A session's owner under its hash: 64 hexadecimal digits.
package struct OwnerKey: Sendable, Hashable {
    /// The digits.
    package let text: String

    /// Names an owner by its digits.
    package init(text: String) { self.text = text }
}

/// The end of somebody's sessions, as all nodes have to know it.
package struct SessionEnding: Sendable, Hashable {
    /// Whose.
    package var owner: OwnerKey
    /// Sessions that began at this time or before are ended, in seconds since 1970; later ones are none of it (S7).
    package var before: Double
    /// Seconds since 1970 at which no session of that time can be alive any more.
    package var until: Double

    /// Describes an ending.
    package init(owner: OwnerKey, before: Double, until: Double) {
        self.owner = owner
        self.before = before
        self.until = until
    }
}

/// A session in a store, as a list shows it; no token, no cookie.
package struct ListedSession: Sendable, Hashable {
    /// `Session.id`.
    package var id: String
    /// The issuer.
    package var issuer: String
    /// The user's `sub` there.
    package var subject: String
    /// Seconds since 1970 at the login.
    package var createdAt: Double
}

/// Why a store did not do what it was asked to.
///
/// It cannot be asked now, and whether it has done it is not known.
package struct StoreUnavailable: Error, Sendable, Equatable {
    /// A word for the log.
    package let reason: String

    /// Says why.
    package init(_ reason: String) { self.reason = reason }
}

/// The sessions of a store, by whose they are; none where sessions live in cookies alone.
package protocol SessionIndex: Sendable {
    /// The sessions of an owner that are alive.
    func sessions(of owner: SessionOwner) async throws(StoreUnavailable) -> [ListedSession]
    /// Ends every session of an owner that began by then, for all nodes; how many there were.
    ///
    /// Other nodes notice within `SessionStore.memorySeconds`.
    func end(_ ending: SessionEnding) async throws(StoreUnavailable) -> Int
}

/// What was ended, for nodes whose sessions live in cookies: kept in the shared store until it no longer matters.
package protocol EndingLog: Sendable {
    /// Writes an ending down for all nodes.
    func note(_ ending: SessionEnding) async throws(StoreUnavailable)
    /// What was written down after `place`, oldest first, and the place to go on from; nil begins at the beginning.
    func endings(
        after place: String?
    ) async throws(StoreUnavailable) -> (endings: [SessionEnding], place: String?)
}
