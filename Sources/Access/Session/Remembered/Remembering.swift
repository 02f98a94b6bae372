// What brings a session back: a copy under a name and a key of its own, in a cookie that outlives the browser.
import Cryptography
import JOSE
import Proxy

/// Keeps beside each session what can bring it back.
///
/// A remembered session has an id for as long as its user is not asked to log in again; the sessions that come of it
/// have a new one each time (security rows S4, V2). Both name the other, so that ending either ends both.
struct Remembering: Sendable {
    /// The cookie: its name, its key, and how long what is remembered lives.
    let cookies: SessionCookies
    /// Where it lies where sessions lie in a store; nil for the cookie alone.
    let store: SessionStore?

    var limits: SessionLimits { cookies.limits }

    /// What is remembered of a session; nil for one of which nothing is.
    ///
    /// - Parameter isRenewable: whether the issuer gives it new tokens. The cookie then carries no access token, and
    ///   nobody comes back whom the issuer has locked out.
    func copy(of session: Session, isRenewable: Bool, at now: Double) -> Session? {
        guard let id = session.counterpart else { return nil }
        var copy = session
        copy.id = id
        copy.counterpart = session.id
        copy.createdAt = session.loggedInAt ?? session.createdAt
        copy.loggedInAt = nil
        copy.renewedAt = now
        copy.usedAt = now
        copy.handle = nil
        copy.rememberedHandle = nil
        if isRenewable, store == nil {
            copy.accessToken = nil
            copy.accessTokenExpires = nil
            copy.accessTokenCame = nil
            copy.isAccessTokenProven = false
        }
        return copy
    }

    /// The session that begins when what is remembered comes back.
    func session(from copy: Session, id: String, at now: Double) -> Session {
        var session = copy
        session.id = id
        session.counterpart = copy.id
        session.loggedInAt = copy.createdAt
        session.createdAt = now
        session.renewedAt = now
        session.usedAt = now
        return session
    }

    /// Whether the cookie should be written anew: once three quarters of the rolling time are over.
    func isDue(_ copy: Session, at now: Double) -> Bool {
        limits.rolling > 0 && now - copy.renewedAt >= limits.rolling * 0.75
    }
}

/// What a request shows of what is remembered.
enum ShownRemembered {
    /// The whole, from a cookie that opens and has not ended.
    case copy(Session)
    /// The key to what lies in the store.
    case handle(SessionHandle)
    /// A cookie that does not open, or has ended, or is there twice.
    case unreadable
}

/// What came of bringing a session back.
enum ReturnOutcome: Sendable {
    case back(Session)
    /// It does not come back: it has ended, or the issuer takes its refresh token no more.
    case over(reason: String)
    /// The issuer cannot be asked now: whether it may come back is not known.
    case unavailable
    /// The store cannot be asked now.
    case down(reason: String)
}
