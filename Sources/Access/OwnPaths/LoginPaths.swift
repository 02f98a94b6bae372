// Own paths of a login: its beginning, its end, and what it proved.
import Gateway
import JSON
import OIDC
import Proxy

/// Answers `start`, `sign_in`, `callback`, `resume` and `userinfo`.
struct LoginPaths: Sendable {
    let services: AccessServices

    // MARK: start, sign_in

    /// Begins a login for the route that `rd` leads to; also for a third party (OIDC Core §4).
    ///
    /// Nothing but the way on is taken from the arguments (security row S6).
    func start(_ passage: Passage) throws(Refusal) -> Step {
        guard let arguments = QueryArguments(passage.request.query ?? []),
            !arguments.repeats(["rd", "iss", "target_link_uri", "login_hint", "again"])
        else { throw .malformed(.init("repeated-parameter")) }
        guard let own = RedirectTarget.Origin(passage) else { throw .malformed(.init("malformed-host")) }
        let wanted = arguments.single("rd") ?? arguments.single("target_link_uri") ?? "/"
        guard let target = RedirectTarget(wanted, own: own, hosts: services.redirectHosts(passage.plan))
        else {
            throw .malformed(.init("redirect-refused", message: "This address cannot be returned to"))
        }
        let path = target.origin == nil ? target.location : RedirectTarget.tail(of: target.location)
        let found =
            passage.plan.login(for: path, origin: target.origin ?? own, limits: services.limits)
            ?? onlyLogin(passage.plan)
        guard let found else {
            throw .notFound(.init("no-login", message: "There is no login for this address"))
        }
        if let issuer = arguments.single("iss"), !found.instance.isIssuer(issuer) {
            throw .forbidden(.init("wrong-issuer"))
        }
        // A gateway that asks about requests sends browsers here, too: only a click of the user's own begins anew (A9).
        let isAsked = arguments.single("again") == "1" || found.instance.presentedSession(passage) != nil
        return try found.instance.beginLogin(
            passage,
            target: target.location,
            hosts: found.hosts,
            hint: arguments.single("login_hint"),
            by: isAsked ? .user : .request
        )
    }

    /// As `start`; where nothing says which of several logins is meant, the user chooses.
    func signIn(_ passage: Passage) throws(Refusal) -> Step {
        if let arguments = QueryArguments(passage.request.query ?? []),
            !["rd", "iss", "target_link_uri"].contains(where: { arguments.count(of: $0) > 0 }),
            let own = RedirectTarget.Origin(passage)
        {
            let offers = LoginOffers(passage.plan, on: own, services)
            if offers.all.count > 1 { return .answer(offers.page.answer(status: 200, to: passage)) }
        }
        return try start(passage)
    }

    /// The login of a plan that has one alone.
    private func onlyLogin(_ plan: Plan) -> (instance: OpenIDConnect, hosts: [String])? {
        let logins = plan.logins
        return logins.count == 1 ? (logins[0], []) : nil
    }

    // MARK: callback

    /// Ends a login; the instance is found from the state.
    func callback(_ passage: Passage) throws(Refusal) -> Step {
        passage.answer.set("referrer-policy", constant: "no-referrer")
        do throws(Refusal) {
            guard passage.request.method == .post else { return try arguments(passage) }
            guard passage.plan.logins.contains(where: \.settings.login.responseMode.isPosted) else {
                throw .methodNotAllowed(["GET"])
            }
            guard OpenIDConnect.saysForm(passage.request) else {
                throw .malformed(.init("malformed-response"))
            }
            return OpenIDConnect.readAnswer { passage, arguments throws(Refusal) in
                try self.end(passage, arguments)
            }
        } catch {
            throw error.offering(Self.startAgain)
        }
    }

    private static let startAgain = Page.Link(target: "/", label: "Start again")

    private func arguments(_ passage: Passage) throws(Refusal) -> Step {
        guard let arguments = QueryArguments(passage.request.query ?? []) else {
            throw .malformed(.init("malformed-query"))
        }
        return try end(passage, arguments)
    }

    private func end(_ passage: Passage, _ arguments: QueryArguments) throws(Refusal) -> Step {
        guard !arguments.repeats(["state", "code", "error", "iss", "response"]) else {
            throw .malformed(.init("repeated-parameter"))
        }
        guard OpenIDConnect.isCallback(arguments),
            let instance = passage.plan.login(of: OpenIDConnect.state(arguments))
        else {
            throw Refusal.malformed(
                .init("unknown-state", message: "This login cannot be completed; please start again")
            ).offering(Self.startAgain)
        }
        return try instance.callback(passage, arguments)
    }

    // MARK: resume

    /// Shows a form that waits for the end of its login.
    func resume(_ passage: Passage) throws(Refusal) -> Step {
        guard let arguments = QueryArguments(passage.request.query ?? []), !arguments.repeats(["form"]) else {
            throw .malformed(.init("repeated-parameter"))
        }
        guard let form = arguments.single("form"), let instance = passage.plan.login(of: form),
            let name = form.split(separator: ".").dropFirst().first
        else { throw OpenIDConnect.gone("/") }
        return try instance.resume(String(name), passage)
    }

    // MARK: userinfo

    /// Who the browser's session is for.
    func userInfo(_ passage: Passage) throws(Refusal) -> Step {
        for instance in passage.plan.logins {
            guard let session = instance.presentedSession(passage), instance.isBound(session, passage)
            else { continue }
            let end = instance.sessionCookies.limits.end(of: session)
            let body: JSONValue = [
                "claims": instance.claims(of: session),
                "expires_in": .integer(Int64(max(0, end - passage.now))),
            ]
            return .answer(
                Answer(
                    status: 200,
                    fields: [("Content-Type", "application/json"), ("Cache-Control", "no-store")],
                    body: body.serialized()
                )
            )
        }
        throw .unauthenticated(
            .init("no-session", challenges: ["Bearer realm=\"\(passage.request.hostText)\""])
        )
    }
}

extension OpenIDConnect {
    /// Whether a URL names this instance's issuer, as written or as compared.
    func isIssuer(_ url: String) -> Bool {
        parties.issuer.settings.issuer.utf8.elementsEqual(url.utf8)
    }

    /// The claims of a session's user: the ID token's, with what only userinfo says.
    func claims(of session: Session) -> JSONValue {
        var claims = session.idToken.flatMap(Self.payload)?.object ?? [:]
        for (name, value) in session.userInfo?.object ?? [:] where claims[name] == nil {
            claims[name] = value
        }
        return .object(claims)
    }
}
