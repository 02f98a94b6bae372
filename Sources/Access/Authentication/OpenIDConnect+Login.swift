// The openid-connect plugin: the way to the issuer and the way back.
import Cryptography
import Gateway
import OIDC
import Proxy

extension OpenIDConnect {
    // MARK: The way out

    /// Sends a browser to the issuer.
    ///
    /// - Parameters:
    ///   - target: where the login ends: a path of ours or a checked URL.
    ///   - hosts: the hosts of the route that the login is for.
    ///   - hint: `login_hint` of a login that a third party began.
    func beginLogin(
        _ passage: Passage,
        target: String,
        hosts: [String],
        hint: String? = nil
    ) throws(Refusal) -> Step {
        guard let party = parties.client else { throw badCredential("no-client") }
        let redirectURI = try redirectURI(passage, hosts)
        guard passage.door != .explanation else {
            return .answer(Answer.redirect(to: settings.issuer.url))
        }
        // A login whose session nobody could keep would end where it began.
        if let store, store.vault.isDown { throw storeUnavailable("not-connected") }
        return .wait(
            Inquiry { [self] in
                let metadata = await Self.metadata(of: party)
                return { passage throws(Refusal) in
                    try self.leave(
                        passage,
                        party,
                        metadata,
                        redirectURI: redirectURI,
                        target: target,
                        hint: hint
                    )
                }
            }
        )
    }

    private static func metadata(of party: RelyingParty) async -> Result<ProviderMetadata, OIDCError> {
        do throws(OIDCError) {
            return .success(try await party.issuer.ready())
        } catch {
            return .failure(error)
        }
    }

    private func leave(
        _ passage: Passage,
        _ party: RelyingParty,
        _ metadata: Result<ProviderMetadata, OIDCError>,
        redirectURI: String,
        target: String,
        hint: String?
    ) throws(Refusal) -> Step {
        let url: String
        let request: AuthorizationRequest
        do throws(OIDCError) {
            let fresh = try AuthorizationRequest(redirectURI: redirectURI, usesPKCE: settings.login.usesPKCE)
            request = asked(
                AuthorizationRequest(
                    state: "\(id).\(fresh.state)",
                    nonce: fresh.nonce,
                    verifier: fresh.verifier,
                    redirectURI: redirectURI
                )
            )
            var extra = settings.login.arguments.map { ($0.name, $0.value) }
            if let hint { extra.append(("login_hint", hint)) }
            url = try party.authorizationURL(request, extra: extra, at: metadata.get())
        } catch {
            throw issuerUnavailable(error.reason, detail: error.detail)
        }
        try keep(request, target: target, passage)
        return .answer(
            Answer(
                status: 302,
                fields: [
                    ("Location", url), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"),
                ]
            )
        )
    }

    /// Seals the attempt into the browser; a target that is too long for a cookie is shortened.
    private func keep(_ request: AuthorizationRequest, target: String, _ passage: Passage) throws(Refusal) {
        let path =
            target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1).first.flatMap { String($0) } ?? "/"
        for target in [target, path, "/"] {
            let attempt = LoginAttempt(
                state: request.state,
                nonce: request.nonce,
                verifier: request.verifier,
                redirectURI: request.redirectURI,
                target: target,
                startedAt: passage.now
            )
            do throws(SealError) {
                let lines = try loginCookies.lines(
                    attempt,
                    https: isHTTPS(passage),
                    request: passage.request,
                    at: passage.now
                )
                guard setCookies(lines, passage) else { throw .tooLarge }
                return
            } catch {
                guard error == .tooLarge else { throw .failed(settings.cause("internal-error")) }
            }
        }
        throw .failed(settings.cause("internal-error"))
    }

    /// Where the issuer sends the browser back: as configured, for this host if there are several; else the own
    /// path on the host that the browser asked.
    func redirectURI(_ passage: Passage, _ hosts: [String]) throws(Refusal) -> String {
        let own = try ownOrigin(passage)
        if let first = settings.login.redirectURIs.first {
            return settings.login.redirectURIs.first { RedirectTarget.origin(of: $0) == own } ?? first
        }
        let listed = services.redirectHosts
        if listed != nil || !hosts.isEmpty,
            !RedirectTarget.isListed(own.host, port: nil, in: listed ?? []),
            !RedirectTarget.isListed(own.host, port: own.port, in: listed ?? []),
            !RedirectTarget.isHost(own.host, ofRoute: hosts)
        {
            throw .forbidden(
                settings.cause(
                    "unknown-host",
                    forbidden: true,
                    detail: "neither the route's hosts nor redirect_hosts list the host"
                )
            )
        }
        return own.text + services.authPrefix + "/callback"
    }

    /// The scheme and authority by which the browser asked.
    func ownOrigin(_ passage: Passage) throws(Refusal) -> RedirectTarget.Origin {
        guard let origin = RedirectTarget.Origin(passage) else {
            throw .malformed(settings.cause("malformed-host"))
        }
        return origin
    }

    // MARK: The way back

    /// A request that the issuer sent: the end of a login, or of a logout.
    func wayBack(_ passage: Passage) throws(Refusal) -> Step? {
        guard passage.request.query != nil, passage.request.method == .get else { return nil }
        if let arguments = callbackArguments(passage) {
            // Several routes may share one redirect_uri: the state tells whose login it is.
            let instance = passage.plan.login(of: arguments.single("state")) ?? self
            return try instance.callback(passage, arguments)
        }
        return afterLogout(passage)
    }

    /// The arguments of a request that is the way back from the issuer.
    private func callbackArguments(_ passage: Passage) -> QueryArguments? {
        guard !callbackPaths.isEmpty, let query = passage.request.query,
            callbackPaths.contains(where: { passage.request.path.elementsEqual($0) }),
            let arguments = QueryArguments(query), Self.isCallback(arguments)
        else { return nil }
        return arguments
    }

    /// Whether arguments are those of an authorization response.
    static func isCallback(_ arguments: QueryArguments) -> Bool {
        arguments.count(of: "state") > 0
            && ["code", "error", "response"].contains { arguments.count(of: $0) > 0 }
    }

    /// Ends a login: a code is redeemed once, by the browser that began.
    func callback(_ passage: Passage, _ arguments: QueryArguments) throws(Refusal) -> Step {
        passage.answer.set("referrer-policy", constant: "no-referrer")
        guard !arguments.repeats(["state", "code", "error", "iss", "response", "error_description"]) else {
            throw .malformed(settings.callbackCause("repeated-parameter"))
        }
        let https = isHTTPS(passage)
        guard let party = parties.client, let state = arguments.single("state"),
            let attempt = loginCookies.attempt(
                state,
                https: https,
                request: passage.request,
                at: passage.now
            ),
            RedirectTarget.path(of: attempt.redirectURI) == passage.request.pathText
        else { throw .malformed(settings.callbackCause("unknown-state")) }
        guard services.state.usedStates.note(state, until: attempt.startedAt + 700, at: passage.now) else {
            throw .malformed(settings.callbackCause("state-reused"))
        }
        if let line = try? loginCookies.removal(state, https: https) { setCookies([line], passage) }
        if let error = arguments.single("error") { throw refusal(ofIssuer: error) }
        guard let code = arguments.single("code"), !code.isEmpty else {
            throw .malformed(settings.callbackCause("missing-code"))
        }
        let issuers = arguments.pairs.filter { $0.name == "iss" }.map(\.value)
        return .wait(
            Inquiry { [self] in
                let outcome = await redeem(code, attempt, issuers, party)
                do throws(StoreUnavailable) {
                    let kept = try await stored(outcome)
                    return { passage throws(Refusal) in try self.arrive(passage, kept, attempt) }
                } catch {
                    let reason = error.reason
                    return { _ throws(Refusal) in throw self.storeUnavailable(reason) }
                }
            }
        )
    }

    /// What the issuer answered instead of a code (security row A9).
    private func refusal(ofIssuer error: String) -> Refusal {
        switch error {
        case "temporarily_unavailable", "server_error": return issuerUnavailable("issuer-failed")
        case "access_denied":
            return .forbidden(settings.cause("login-refused", forbidden: true, detail: "access_denied"))
        default:
            let known = error.utf8.allSatisfy { 0x61...0x7A ~= $0 || $0 == UInt8(ascii: "_") }
            return .unauthenticated(settings.cause("login-refused", detail: known ? error : nil))
        }
    }

    private func redeem(
        _ code: String,
        _ attempt: LoginAttempt,
        _ issuers: [String],
        _ party: RelyingParty
    ) async -> Result<Session, OIDCError> {
        do throws(OIDCError) {
            let metadata = try await party.issuer.ready(within: .infinity)
            try party.checkIssuerParameter(issuers, at: metadata)
            let request = asked(
                AuthorizationRequest(
                    state: attempt.state,
                    nonce: attempt.nonce,
                    verifier: attempt.verifier,
                    redirectURI: attempt.redirectURI
                )
            )
            let tokens = try await party.redeem(code: code, of: request)
            return .success(try await parties.session(with: tokens, party, at: services.clock()))
        } catch {
            return .failure(error)
        }
    }

    /// Begins the session and sends the browser to where it was going.
    private func arrive(
        _ passage: Passage,
        _ outcome: Result<Session, OIDCError>,
        _ attempt: LoginAttempt
    ) throws(Refusal) -> Step {
        switch outcome {
        case .failure(let error):
            if error.isUnavailable { throw issuerUnavailable(error.reason, detail: error.detail) }
            throw .unauthenticated(settings.cause(error.reason, detail: error.detail))
        case .success(let session):
            endFormerSession(passage)
            guard write(session, passage) else {
                throw .failed(settings.cause("session-too-large", detail: Self.tooLarge))
            }
            count("begun", passage)
            let login = settings.login
            var answer =
                login.endsAtOriginal
                ? Answer.redirect(to: attempt.target, status: 303)
                : Answer.redirect(to: login.endsAt ?? attempt.target)
            answer.fields.append(("Referrer-Policy", "no-referrer"))
            return .answer(answer)
        }
    }

    private static var tooLarge: String {
        "it needs more than \(SealedCookie.maximumChunks) cookies; keep sessions in Redis by session_store, or ask for less"
    }

    /// A session that the browser had before this login is dead from now on (security rows S4, V2).
    private func endFormerSession(_ passage: Passage) {
        if let shown = shownHandle(passage) {
            if let store { endStored(shown.id, store) }
            end(shown.id, at: passage.now)
        }
        guard let former = presentedSession(passage) else { return }
        end(former, at: passage.now)
    }

    /// The session that a request carries, if it is alive; nothing is decided or renewed.
    func presentedSession(_ passage: Passage) -> Session? {
        let request = passage.request
        if store != nil { return lookedUpSession(passage) }
        guard settings.methods.contains(.session) || settings.methods.contains(.authorizationCode),
            request.count(of: .cookie) == 1, let field = request.first(.cookie)
        else { return nil }
        let https = isHTTPS(passage)
        let presented = request.withValue(field) { octets in
            sessionCookies.presented(in: octets, https: https) {
                sessionCookies.open($0, https: https, at: passage.now)
            }
        }
        guard case .sealed(let found) = presented, let session = found,
            !hasEnded(session, at: passage.now)
        else { return nil }
        return session
    }
}

extension OpenIDConnectSettings {
    /// A refusal of a callback: the login must begin anew.
    func callbackCause(_ reason: String) -> Refusal.Cause {
        var cause = cause(reason)
        cause.message = "This login cannot be completed; please start again"
        return cause
    }
}
