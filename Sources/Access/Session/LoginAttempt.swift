// One login on its way: what the state cookie holds.
import JSON

/// What must be remembered between the way to the issuer and the way back.
package struct LoginAttempt: Sendable, Equatable {
    /// 256 random bits; the name of the attempt (security row A1).
    package var state: String
    /// 256 random bits; comes back in the ID token (A2).
    package var nonce: String
    /// The PKCE verifier, if there is one (A3).
    package var verifier: String?
    /// Where the issuer sends the browser; the same at the token endpoint (A4).
    package var redirectURI: String
    /// Where the user was going (S1).
    package var target: String
    /// Seconds since 1970 at which it began.
    package var startedAt: Double
    /// Which of the logins it is that followed each other within a minute.
    package var round = 1

    /// An attempt.
    package init(
        state: String,
        nonce: String,
        verifier: String?,
        redirectURI: String,
        target: String,
        startedAt: Double
    ) {
        self.state = state
        self.nonce = nonce
        self.verifier = verifier
        self.redirectURI = redirectURI
        self.target = target
        self.startedAt = startedAt
    }

    /// The attempt as octets.
    package func serialized() -> [UInt8] {
        var members: [String: JSONValue] = [
            "s": .string(state), "n": .string(nonce), "u": .string(redirectURI), "t": .string(target),
            "a": .number(startedAt),
        ]
        if let verifier { members["p"] = .string(verifier) }
        if round != 1 { members["r"] = .integer(Int64(round)) }
        return JSONValue.object(members).serialized()
    }

    /// The attempt in octets that `serialized` gave.
    package init?(serialized octets: [UInt8]) {
        guard let json = try? JSONValue(parsing: octets), let state = json["s"]?.string,
            let nonce = json["n"]?.string, let redirectURI = json["u"]?.string,
            let target = json["t"]?.string,
            let startedAt = json["a"]?.number
        else { return nil }
        self.init(
            state: state,
            nonce: nonce,
            verifier: json["p"]?.string,
            redirectURI: redirectURI,
            target: target,
            startedAt: startedAt
        )
        round = json["r"]?.integer.map { Int($0) } ?? 1
    }
}
