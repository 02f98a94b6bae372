// Where a page is to lead its user when a request of its script needs a login.
import Gateway
import Proxy

extension OpenIDConnect {
    /// The path that begins a login and leads back to the page that asked, or else to what it asked for; nil where no
    /// login would help.
    ///
    /// A script gets it with its 401 and goes there by itself: a redirect would be followed by the script, not the user.
    func loginURL(_ passage: Passage) -> String? {
        guard settings.methods.contains(.authorizationCode), passage.door == .proxy, !passage.acceptsHTML,
            !passage.isGRPC, let own = RedirectTarget.Origin(passage)
        else { return nil }
        if let page = passage.request.string(of: .referer),
            let target = RedirectTarget(page, own: own, hosts: services.redirectHosts(passage.plan)),
            leadsHere(target, own, passage.plan)
        {
            let isOwn = target.origin == own
            return start(isOwn ? RedirectTarget.tail(of: target.location) : target.location)
        }
        let asked = String(decoding: passage.request.pathAndQuery, as: UTF8.self)
        guard let target = RedirectTarget(asked, own: own, hosts: []) else { return nil }
        // A GET to this path is for this route, unless fields of the request have chosen it.
        let isSame = passage.request.method == .get && passage.route?.fields.isEmpty ?? false
        return isSame || leadsHere(target, own, passage.plan) ? start(target.location) : nil
    }

    private func start(_ place: String) -> String {
        "\(services.authPrefix)/start?rd=\(QueryArguments.encoded(place))"
    }

    /// Whether a login for that place is a login here.
    private func leadsHere(_ target: RedirectTarget, _ own: RedirectTarget.Origin, _ plan: Plan) -> Bool {
        let path = target.origin == nil ? target.location : RedirectTarget.tail(of: target.location)
        let found = plan.login(for: path, origin: target.origin ?? own, limits: services.limits)
        guard let instance = found?.instance else {
            let all = plan.logins
            return all.count == 1 && all[0] === self
        }
        return instance === self
    }
}
