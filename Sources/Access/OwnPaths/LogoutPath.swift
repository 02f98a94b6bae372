// The own path of a logout: a page with one button, and what the button does.
import Gateway
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
        guard passage.request.method == .post else {
            return .answer(Self.button(services.authPrefix, target, passage))
        }
        guard Self.isSameOrigin(passage.request, own) else {
            Self.count("refused", passage)
            throw .forbidden(.init("cross-site-logout"))
        }
        return services.whenSettled(Self.signOut(of: passage.plan.logins, passage, own, target))
    }

    /// Whether a page of this origin sent the request: by `Sec-Fetch-Site`, else by `Origin`.
    static func isSameOrigin(_ request: RequestHead, _ own: RedirectTarget.Origin) -> Bool {
        guard request.count(of: .secFetchSite) <= 1, request.count(of: .origin) <= 1 else { return false }
        if let site = request.string(of: .secFetchSite) { return site == "same-origin" }
        guard let origin = request.string(of: .origin) else { return false }
        return RedirectTarget.origin(of: origin) == own && RedirectTarget.tail(of: origin) == "/"
    }

    /// The page that asks, and changes nothing.
    static func button(
        _ authPrefix: String,
        _ target: RedirectTarget?,
        _ passage: Passage
    ) -> Answer {
        let query = target.map { "?rd=\(QueryArguments.encoded($0.location))" } ?? ""
        let page = Page(
            title: "Sign out",
            paragraphs: ["This ends your session here and at your identity provider."],
            button: Page.Button(action: "\(authPrefix)/sign_out\(query)", label: "Sign out")
        )
        return page.answer(status: 200, to: passage)
    }

    /// Ends the sessions that the browser has at these instances, then leads to the issuer of the first.
    static func signOut(
        of instances: [OpenIDConnect],
        _ passage: Passage,
        _ own: RedirectTarget.Origin,
        _ target: RedirectTarget?
    ) -> Answer {
        var ended: (instance: OpenIDConnect, session: Session?)?
        for instance in instances {
            let alive = instance.presentedSession(passage)
            let session = alive ?? instance.presentedRemembered(passage)
            guard session != nil || instance.hasSessionCookie(passage) else { continue }
            instance.endSession(alive, passage)
            if let session { instance.giveBack(session, passage) }
            // A session that is still alive knows better which of the issuer's sessions is meant.
            if ended == nil || (ended?.session == nil && session != nil) { ended = (instance, session) }
            instance.forgetRounds(passage)
        }
        count("ended", passage)
        let way = ended.flatMap { $0.instance.endSessionURL($0.session, passage, own, target) }
        if let way { return Self.seeOther(way) }
        if let target { return Self.seeOther(target.location) }
        return Page(title: "You are signed out", link: Page.Link(target: "/", label: "Back to the start"))
            .answer(status: 200, to: passage)
    }

    private static func count(_ outcome: String, _ passage: Passage) {
        passage.countLogout("user", outcome)
    }

    private static func seeOther(_ location: String) -> Answer {
        var answer = Answer.redirect(to: location, status: 303)
        answer.fields.append(("Referrer-Policy", "no-referrer"))
        return answer
    }
}

extension Passage {
    /// Counts a logout, by who asked for it and what came of it.
    func countLogout(_ kind: String, _ outcome: String) {
        worker.metrics.count(MetricKey("gatehouse_logouts_total", ["kind": kind, "outcome": outcome]))
    }
}
