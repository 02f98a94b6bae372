// The openid-connect plugin: the end of a session that its user asks for.
import Cryptography
import Gateway
import JOSE
import OIDC
import Proxy

extension OpenIDConnect {
    /// A request by which the application asks for a logout: `logout_uri_suffix`, `logout_query_arg`.
    ///
    /// A POST or DELETE has to come from a page of this origin, as with `sign_out`. A GET does something only where it
    /// is named and a page of this origin led the browser there; any other is answered by the page with the button,
    /// so that neither a link elsewhere nor an image nor a prefetch signs anybody out (security row K9).
    func askedLogout(_ passage: Passage) throws(Refusal) -> Step? {
        guard settings.logout.isAsked(by: passage.request) else { return try formLogout(passage) }
        return try logOut(passage)
    }

    private func logOut(_ passage: Passage) throws(Refusal) -> Step {
        let request = passage.request
        guard let own = RedirectTarget.Origin(passage) else {
            throw .malformed(settings.cause("malformed-host"))
        }
        let isOurs = LogoutPath.isSameOrigin(request, own)
        if request.method == .get, !isOurs || !Self.isPlainNavigation(request) {
            return .answer(LogoutPath.button(services.authPrefix, nil, passage))
        }
        guard isOurs else {
            passage.countLogout("user", "refused")
            throw .forbidden(settings.cause("cross-site-logout", forbidden: true))
        }
        return try services.knowingSessions(passage) { [self] passage throws(Refusal) in
            services.whenSettled(LogoutPath.signOut(of: [self], passage, own, nil))
        }
    }

    /// Reads a form that may ask for a logout; one that does not goes on with its body as it came.
    private func formLogout(_ passage: Passage) throws(Refusal) -> Step? {
        guard settings.logout.formArgument != nil, passage.request.method == .post,
            Self.isForm(passage.request)
        else { return nil }
        if let read = ReadForm.noted(passage) {
            return settings.logout.isAsked(by: read) ? try logOut(passage) : nil
        }
        let limit = max(65_536, settings.login.keptBytes)
        return .read(
            Reading(upTo: limit, keepsBody: true) { [self] passage, read throws(Refusal) in
                if settings.logout.isAsked(by: read) { return try logOut(passage) }
                passage.note(ReadForm(read), at: ReadForm.place)
                return try identify(passage)
            }
        )
    }

    /// Whether the browser says that its user went there, and does not only look ahead.
    private static func isPlainNavigation(_ request: RequestHead) -> Bool {
        request.string(of: .secFetchMode) == "navigate" && request.first("sec-purpose") == nil
            && (request.string(of: "sec-fetch-dest").map { $0 == "document" } ?? true)
    }

    /// Whether the request has any part of this instance's session, or of what brings it back, alive or not.
    func hasSessionCookie(_ passage: Passage) -> Bool {
        if showsRemembered(passage) { return true }
        guard let field = passage.request.first(.cookie) else { return false }
        return passage.request.withValue(field) {
            sessionCookies.presentParts(in: $0, https: isHTTPS(passage)) > 0
        }
    }

    /// Gives the tokens of a session that has ended back to the issuer, beside the request (RFC 7009).
    func giveBack(_ session: Session, _ passage: Passage) {
        let tokens = settings.logout.tokens(of: session)
        guard !tokens.isEmpty, let party = parties.client else { return }
        guard services.revocations.begin(tokens, to: party, as: settings.logout.tokenParameter) else {
            passage.countLogout("revocation", "busy")
            return
        }
    }

    // MARK: At the issuer

    /// Octets of a URL beyond which the ID token is left out of it: servers do not read longer ones.
    static var longestURL: Int { 7_000 }

    /// Where the issuer ends its own session (RP-Initiated Logout §2); what follows is sealed into the browser.
    ///
    /// Without an ID token `client_id` alone says who asks, and the issuer asks its user.
    func endSessionURL(
        _ session: Session?,
        _ passage: Passage,
        _ own: RedirectTarget.Origin,
        _ target: RedirectTarget?
    ) -> String? {
        guard let party = parties.client, party.issuer.metadata?.endpoints.endSession != nil else {
            return nil
        }
        let back =
            settings.login.logoutRedirect.map { $0.hasPrefix("/") ? own.text + $0 : $0 } ?? own.text + "/"
        var state: String?
        if let target, RedirectTarget.origin(of: back) == own {
            state = keepAfterLogout(target, back, passage)
        }
        let whole = party.endSessionURL(
            idTokenHint: session?.idToken,
            postLogoutRedirectURI: back,
            state: state
        )
        guard let whole, whole.utf8.count > Self.longestURL else { return whole }
        return party.endSessionURL(idTokenHint: nil, postLogoutRedirectURI: back, state: state)
    }

    /// Seals where the browser goes after the logout; gives the state that leads there.
    private func keepAfterLogout(_ target: RedirectTarget, _ back: String, _ passage: Passage) -> String? {
        guard let octets = try? Random.bytes(32) else { return nil }
        let state = "\(id).out.\(Base64URL.encode(octets))"
        let attempt = LoginAttempt(
            state: state,
            nonce: "",
            verifier: nil,
            redirectURI: back,
            target: target.location,
            startedAt: passage.now
        )
        guard
            let lines = try? loginCookies.lines(
                attempt,
                https: isHTTPS(passage),
                request: passage.request,
                at: passage.now
            ),
            setCookies(lines, passage)
        else { return nil }
        return state
    }

    /// The way back from the issuer's logout: on to where the user wanted to go.
    func afterLogout(_ passage: Passage) -> Step? {
        guard let query = passage.request.query, query.starts(with: Array("state=\(id).out.".utf8)),
            let arguments = QueryArguments(query), arguments.pairs.count == 1,
            let state = arguments.single("state"),
            let attempt = loginCookies.attempt(
                state,
                https: isHTTPS(passage),
                request: passage.request,
                at: passage.now
            ),
            RedirectTarget.path(of: attempt.redirectURI) == passage.request.pathText
        else { return nil }
        if let line = try? loginCookies.removal(state, https: isHTTPS(passage)) {
            setCookies([line], passage)
        }
        return .answer(Answer.redirect(to: attempt.target))
    }
}
