// A session: who logged in, when, and the tokens that came with it.
package import JSON

/// What a session cookie holds.
package struct Session: Sendable, Equatable {
    /// 128 random bits, base64url; new at each login (security rows S4, V1).
    package var id: String
    /// Seconds since 1970 at the login.
    package var createdAt: Double
    /// Seconds since 1970 at which it was last renewed.
    package var renewedAt: Double
    /// Seconds since 1970 at which it was last used, as far as the cookie tells.
    package var usedAt: Double
    /// The issuer.
    package var issuer: String
    /// The user's `sub` at that issuer.
    package var subject: String
    /// The `sid` of the first ID token: the session at the issuer, if it names it (Front-Channel Logout §3).
    package var issuerSession: String?
    /// When it began by the issuer's clock: `iat` of the first ID token, which logouts are compared with.
    package var beganAt: Double
    /// The access token.
    package var accessToken: String?
    /// Seconds since 1970 at which the access token ends.
    package var accessTokenExpires: Double?
    /// Seconds since 1970 at which the access token came.
    package var accessTokenCame: Double?
    /// Whether the access token is a JWT of the issuer that verified when it came: its claims then decide.
    package var isAccessTokenProven = false
    /// The refresh token.
    package var refreshToken: String?
    /// The ID token as it came; it verified then.
    package var idToken: String?
    /// The `scope` of the token response.
    package var scope: String?
    /// What the userinfo endpoint said, where it was asked.
    package var userInfo: JSONValue?
    /// What the browser is given to find it again, where it lies in a store; not part of what is kept.
    package var handle: [UInt8]?
    /// A hash of the facts of the client that it is bound to; nil where it is bound to none.
    package var binding: String?
    /// The id of what is remembered beside it, and would bring it back; there, the id of the session (`Remembering`).
    package var counterpart: String?
    /// Seconds since 1970 at the login, for a session that was brought back since.
    package var loggedInAt: Double?
    /// What the browser is given to have it brought back from a store; not part of what is kept.
    package var rememberedHandle: [UInt8]?

    /// A session that begins now.
    package init(id: String, at now: Double, issuer: String, subject: String) {
        self.id = id
        createdAt = now
        renewedAt = now
        usedAt = now
        self.issuer = issuer
        self.subject = subject
        beganAt = now
    }

    /// The session as octets.
    package func serialized() -> [UInt8] {
        var members: [String: JSONValue] = [
            "v": 1, "id": .string(id), "c": .number(createdAt), "r": .number(renewedAt), "u": .number(usedAt),
            "iss": .string(issuer), "sub": .string(subject),
        ]
        if let issuerSession { members["sd"] = .string(issuerSession) }
        members["ia"] = .number(beganAt)
        if let accessToken { members["at"] = .string(accessToken) }
        if let accessTokenExpires { members["ax"] = .number(accessTokenExpires) }
        if let accessTokenCame { members["ac"] = .number(accessTokenCame) }
        if isAccessTokenProven { members["ap"] = true }
        if let refreshToken { members["rt"] = .string(refreshToken) }
        if let idToken { members["it"] = .string(idToken) }
        if let scope { members["sc"] = .string(scope) }
        if let userInfo { members["ui"] = userInfo }
        if let binding { members["b"] = .string(binding) }
        if let counterpart { members["cp"] = .string(counterpart) }
        if let loggedInAt { members["li"] = .number(loggedInAt) }
        return JSONValue.object(members).serialized()
    }

    /// The session in octets that `serialized` gave; nil for anything else.
    package init?(serialized octets: [UInt8]) {
        guard let json = try? JSONValue(parsing: octets), json["v"] == 1, let id = json["id"]?.string,
            let createdAt = json["c"]?.number, let renewedAt = json["r"]?.number,
            let usedAt = json["u"]?.number, let issuer = json["iss"]?.string,
            let subject = json["sub"]?.string
        else { return nil }
        self.init(id: id, at: createdAt, issuer: issuer, subject: subject)
        self.renewedAt = renewedAt
        self.usedAt = usedAt
        issuerSession = json["sd"]?.string
        beganAt = json["ia"]?.number ?? createdAt
        accessToken = json["at"]?.string
        accessTokenExpires = json["ax"]?.number
        accessTokenCame = json["ac"]?.number
        isAccessTokenProven = json["ap"]?.bool ?? false
        refreshToken = json["rt"]?.string
        idToken = json["it"]?.string
        scope = json["sc"]?.string
        userInfo = json["ui"]
        // Sessions of 0.2 have what it takes in their ID token alone.
        if json["ia"] == nil { issuerSession = idToken.flatMap(OpenIDConnect.payload)?["sid"]?.string }
        binding = json["b"]?.string
        counterpart = json["cp"]?.string
        loggedInAt = json["li"]?.number
    }
}

/// How long sessions live.
package struct SessionLimits: Sendable, Equatable {
    /// Seconds a session may lie unused; 0 is no limit.
    package var idling = 900.0
    /// Seconds until a session must have been renewed; 0 is no limit.
    package var rolling = 3600.0
    /// Seconds a session may live; 0 is no limit.
    package var absolute = 86_400.0
    /// Seconds from its user's login on that a session may live which was brought back since; 0 is no limit.
    package var sinceLogin = 0.0

    /// When the cookie, as it stands, ends.
    package func end(of session: Session) -> Double {
        min(lastingEnd(of: session), idling > 0 ? session.usedAt + idling : .infinity)
    }

    /// When the session ends however often it is used, unless it is renewed.
    package func lastingEnd(of session: Session) -> Double {
        let end = min(absoluteEnd(of: session), rolling > 0 ? session.renewedAt + rolling : .infinity)
        // A cookie that never ends would be a key that is never changed: a year is the bound.
        return min(end, session.renewedAt + 31_536_000)
    }

    /// When the session ends whatever is done with it; infinite for never.
    package func absoluteEnd(of session: Session) -> Double {
        let end = absolute > 0 ? session.createdAt + absolute : .infinity
        guard sinceLogin > 0, let login = session.loggedInAt else { return end }
        return min(end, login + sinceLogin)
    }

    /// Seconds that a store keeps the session from now on, if nobody uses it.
    package func storedSeconds(_ session: Session, at now: Double) -> Double {
        min(lastingEnd(of: session) - now, idling > 0 ? idling : .infinity)
    }

    /// How long any session may live, renewed as often as may be.
    package var longestLife: Double { absolute > 0 ? min(absolute, 31_536_000) : 31_536_000 }

    /// How long any cookie that was written by now can still be good.
    package var longestSeconds: Double {
        min([idling, rolling, absolute].filter { $0 > 0 }.min() ?? .infinity, 31_536_000)
    }

    /// Whether the session may be used.
    ///
    /// A session from the future is none: the clock has gone back.
    package func isAlive(_ session: Session, at now: Double) -> Bool {
        now < end(of: session) && session.createdAt <= now + 60
    }

    /// Whether the cookie should be written anew: a minute, or a tenth of the idle time, after it was written;
    /// or once three quarters of the rolling time are over.
    package func needsRenewal(_ session: Session, at now: Double) -> Bool {
        if idling > 0, now - session.usedAt >= min(60, idling / 10) { return true }
        return rolling > 0 && now - session.renewedAt >= rolling * 0.75
    }

    /// The session as it goes into a new cookie.
    package func renewed(_ session: Session, at now: Double) -> Session {
        var session = session
        session.usedAt = now
        if rolling <= 0 || now - session.renewedAt >= rolling * 0.75 { session.renewedAt = now }
        return session
    }
}

extension Session {
    /// When the access token is asked to be renewed, while it is still good: a fifth of its life before its end, a
    /// minute at the most; nil where it does not end.
    package var renewalIsDueAt: Double? {
        guard let ends = accessTokenExpires else { return nil }
        guard let came = accessTokenCame, ends > came else { return ends }
        return ends - min(60, (ends - came) / 5)
    }
}
