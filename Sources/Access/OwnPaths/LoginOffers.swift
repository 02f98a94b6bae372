// Several logins for one host: the page on which the user chooses.
import Gateway
import Proxy

/// The logins that a browser may choose from on a host.
struct LoginOffers: Sendable {
    /// One login: what it is called, and a path of ours that it is for.
    struct Offer: Sendable, Equatable {
        let title: String
        let path: String
    }

    /// Those that differ by issuer or client, in the order of the routes.
    let all: [Offer]
    private let authPrefix: String

    /// Finds the logins of routes that this host leads to.
    init(_ plan: Plan, on own: RedirectTarget.Origin, _ services: AccessServices) {
        authPrefix = services.authPrefix
        var offers: [Offer] = []
        var seen: Set<String> = []
        for planned in plan.routes where Self.isOn(own, planned.route) {
            let paths = planned.route.paths.filter { $0.hasPrefix("/") }
            for path in paths.isEmpty && planned.route.paths.isEmpty ? ["/"] : paths {
                guard let instance = plan.login(for: path, origin: own, limits: services.limits)?.instance,
                    seen.insert(instance.sessionCookies.name).inserted
                else { continue }
                offers.append(Offer(title: instance.title, path: path))
            }
        }
        all = offers
    }

    private static func isOn(_ own: RedirectTarget.Origin, _ route: Route) -> Bool {
        route.hosts.isEmpty || RedirectTarget.isHost(own.host, ofRoute: route.hosts)
    }

    /// The page.
    var page: Page {
        var page = Page(title: "Sign in", paragraphs: ["Choose how to sign in."])
        page.links = all.map { offer in
            let target = "\(authPrefix)/start?rd=\(QueryArguments.encoded(offer.path))"
            return Page.Link(target: target, label: offer.title)
        }
        page.isChoice = true
        return page
    }
}

extension OpenIDConnect {
    /// What users call the login.
    var title: String {
        settings.login.title ?? RedirectTarget.host(of: settings.issuer.url) ?? settings.issuer.url
    }
}
