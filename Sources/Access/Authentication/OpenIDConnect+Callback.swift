// The openid-connect plugin: the way back from the issuer.
import Cryptography
import Gateway
import JSON
import OIDC
import Proxy

extension OpenIDConnect {
    /// Most octets of an answer that the browser posts: a code, a state, a token that holds them.
    static let longestPostedAnswer = 65_536

    /// A request that the issuer sent, the end of a login or of a logout; or one that a page of ours sends again.
    func wayBack(_ passage: Passage) throws(Refusal) -> Step? {
        let request = passage.request
        if request.method == .post {
            if let step = postedWayBack(passage) { return step }
            return try sentAgain(passage, request)
        }
        guard request.query != nil, request.method == .get else { return nil }
        if let arguments = callbackArguments(passage) {
            // Several routes may share one redirect_uri: the state tells whose login it is.
            let instance = passage.plan.login(of: Self.state(arguments)) ?? self
            return try instance.callback(passage, arguments)
        }
        return afterLogout(passage)
    }

    /// The arguments of a request that is the way back from the issuer.
    private func callbackArguments(_ passage: Passage) -> QueryArguments? {
        guard isCallbackPath(passage), let query = passage.request.query,
            let arguments = QueryArguments(query), Self.isCallback(arguments)
        else { return nil }
        return arguments
    }

    private func isCallbackPath(_ passage: Passage) -> Bool {
        !callbackPaths.isEmpty && callbackPaths.contains { passage.request.path.elementsEqual($0) }
    }

    /// A form that another site posts to the configured `redirect_uri`, where answers come so; it goes no further.
    private func postedWayBack(_ passage: Passage) -> Step? {
        guard settings.login.responseMode.isPosted, isCallbackPath(passage),
            passage.request.string(of: .secFetchSite) != "same-origin",
            Self.saysForm(passage.request)
        else { return nil }
        return Self.readAnswer { passage, arguments throws(Refusal) in
            let instance = passage.plan.login(of: Self.state(arguments)) ?? self
            return try instance.callback(passage, arguments)
        }
    }

    /// Reads an answer that the browser posts (OAuth 2.0 Form Post Response Mode §2).
    static func readAnswer(
        _ then: @escaping (Passage, QueryArguments) throws(Refusal) -> Step
    ) -> Step {
        .read(
            Reading(upTo: longestPostedAnswer) { passage, read throws(Refusal) in
                guard case .whole(let body) = read else { throw .malformed(.init("malformed-response")) }
                guard let arguments = QueryArguments(body), isCallback(arguments) else {
                    throw .malformed(.init("malformed-response"))
                }
                return try then(passage, arguments)
            }
        )
    }

    /// Whether arguments are those of an authorization response.
    static func isCallback(_ arguments: QueryArguments) -> Bool {
        guard state(arguments) != nil || arguments.count(of: "state") > 0 else { return false }
        return ["code", "error", "response"].contains { arguments.count(of: $0) > 0 }
    }

    /// The state of a response; of a signed one as it says, unproven: it only tells whose login it may be.
    static func state(_ arguments: QueryArguments) -> String? {
        guard let response = arguments.single("response") else { return arguments.single("state") }
        return payload(response)?["state"]?.string
    }

    // MARK: The end of a login

    /// Ends a login: a code is redeemed once, by the browser that began.
    ///
    /// Whatever is wrong ends on a page that leads to where the user was going.
    func callback(_ passage: Passage, _ arguments: QueryArguments) throws(Refusal) -> Step {
        passage.answer.set("referrer-policy", constant: "no-referrer")
        let again = startingAgain(Self.state(arguments), passage)
        do throws(Refusal) {
            return try end(passage, arguments, again)
        } catch {
            throw error.offering(again)
        }
    }

    /// The link that begins anew where the login of `state` was going.
    private func startingAgain(_ state: String?, _ passage: Passage) -> Page.Link {
        let target = state.flatMap { states.target(of: $0, at: passage.now) } ?? "/"
        return Page.Link(target: target, label: "Start again")
    }

    private func end(
        _ passage: Passage,
        _ arguments: QueryArguments,
        _ again: Page.Link
    ) throws(Refusal) -> Step {
        guard !arguments.repeats(["state", "code", "error", "iss", "response", "error_description"]) else {
            throw .malformed(settings.callbackCause("repeated-parameter"))
        }
        try requireMode(passage, arguments)
        guard let party = parties.client, let state = Self.state(arguments),
            let attempt = loginCookies.attempt(
                state,
                https: isHTTPS(passage),
                request: passage.request,
                at: passage.now
            ),
            RedirectTarget.path(of: attempt.redirectURI) == passage.request.pathText
        else { return try strayed(passage, reason: "unknown-state", Self.state(arguments)) }
        guard services.state.usedStates.note(state, until: attempt.startedAt + 700, at: passage.now) else {
            return try strayed(passage, reason: "state-reused", state)
        }
        // What the session is bound to is this request's: where sessions are stored, that is done before it comes back.
        let binding = (try? settings.sessionBinding.text(passage)) ?? nil
        if let line = try? loginCookies.removal(state, https: isHTTPS(passage)) {
            setCookies([line], passage)
        }
        if let response = arguments.single("response") {
            return .wait(
                Inquiry { [self] in
                    await landed(redeem(response: response, attempt, party), attempt, again, binding)
                }
            )
        }
        let answer = AuthorizationAnswer(arguments.pairs.map { ($0.name, $0.value) })
        if let error = answer.error { throw refusal(ofIssuer: error, state, passage) }
        guard let code = answer.code else { throw .malformed(settings.callbackCause("missing-code")) }
        return .wait(
            Inquiry { [self] in
                let outcome = await redeem(code, attempt, answer.issuers, party)
                return await landed(outcome.map(Landing.session), attempt, again, binding)
            }
        )
    }

    /// An answer comes in the way that was asked for.
    ///
    /// A code that stands in a URL unasked was put there by others, and a plain one where a signed one was asked for
    /// proves nothing. An issuer that never saw our request may say an error in the query.
    private func requireMode(_ passage: Passage, _ arguments: QueryArguments) throws(Refusal) {
        let mode = settings.login.responseMode
        let isPosted = passage.request.method == .post
        let isSigned = arguments.count(of: "response") > 0
        if !isPosted, !isSigned, arguments.count(of: "error") > 0, arguments.count(of: "code") == 0 { return }
        guard isPosted == mode.isPosted, isSigned == mode.isSigned else {
            throw .malformed(settings.callbackCause("wrong-response-mode"))
        }
    }

    /// A way back that is no login's any more: where there is a session all the same, it goes on as the user wanted.
    private func strayed(_ passage: Passage, reason: String, _ state: String?) throws(Refusal) -> Step {
        guard let target = state.flatMap({ states.target(of: $0, at: passage.now) }) else {
            throw .malformed(settings.callbackCause(reason))
        }
        return try services.knowingSessions(passage) { [self] passage throws(Refusal) in
            guard presentedSession(passage) != nil else {
                let refusal = Refusal.malformed(settings.callbackCause(reason))
                throw refusal.offering(startingAgain(state, passage))
            }
            passage.reason = reason
            return .answer(redirect(passage, to: target))
        }
    }

    /// What the issuer answered instead of a code (security row A9): a page, never another redirect.
    private func refusal(ofIssuer error: String, _ state: String?, _ passage: Passage) -> Refusal {
        switch error {
        case "login_required", "interaction_required", "consent_required", "account_selection_required":
            // It would have to ask the user, and was told not to (OIDC Core §3.1.2.6).
            var cause = settings.cause("login-refused", detail: error)
            cause.message = "Your identity provider has to ask you first"
            if let target = state.flatMap({ states.target(of: $0, at: passage.now) }), isSilent(target) {
                cause.wayOn = Page.Link(target: startPath(target), label: "Sign in")
            }
            return .unauthenticated(cause)
        case "temporarily_unavailable", "server_error": return issuerUnavailable("issuer-failed")
        case "access_denied":
            return .forbidden(settings.cause("login-refused", forbidden: true, detail: "access_denied"))
        default:
            let known = error.utf8.allSatisfy { 0x61...0x7A ~= $0 || $0 == UInt8(ascii: "_") }
            return .unauthenticated(settings.cause("login-refused", detail: known ? error : nil))
        }
    }

    // MARK: The code

    /// What a signed answer came to.
    private enum Landing: Sendable {
        case session(Session)
        case refused(error: String)
    }

    private func redeem(
        response: String,
        _ attempt: LoginAttempt,
        _ party: RelyingParty
    ) async -> Result<Landing, OIDCError> {
        do throws(OIDCError) {
            let answer = AuthorizationAnswer(try await party.parameters(ofResponse: response))
            if let error = answer.error { return .success(.refused(error: error)) }
            guard let code = answer.code else { throw .malformedResponse("code is missing") }
            return await redeem(code, attempt, answer.issuers, party).map(Landing.session)
        } catch {
            return .failure(error)
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

    // MARK: The session

    /// Goes on once the session is where sessions are kept.
    private func landed(
        _ outcome: Result<Landing, OIDCError>,
        _ attempt: LoginAttempt,
        _ again: Page.Link,
        _ binding: String?
    ) async -> Inquiry.Resumption {
        var outcome = outcome
        if case .success(.session(var session)) = outcome {
            session.binding = binding
            session = remembered(session)
            do throws(StoreUnavailable) {
                outcome = try await stored(.success(session)).map(Landing.session)
            } catch {
                let reason = error.reason
                return { _ throws(Refusal) in throw self.storeUnavailable(reason).offering(again) }
            }
        }
        let kept = outcome
        return { passage throws(Refusal) in try self.arrive(passage, kept, attempt, again) }
    }

    /// Begins the session and sends the browser to where it was going.
    private func arrive(
        _ passage: Passage,
        _ outcome: Result<Landing, OIDCError>,
        _ attempt: LoginAttempt,
        _ again: Page.Link
    ) throws(Refusal) -> Step {
        let refusal: Refusal
        switch outcome {
        case .failure(let error) where error.isUnavailable:
            refusal = issuerUnavailable(error.reason, detail: error.detail)
        case .failure(let error):
            refusal = .unauthenticated(settings.cause(error.reason, detail: error.detail))
        case .success(.refused(let error)): refusal = self.refusal(ofIssuer: error, attempt.state, passage)
        case .success(.session(let session)):
            endFormerSession(passage)
            guard write(session, passage) else {
                throw .failed(settings.cause("session-too-large", detail: Self.tooLarge))
            }
            remember(session, passage)
            handOutToken(of: session, passage)
            count("begun", passage)
            setCookies([rounds.line(attempt.round, https: isHTTPS(passage))], passage)
            let answer = redirect(passage, to: attempt.target)
            return .answer(sessionCookies.attributes.sameSite == "Strict" ? ownStep(answer, passage) : answer)
        }
        throw refusal.offering(again)
    }

    private static var tooLarge: String {
        "it needs more than \(SealedCookie.maximumChunks) cookies; keep sessions in Redis by session_store, or ask for less"
    }

    /// Leads to where the user was going, or to where the configuration has logins end.
    private func redirect(_ passage: Passage, to target: String) -> Answer {
        let login = settings.login
        // A form that waits to be sent is where its user was going, whatever else is written.
        let isForm = target.hasPrefix(services.resumePath + "?")
        let end = login.endsAtOriginal || isForm ? target : login.endsAt ?? target
        let isSeeOther = login.endsAtOriginal || passage.request.method == .post
        var answer = Answer.redirect(to: end, status: isSeeOther ? 303 : 302)
        answer.fields.append(("Referrer-Policy", "no-referrer"))
        return answer
    }

    /// A page of ours that leads on by itself.
    ///
    /// The way back came from another site, and so does a redirect that follows it: a browser would keep a `Strict`
    /// cookie back. What a page of ours leads to comes from here.
    private func ownStep(_ redirect: Answer, _ passage: Passage) -> Answer {
        guard let target = redirect.field("location") else { return redirect }
        var page = Page(title: "You are signed in", link: Page.Link(target: target, label: "Go on"))
        page.onward = target
        return page.answer(status: 200, to: passage)
    }

    /// A session that the browser had before this login is dead from now on (security rows S4, V2).
    private func endFormerSession(_ passage: Passage) {
        if let shown = shownHandle(passage) {
            if let store { endStored(shown.id, store) }
            end(shown.id, at: passage.now)
        }
        endRemembered(passage)
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

/// The parameters of an authorization response, however they came.
struct AuthorizationAnswer: Sendable, Equatable {
    /// The code; nil where it is absent or empty.
    let code: String?
    /// The error; nil where there is none.
    let error: String?
    /// Every `iss` that was said (RFC 9207).
    let issuers: [String]

    init(_ parameters: [(String, String)]) {
        let value = { (name: String) in parameters.first { $0.0 == name }?.1 }
        code = value("code").flatMap { $0.isEmpty ? nil : $0 }
        error = value("error")
        issuers = parameters.filter { $0.0 == "iss" }.map(\.1)
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
