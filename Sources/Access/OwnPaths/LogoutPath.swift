// The own path of a logout: a page with one button, and what the button does.
import Cryptography
import Gateway
import JOSE
import OIDC
import Proxy

/// Answers `sign_out`.
struct LogoutPath: Sendable {
    let services: AccessServices

    /// GET shows the button and changes nothing; POST from our own pages ends the session (security row K9).
    func serve(_ passage: Passage) throws(Refusal) -> Step {
        guard let own = RedirectTarget.Origin(passage) else { throw .malformed(.init("malformed-host")) }
        guard let arguments = QueryArguments(passage.request.query ?? []), !arguments.repeats(["rd"]) else {
            throw .malformed(.init("repeated-parameter"))
        }
        var target: RedirectTarget?
        if let wanted = arguments.single("rd") {
            target = RedirectTarget(wanted, own: own, hosts: services.redirectHosts(passage.plan))
            guard target != nil else {
                throw .malformed(.init("redirect-refused", message: "This address cannot be returned to"))
            }
        }
        guard passage.request.method == .post else { return .answer(button(target, passage)) }
        guard Self.isSameOrigin(passage.request, own) else {
            throw .forbidden(.init("cross-site-logout"))
        }
        return .answer(signOut(passage, own, target))
    }

    /// Whether a page of this origin sent the request: by `Sec-Fetch-Site`, else by `Origin`.
    static func isSameOrigin(_ request: RequestHead, _ own: RedirectTarget.Origin) -> Bool {
        guard request.count(of: .secFetchSite) <= 1, request.count(of: .origin) <= 1 else { return false }
        if let site = request.string(of: .secFetchSite) { return site == "same-origin" }
        guard let origin = request.string(of: .origin) else { return false }
        return RedirectTarget.origin(of: origin) == own && RedirectTarget.tail(of: origin) == "/"
    }

    private func button(_ target: RedirectTarget?, _ passage: Passage) -> Answer {
        let query = target.map { "?rd=\(QueryArguments.encoded($0.location))" } ?? ""
        let page = Page(
            title: "Sign out",
            paragraphs: ["This ends your session here and at your identity provider."],
            button: Page.Button(action: "\(services.authPrefix)/sign_out\(query)", label: "Sign out")
        )
        return page.answer(status: 200, to: passage)
    }

    /// Ends every session that the browser has on this host, then at the issuer of the first.
    private func signOut(
        _ passage: Passage,
        _ own: RedirectTarget.Origin,
        _ target: RedirectTarget?
    ) -> Answer {
        var way: String?
        for instance in passage.plan.logins {
            let session = instance.presentedSession(passage)
            guard session != nil || instance.hasSessionCookie(passage) else { continue }
            instance.endSession(session, passage)
            instance.forgetRounds(passage)
            guard way == nil, let session else { continue }
            way = instance.endSessionURL(session, passage, own, target)
        }
        if let way { return Self.seeOther(way) }
        if let target { return Self.seeOther(target.location) }
        return Page(title: "You are signed out", link: Page.Link(target: "/", label: "Back to the start"))
            .answer(status: 200, to: passage)
    }

    private static func seeOther(_ location: String) -> Answer {
        var answer = Answer.redirect(to: location, status: 303)
        answer.fields.append(("Referrer-Policy", "no-referrer"))
        return answer
    }
}

extension OpenIDConnect {
    /// Whether the request has any part of this instance's session, alive or not.
    func hasSessionCookie(_ passage: Passage) -> Bool {
        guard let field = passage.request.first(.cookie) else { return false }
        return passage.request.withValue(field) {
            sessionCookies.presentParts(in: $0, https: isHTTPS(passage)) > 0
        }
    }

    /// Where the issuer ends its own session (RP-Initiated Logout §2); what follows is sealed into the browser.
    func endSessionURL(
        _ session: Session,
        _ passage: Passage,
        _ own: RedirectTarget.Origin,
        _ target: RedirectTarget?
    ) -> String? {
        guard let party = parties.client else { return nil }
        let back =
            settings.login.logoutRedirect.map { $0.hasPrefix("/") ? own.text + $0 : $0 } ?? own.text + "/"
        var state: String?
        if let target, RedirectTarget.origin(of: back) == own {
            state = keepAfterLogout(target, back, passage)
        }
        return party.endSessionURL(idTokenHint: session.idToken, postLogoutRedirectURI: back, state: state)
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
