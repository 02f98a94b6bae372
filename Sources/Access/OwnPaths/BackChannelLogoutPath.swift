// The own path by which issuers tell that somebody has logged out there (OIDC Back-Channel Logout 1.0).
import Gateway
import JOSE
import JSON
import OIDC
import Proxy

/// Answers `backchannel-logout`: the issuer calls, not the browser, and proves itself by what it signs.
struct BackChannelLogoutPath: Sendable {
    let services: AccessServices

    /// Octets of the form; a token may have 16 KiB.
    private static let maximumBytes = 32 << 10

    var own: OwnPath {
        OwnPath(path: "\(services.authPrefix)/backchannel-logout", methods: [.post]) {
            passage throws(Refusal) in
            serve(passage)
        }
    }

    private func serve(_ passage: Passage) -> Step {
        guard Self.isForm(passage.request) else {
            return Self.refuse(passage, "malformed", "the body is no application/x-www-form-urlencoded")
        }
        return .read(
            Reading(upTo: Self.maximumBytes) { passage, read throws(Refusal) in
                guard case .whole(let octets) = read else {
                    return Self.refuse(
                        passage,
                        "too-large",
                        "the form is longer than \(Self.maximumBytes) octets"
                    )
                }
                return self.take(octets, passage)
            }
        )
    }

    private static func isForm(_ request: RequestHead) -> Bool {
        guard request.count(of: .contentType) == 1, let type = request.string(of: .contentType) else {
            return false
        }
        let name = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return name == "application/x-www-form-urlencoded"
    }

    /// Finds whom the token is for, and lets that instance judge it.
    private func take(_ octets: [UInt8], _ passage: Passage) -> Step {
        guard let arguments = QueryArguments(octets) else {
            return Self.refuse(passage, "malformed", "the form cannot be read")
        }
        guard !arguments.repeats(["logout_token"]) else {
            return Self.refuse(passage, "repeated-parameter", "logout_token is there more than once")
        }
        guard let text = arguments.single("logout_token") else {
            return Self.refuse(passage, "malformed", "logout_token is absent")
        }
        let token: UnverifiedToken
        do throws(TokenError) { token = try UnverifiedToken(parsing: Array(text.utf8)) } catch {
            return Self.refuse(passage, error.reason, error.detail)
        }
        guard token.unverifiedIssuer != nil else {
            return Self.refuse(passage, "missing-claim", "iss is absent, or no text")
        }
        let named = passage.plan.logins.compactMap { login in
            login.parties.client.map { (login: login, claims: $0.isNamed(by: token)) }
        }
        guard named.contains(where: \.claims.issuer) else {
            return Self.refuse(passage, "wrong-issuer", "no login here is at the token's issuer")
        }
        guard let login = named.first(where: { $0.claims.issuer && $0.claims.audience })?.login else {
            return Self.refuse(passage, "wrong-audience", "no login here is the client that the token is for")
        }
        return .wait(
            Inquiry {
                let outcome = await login.hear(token)
                return { passage throws(Refusal) in Self.answer(passage, outcome) }
            }
        )
    }

    // MARK: Answers

    private static func answer(_ passage: Passage, _ outcome: LogoutOutcome) -> Step {
        switch outcome {
        case .ended:
            passage.countLogout("back-channel", "ended")
            return .answer(Answer(status: 200, fields: [("Cache-Control", "no-store")]))
        case .refused(let reason, let detail): return refuse(passage, reason, detail)
        case .unavailable(let reason, let detail):
            return refuse(passage, reason, detail, status: 503, "temporarily_unavailable")
        }
    }

    /// §2.8: 400 with an error's code; why stands in the log alone.
    private static func refuse(
        _ passage: Passage,
        _ reason: String,
        _ detail: String,
        status: Int = 400,
        _ code: String = "invalid_request"
    ) -> Step {
        passage.reason = reason
        passage.detail = detail
        passage.countLogout("back-channel", status == 400 ? "refused" : "unavailable")
        var fields = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if status == 503 { fields.append(("Retry-After", "5")) }
        let body = JSONValue.object(["error": .string(code)])
        return .answer(Answer(status: status, fields: fields, body: body.serialized()))
    }
}

/// What came of a logout token.
enum LogoutOutcome: Sendable, Equatable {
    case ended
    case refused(reason: String, detail: String)
    /// It could not be judged, or not be kept: the issuer may tell once more.
    case unavailable(reason: String, detail: String)
}

extension OpenIDConnect {
    /// Takes stored sessions out of their store as well, so that lists do not show them; they have ended already.
    private func forgetStored(_ owner: SessionOwner, beganBy cut: Double) async {
        guard let index = sessionIndex, let key = try? owner.key() else { return }
        _ = try? await index.end(SessionEnding(owner: key, before: cut, until: cut))
    }

    /// Judges a logout token, and ends what it names: the sessions of its `sid`, else those of its user (row S7).
    ///
    /// Sessions that began after the token was made live on: an old one that comes late ends no new login.
    func hear(_ token: UnverifiedToken) async -> LogoutOutcome {
        guard let party = parties.client else {
            return .refused(reason: "wrong-audience", detail: "this login has no client")
        }
        let notice: LogoutNotice
        do throws(OIDCError) { notice = try await party.validate(logoutToken: token) } catch {
            return error.isUnavailable
                ? .unavailable(reason: error.reason, detail: error.detail)
                : .refused(reason: error.reason, detail: error.detail)
        }
        let (issuer, now) = (party.issuer.settings.issuer, services.clock())
        let word = SealedCookie.tuple([issuer, notice.identifier])
        guard services.state.logoutTokens.note(word, until: notice.expires, at: now) else {
            return .refused(
                reason: "token-replayed",
                detail: "a logout token with this jti was taken already"
            )
        }
        let owner: SessionOwner
        if let sid = notice.session {
            owner = .issuerSession(issuer: issuer, sid: sid)
        } else {
            owner = .subject(issuer: issuer, subject: notice.subject ?? "")
        }
        let ended = services.endedSessions
        do {
            try ended.end(owner, of: issuer, beganBy: notice.issuedAt, at: now)
        } catch {
            services.state.logoutTokens.forget(word)
            return .unavailable(reason: "internal-error", detail: "a digest failed")
        }
        await forgetStored(owner, beganBy: notice.issuedAt)
        guard await ended.settled() else {
            services.state.logoutTokens.forget(word)
            return .unavailable(
                reason: "logout-not-kept",
                detail: "the sessions have ended here, but data_dir cannot be written"
            )
        }
        return .ended
    }
}
