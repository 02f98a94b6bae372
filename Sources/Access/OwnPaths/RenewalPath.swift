// The own path that a page's script asks so that its session goes on without a page in between.
import Gateway
import JSON
import Proxy

/// Answers `renew`.
///
/// The tokens of the browser's session are renewed where that is due, and the script learns how long they last; where
/// there is no session it learns where a login begins.
struct RenewalPath: Sendable {
    let services: AccessServices

    var own: OwnPath {
        OwnPath(path: "\(services.authPrefix)/renew", methods: [.post]) { passage throws(Refusal) in
            try serve(passage)
        }
    }

    /// Only a page of this origin may ask: for any other it would keep a session alive that nobody uses.
    private func serve(_ passage: Passage) throws(Refusal) -> Step {
        guard let own = RedirectTarget.Origin(passage) else { throw .malformed(.init("malformed-host")) }
        guard LogoutPath.isSameOrigin(passage.request, own) else {
            throw .forbidden(.init("cross-site-request", detail: "a page of this origin alone may renew"))
        }
        guard let arguments = QueryArguments(passage.request.query ?? []), !arguments.repeats(["rd"]) else {
            throw .malformed(.init("repeated-parameter"))
        }
        let instance: OpenIDConnect?
        if let wanted = arguments.single("rd") {
            guard let target = RedirectTarget(wanted, own: own, hosts: []), target.origin == nil else {
                throw .malformed(.init("redirect-refused", message: "This address cannot be returned to"))
            }
            instance =
                passage.plan.login(for: target.location, origin: own, limits: services.limits)?.instance
        } else {
            instance = passage.plan.logins.first { $0.hasSessionCookie(passage) }
        }
        guard let instance else { throw noSession(nil, passage) }
        return try told(instance, passage) { () throws(Refusal) in try instance.authenticate(passage) }
    }

    /// What becomes of the session is what becomes of it with any request; the answer is ours.
    private func told(
        _ instance: OpenIDConnect,
        _ passage: Passage,
        _ work: () throws(Refusal) -> Step
    ) throws(Refusal) -> Step {
        let step: Step
        do throws(Refusal) { step = try work() } catch {
            guard case .unauthenticated(var cause) = error else { throw error }
            cause.loginURL = loginURL(instance, passage)
            throw .unauthenticated(cause)
        }
        switch step {
        case .wait(let inquiry):
            return .wait(
                Inquiry {
                    let resume = await inquiry.work()
                    return { passage throws(Refusal) in
                        try self.told(instance, passage) { () throws(Refusal) in try resume(passage) }
                    }
                }
            )
        case .proceed:
            guard let proven = passage.note(at: OpenIDConnect.proof) as? ProvenCredential,
                let session = proven.session
            else { throw noSession(instance, passage) }
            return .answer(Self.answer(session, instance.sessionCookies.limits, at: passage.now))
        case .answer, .read, .callout: throw noSession(instance, passage)
        }
    }

    private static func answer(_ session: Session, _ limits: SessionLimits, at now: Double) -> Answer {
        let used = limits.needsRenewal(session, at: now) ? limits.renewed(session, at: now) : session
        let tokenSeconds = session.accessTokenExpires.map { JSONValue.integer(Int64(max(0, $0 - now))) }
        let body: JSONValue = [
            "expires_in": .integer(Int64(max(0, limits.end(of: used) - now))),
            "token_expires_in": tokenSeconds ?? .null,
        ]
        return Answer(
            status: 200,
            fields: [
                ("Content-Type", "application/json"), ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
            body: body.serialized()
        )
    }

    private func noSession(_ instance: OpenIDConnect?, _ passage: Passage) -> Refusal {
        let challenges = ["Bearer realm=\"\(passage.request.hostText)\""]
        var cause = Refusal.Cause("no-session", challenges: challenges)
        let logins = passage.plan.logins
        if let instance = instance ?? (logins.count == 1 ? logins[0] : nil) {
            cause.loginURL = loginURL(instance, passage)
        }
        return .unauthenticated(cause)
    }

    /// Where a login begins that ends at the page that asked; at the start where the browser does not name the page.
    private func loginURL(_ instance: OpenIDConnect, _ passage: Passage) -> String? {
        if passage.request.first("referer") != nil, let url = instance.loginURL(passage) { return url }
        return "\(services.authPrefix)/start?rd=%2F"
    }
}
