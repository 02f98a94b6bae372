// The openid-connect plugin: a form that is sent without a session is kept through the login.
import Cryptography
import Gateway
import JOSE
import Proxy

extension OpenIDConnect {
    /// Keeps the body that a page of this origin sent, and begins a login; nil for any other request.
    ///
    /// What another site sends is never kept: who sends it must gain nothing by the user's login (security rows S9,
    /// K9). What cannot be kept stays in the browser, behind a page that says how to send it again.
    ///
    /// - Parameter read: the request's body where it was read before.
    func keepForm(_ passage: Passage, read: BodyRead?) throws(Refusal) -> Step? {
        guard settings.methods.contains(.authorizationCode), settings.identity.anonymous == nil,
            passage.door != .explanation, isOwnForm(passage)
        else { return nil }
        if let again = passage.note(at: Passage.spent) as? SpentForm {
            // Its session has ended since: it waits on, and its page comes after the login.
            return try beginLogin(
                passage,
                target: resumeTarget(again.waiting.name),
                hosts: passage.route?.hosts ?? []
            )
        }
        let limit = settings.login.keptBytes
        // A body that another gateway holds never comes here.
        guard passage.door == .proxy, limit > 0, KeptBody.describes(passage.request),
            forms.count(in: passage.request, https: isHTTPS(passage)) < FormCookie.maximumForms
        else { throw unkept(passage) }
        if let read { return try keep(read, passage) }
        return .read(
            Reading(upTo: limit) { [self] passage, read throws(Refusal) in try keep(read, passage) }
        )
    }

    /// Whether a request is a form that a page of the origin itself sent: a POST that navigates.
    func isOwnForm(_ passage: Passage) -> Bool {
        let request = passage.request
        guard request.method == .post, passage.acceptsHTML,
            request.string(of: .secFetchMode).map({ $0 == "navigate" }) ?? true,
            let own = RedirectTarget.Origin(passage)
        else { return false }
        return LogoutPath.isSameOrigin(request, own)
    }

    private func keep(_ read: BodyRead, _ passage: Passage) throws(Refusal) -> Step {
        let own = try ownOrigin(passage)
        guard case .whole(let octets) = read, octets.count <= settings.login.keptBytes,
            let body = KeptBody(of: passage.request, octets)
        else { throw unkept(passage) }
        // A page of ours whose keys are gone: what it stands for is, too, and it is nothing by itself.
        guard !FormCookie.isShaped(octets) else { throw Self.gone(own.text + ownTarget(passage)) }
        guard let name = keep(body, own, passage) else { throw unkept(passage) }
        return try beginLogin(passage, target: resumeTarget(name), hosts: passage.route?.hosts ?? [])
    }

    /// Keeps a body: a short one in the browser alone, others in this program's memory; nil where there is no room.
    private func keep(_ body: KeptBody, _ own: RedirectTarget.Origin, _ passage: Passage) -> String? {
        guard let octets = try? Random.bytes(16) else { return nil }
        let isShort = body.count <= FormCookie.maximumInline
        let waiting = WaitingForm(
            name: Base64URL.encode(octets),
            origin: own.text,
            target: ownTarget(passage),
            until: passage.now + settings.login.seconds,
            body: isShort ? body : nil
        )
        guard let line = try? forms.line(waiting, https: isHTTPS(passage), at: passage.now),
            isShort
                || services.state.forms.keep(
                    body,
                    as: waiting.name,
                    until: waiting.until,
                    at: passage.now
                ),
            setCookies([line], passage)
        else { return nil }
        return waiting.name
    }

    /// Where a form's page is, as a login leads there.
    func resumeTarget(_ name: String) -> String { "\(services.resumePath)?form=\(id).\(name)" }

    /// The page for a form that cannot be kept: it is not lost, for the browser has it.
    private func unkept(_ passage: Passage) -> Refusal {
        var cause = settings.cause(
            "form-not-kept",
            challenges: challenges(error: nil, offersPasswords: false)
        )
        cause.message = "You are not signed in, and nothing has been sent"
        cause.hint =
            "What you sent cannot be kept until you are. Sign in beside this page, then come back and reload it: your browser sends everything again."
        cause.wayOn = Page.Link(target: startPath(ownTarget(passage)), label: "Sign in", isBeside: true)
        return .unauthenticated(cause)
    }
}

extension AccessServices {
    /// Where forms wait to be sent again.
    var resumePath: String { authPrefix + "/resume" }
}
