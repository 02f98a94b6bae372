// The openid-connect plugin: a form that waited for the login is sent again, by its user's own click.
import Gateway
import Proxy

/// A form that was taken out to be sent, until it is; noted on its passage.
final class SpentForm: SpentOnce {
    let waiting: WaitingForm
    let body: KeptBody
    private let plugin: OpenIDConnect
    private var isGivenBack = false

    fileprivate init(_ waiting: WaitingForm, _ body: KeptBody, _ plugin: OpenIDConnect) {
        (self.waiting, self.body, self.plugin) = (waiting, body, plugin)
    }

    func giveBack(_ passage: Passage) {
        guard !isGivenBack else { return }
        isGivenBack = true
        plugin.services.state.forms.giveBack(body, of: waiting)
        let https = plugin.isHTTPS(passage)
        guard let line = try? plugin.forms.line(waiting, https: https, at: passage.now) else { return }
        plugin.setCookies([line], passage)
    }
}

extension OpenIDConnect {
    // MARK: The page

    /// The page that sends a form again by its user's own click, to where it was going and nowhere else.
    func resume(_ name: String, _ passage: Passage) throws(Refusal) -> Step {
        let own = try ownOrigin(passage)
        guard let waiting = waiting(name, own, passage) else { throw Self.gone("/") }
        let address = own.text + waiting.target
        guard presentedSession(passage) != nil else {
            return try beginLogin(
                passage,
                target: ownTarget(passage),
                hosts: hosts(of: waiting.target, own, passage)
            )
        }
        guard services.state.forms.has(waiting, at: passage.now),
            let value = try? forms.pageValue(name, at: passage.now)
        else { throw Self.gone(address) }
        var page = Page(
            title: "Send what you had entered?",
            paragraphs: [
                "Your session had ended when you sent a form. You are signed in now, and nothing has been sent yet.",
                passage.language.text("It will be sent to {}", address),
            ],
            button: Page.Button(action: address, label: "Send", hidden: [(FormCookie.field, value)]),
            link: Page.Link(target: address, label: "Do not send it")
        )
        // An application that looks at `Origin` would take a form without it for another site's.
        page.referrerPolicy = "same-origin"
        return .answer(page.answer(status: 200, to: passage))
    }

    /// What this browser has waiting under a name, for the origin that it asks.
    private func waiting(_ name: String, _ own: RedirectTarget.Origin, _ passage: Passage) -> WaitingForm? {
        let found = forms.waiting(
            name,
            https: isHTTPS(passage),
            request: passage.request,
            at: passage.now
        )
        return found?.origin == own.text ? found : nil
    }

    /// The hosts of the route that a form was sent to, for a login that begins anew.
    private func hosts(of target: String, _ own: RedirectTarget.Origin, _ passage: Passage) -> [String] {
        passage.plan.login(for: target, origin: own, limits: services.limits)?.hosts ?? []
    }

    /// The page for a form that is kept no longer.
    static func gone(_ address: String) -> Refusal {
        var cause = Refusal.Cause("form-not-found", message: "What you had entered is no longer here")
        cause.hint =
            "Nothing has been sent just now. It is kept for ten minutes, to be sent once; a restart of the gateway may lose it."
        cause.wayOn = Page.Link(target: address, label: "Go on")
        return .notFound(cause)
    }

    // MARK: The click

    /// Reads a POST that may be a click on that page; nil for any other, which its length tells.
    func sentAgain(_ passage: Passage, _ request: RequestHead) throws(Refusal) -> Step? {
        let limit: Int
        switch request.framing {
        case .length(FormCookie.sentOctets): limit = FormCookie.sentOctets
        case .chunked where forms.count(in: request, https: isHTTPS(passage)) > 0:
            // Read once, for whoever else would: no more than they take.
            limit = max(65_536, settings.login.keptBytes)
        case .none, .length, .chunked, .untilClose: return nil
        }
        guard Self.saysForm(request) else { return nil }
        guard store != nil, forms.count(in: request, https: isHTTPS(passage)) > 0 else {
            return readClick(upTo: limit)
        }
        return try services.knowingSessions(passage) { [self] _ throws(Refusal) in readClick(upTo: limit) }
    }

    private func readClick(upTo limit: Int) -> Step {
        .read(
            Reading(upTo: limit, keepsBody: true) { [self] passage, read throws(Refusal) in
                passage.note(ReadForm(read), at: ReadForm.place)
                if case .whole(let octets) = read, let name = forms.form(sent: octets, at: passage.now),
                    let step = try click(name, passage)
                {
                    return step
                }
                return try notWayBack(passage)
            }
        )
    }

    /// Puts the form that waits in the place of the small one that stands for it; from then on it is the request.
    ///
    /// A page of another site knows no name, has no cookie and is no navigation of this origin (security rows S9, K9).
    ///
    /// - Returns: the way to a login where there is no session; nil to go on.
    private func click(_ name: String, _ passage: Passage) throws(Refusal) -> Step? {
        let own = try ownOrigin(passage)
        let target = ownTarget(passage)
        let gone = Self.gone(own.text + target)
        guard isOwnForm(passage), let waiting = waiting(name, own, passage), waiting.target == target else {
            throw gone
        }
        guard presentedSession(passage) != nil else {
            return try beginLogin(
                passage,
                target: resumeTarget(name),
                hosts: passage.route?.hosts ?? []
            )
        }
        guard let body = services.state.forms.take(waiting, at: passage.now) else { throw gone }
        passage.note(SpentForm(waiting, body, self), at: Passage.spent)
        guard passage.replaceBody(type: body.contentType.map { Array($0.utf8) }, body.octets) else {
            throw .failed(settings.cause("internal-error"))
        }
        if let line = forms.removal(waiting, https: isHTTPS(passage)) { setCookies([line], passage) }
        passage.note(ReadForm(.whole(body.octets)), at: ReadForm.place)
        return nil
    }
}
