// The own path that an issuer shows in a frame when somebody logs out there (OIDC Front-Channel Logout 1.0).
import Fetch
import Gateway
import OIDC
import Proxy

/// Answers `frontchannel-logout`: whoever knows the address can call it, so it ends nothing but the session whose
/// cookie came along (security row S7).
struct FrontChannelLogoutPath: Sendable {
    let services: AccessServices

    var own: OwnPath {
        OwnPath(path: "\(services.authPrefix)/frontchannel-logout", methods: [.get]) {
            passage throws(Refusal) in
            try services.knowingSessions(passage) { passage throws(Refusal) in try serve(passage) }
        }
    }

    private func serve(_ passage: Passage) throws(Refusal) -> Step {
        guard let arguments = QueryArguments(passage.request.query ?? []) else {
            throw refusal("malformed-query", passage)
        }
        guard !arguments.repeats(["iss", "sid"]) else { throw refusal("repeated-parameter", passage) }
        guard let issuer = arguments.single("iss"), let sid = arguments.single("sid"), !sid.isEmpty else {
            throw refusal("missing-parameter", passage, "iss and sid are both needed (§3)")
        }
        let logins = passage.plan.logins.filter { $0.isIssuer(issuer) }
        guard let first = logins.first else { throw refusal("wrong-issuer", passage) }
        var hasEnded = false
        for login in logins {
            let alive = login.presentedSession(passage)
            guard let session = alive ?? login.presentedRemembered(passage), session.issuerSession == sid
            else { continue }
            login.endSession(alive, passage)
            hasEnded = true
        }
        passage.countLogout("front-channel", hasEnded ? "ended" : "no-session")
        // The same for whoever has no session: nothing is told of it.
        return services.whenSettled(Self.page(framedBy: first.frameOrigins, passage))
    }

    private func refusal(_ reason: String, _ passage: Passage, _ detail: String? = nil) -> Refusal {
        passage.countLogout("front-channel", "refused")
        return .malformed(.init(reason, detail: detail))
    }

    /// A page that the issuer alone may show in a frame; it has nothing to click (row V18).
    private static func page(framedBy origins: [String], _ passage: Passage) -> Answer {
        var answer = Page(title: "You are signed out").answer(status: 200, to: passage)
        let policy = "frame-ancestors 'none'"
        answer.fields = answer.fields.compactMap { name, value in
            switch name {
            case "X-Frame-Options": nil
            case "Content-Security-Policy":
                (
                    name,
                    value.replacing(policy, with: "frame-ancestors " + origins.joined(separator: " "))
                )
            default: (name, value)
            }
        }
        return answer
    }
}

extension OpenIDConnect {
    /// The origins whose pages may show the front-channel logout in a frame: the issuer's, and of its logout.
    var frameOrigins: [String] {
        let urls = [parties.issuer.settings.issuer, parties.issuer.metadata?.endpoints.endSession]
        var origins: [String] = []
        for url in urls.compactMap({ $0 }) {
            guard let address = try? WebAddress(url) else { continue }
            let standard = address.scheme == "https" ? 443 : 80
            let host = address.host.contains(":") ? "[\(address.host)]" : address.host
            let origin = "\(address.scheme)://\(host)\(address.port == standard ? "" : ":\(address.port)")"
            if !origins.contains(origin) { origins.append(origin) }
        }
        return origins.isEmpty ? ["'none'"] : origins
    }
}
