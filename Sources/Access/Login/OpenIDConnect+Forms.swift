// The openid-connect plugin: a form that is sent without a session is kept through the login.
import Cryptography
import Gateway
import JOSE
import Proxy

extension OpenIDConnect {
    /// Keeps the form that a page of this origin sent, and begins a login; nil for any other request.
    ///
    /// A form of another site is never kept: who sends one must gain nothing by the user's login (security rows S9,
    /// K9). What cannot be kept stays in the browser, behind a page that says how to send it again.
    ///
    /// - Parameter read: the request's body where it was read before.
    func keepForm(_ passage: Passage, read: BodyRead?) throws(Refusal) -> Step? {
        let request = passage.request
        guard isForm(passage) else { return nil }
        let limit = settings.login.keptBytes
        guard KeptForm.Kind(request.string(of: .contentType) ?? "") != nil,
            request.count(of: .contentType) == 1,
            limit > 0, forms.count(in: request, https: isHTTPS(passage)) < FormCookie.maximumForms
        else { throw unkept(passage) }
        if let read { return try keep(read, passage) }
        return .read(
            Reading(upTo: limit) { [self] passage, read throws(Refusal) in try keep(read, passage) }
        )
    }

    /// Whether a request is a form that a page of this origin sent, and a login is what it lacks.
    private func isForm(_ passage: Passage) -> Bool {
        let request = passage.request
        guard request.method == .post, passage.door == .proxy, settings.methods.contains(.authorizationCode),
            settings.identity.anonymous == nil, passage.acceptsHTML,
            request.string(of: .secFetchMode).map({ $0 == "navigate" }) ?? true,
            let own = RedirectTarget.Origin(passage)
        else { return false }
        return LogoutPath.isSameOrigin(request, own)
    }

    private func keep(_ read: BodyRead, _ passage: Passage) throws(Refusal) -> Step {
        let type = passage.request.string(of: .contentType) ?? ""
        guard case .whole(let body) = read, body.count <= settings.login.keptBytes,
            let form = KeptForm(contentType: type, body: body), let name = keep(form, passage)
        else { throw unkept(passage) }
        return try beginLogin(
            passage,
            target: "\(services.resumePath)?form=\(id).\(name)",
            hosts: passage.route?.hosts ?? []
        )
    }

    /// Keeps a form: a short one in the browser alone, others in this program's memory; nil where there is no room.
    private func keep(_ form: KeptForm, _ passage: Passage) -> String? {
        guard let octets = try? Random.bytes(16) else { return nil }
        let name = Base64URL.encode(octets)
        let text = form.serialized()
        let isShort = text.count <= FormCookie.maximumInline
        let seconds = settings.login.seconds
        let waiting = WaitingForm(name: name, target: ownTarget(passage), form: isShort ? form : nil)
        guard
            let line = try? forms.line(waiting, https: isHTTPS(passage), seconds: seconds, at: passage.now),
            isShort
                || services.state.forms.keep(text, as: name, until: passage.now + seconds, at: passage.now),
            setCookies([line], passage)
        else { return nil }
        return name
    }

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

    // MARK: Sent again

    /// The page that sends a form again by its user's own click, to where it was going and nowhere else.
    func resume(_ name: String, _ passage: Passage) throws(Refusal) -> Step {
        let own = try ownOrigin(passage)
        guard
            let waiting = forms.waiting(
                name,
                https: isHTTPS(passage),
                request: passage.request,
                at: passage.now
            )
        else { throw Self.gone("/") }
        let address = own.text + waiting.target
        guard presentedSession(passage) != nil else {
            return try beginLogin(
                passage,
                target: ownTarget(passage),
                hosts: hosts(of: waiting.target, own, passage)
            )
        }
        let form =
            waiting.form
            ?? services.state.forms.form(name, at: passage.now).flatMap { KeptForm(serialized: $0) }
        guard let form else { throw Self.gone(address) }
        var page = Page(
            title: "Send what you had entered?",
            paragraphs: [
                "Your session had ended when you sent a form. You are signed in now, and nothing has been sent yet.",
                passage.language.text("It will be sent to {}", address),
            ],
            button: Page.Button(
                action: address,
                label: "Send",
                encoding: form.kind.rawValue,
                inputs: form.entries.map { Page.Input(name: $0.name, value: $0.value) }
            ),
            link: Page.Link(target: address, label: "Do not send it")
        )
        // An application that looks at `Origin` would take a form without it for another site's.
        page.referrerPolicy = "same-origin"
        return .answer(page.answer(status: 200, to: passage))
    }

    /// The hosts of the route that a form was sent to, for a login that begins anew.
    private func hosts(of target: String, _ own: RedirectTarget.Origin, _ passage: Passage) -> [String] {
        passage.plan.login(for: target, origin: own, limits: services.limits)?.hosts ?? []
    }

    /// The page for a form that is kept no longer.
    static func gone(_ address: String) -> Refusal {
        var cause = Refusal.Cause("form-not-found", message: "What you had entered is no longer here")
        cause.hint = "It was not sent. It is kept for ten minutes, and not beyond a restart of the gateway."
        cause.wayOn = Page.Link(target: address, label: "Go on")
        return .notFound(cause)
    }
}

extension AccessServices {
    /// Where forms wait to be sent again.
    var resumePath: String { authPrefix + "/resume" }
}
