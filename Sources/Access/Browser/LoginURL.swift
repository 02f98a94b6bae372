// Where a page is to lead its user when a request of its script needs a login.
import Gateway
import Proxy

extension OpenIDConnect {
    /// The path that begins a login and leads back to the page that asked, or else to what it asked for; nil where no
    /// login would help.
    ///
    /// A script gets it with its 401 and goes there by itself: a redirect would be followed by the script, not the user.
    func loginURL(_ passage: Passage) -> String? {
        guard settings.methods.contains(.authorizationCode), passage.door == .proxy,
            let own = RedirectTarget.Origin(passage)
        else { return nil }
        let hosts = services.redirectHosts(passage.plan)
        let page = passage.request.string(of: .referer).flatMap {
            RedirectTarget($0, own: own, hosts: hosts)
        }
        let asked = RedirectTarget(
            String(decoding: passage.request.pathAndQuery, as: UTF8.self),
            own: own,
            hosts: []
        )
        for target in [page, asked].compactMap({ $0 }) where leadsHere(target, own, passage.plan) {
            let isOwn = target.origin == nil || target.origin == own
            let place =
                isOwn && target.origin != nil ? RedirectTarget.tail(of: target.location) : target.location
            return "\(services.authPrefix)/start?rd=\(QueryArguments.encoded(place))"
        }
        return nil
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
