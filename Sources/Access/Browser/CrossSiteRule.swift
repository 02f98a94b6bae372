// Whose page sent a request that a browser's cookie lets in.
import Gateway
import Proxy

/// How much is asked of requests that change something and show nothing but a cookie.
enum CrossSiteChoice: String, Sendable, CaseIterable {
    /// What comes from another site is refused.
    case crossSite = "cross-site"
    /// What comes from another origin is refused, of the same site too.
    case sameOrigin = "same-origin"
    case off
}

/// The rule against requests that another site makes a browser send (CSRF).
///
/// Browsers say where a request comes from, in `Sec-Fetch-Site` (Fetch Metadata §2.4) or else in `Origin` (RFC 6454 §7).
/// Of one that says neither a token may be asked for (`CSRFTokens`).
struct CrossSiteRule: Sendable, Equatable {
    let choice: CrossSiteChoice
    /// Origins whose pages may ask all the same, as browsers write them.
    let trusted: [String]

    /// What of a request the rule looks at.
    struct Facts: Equatable {
        /// Whether it can change anything: its method says so, or it opens a tunnel.
        var isUnsafe: Bool
        /// Every value of `Sec-Fetch-Site`.
        var sites: [String]
        /// Every value of `Origin`.
        var origins: [String]
        /// The origin that was asked.
        var own: String
        /// An origin that `cors` of the route lets ask with cookies.
        var granted: String?

        /// Whether the browser says nothing of where the request comes from.
        var isSilent: Bool { sites.isEmpty && origins.isEmpty }
    }

    /// Whether a request may count as the user's own.
    func passes(_ facts: Facts) -> Bool {
        guard choice != .off, facts.isUnsafe else { return true }
        guard facts.sites.count <= 1, facts.origins.count <= 1 else { return false }
        let origin = facts.origins.first?.lowercased()
        if let origin, trusted.contains(origin) || facts.granted?.lowercased() == origin { return true }
        guard let site = facts.sites.first else {
            // Neither: no browser of this decade, and what is no browser is nobody's puppet.
            return origin.map { $0 == facts.own } ?? true
        }
        switch site.lowercased() {
        case "same-origin", "none": return true
        case "same-site": return choice == .crossSite
        default: return false
        }
    }

    /// Reads the settings.
    init(_ check: inout SettingsCheck) {
        let settings = check.settings
        choice = CrossSiteChoice(rawValue: settings.string("csrf_protection") ?? "") ?? .crossSite
        trusted = settings.strings("csrf_trusted_origins") ?? []
        for text in trusted where RedirectTarget.origin(of: text)?.text != text {
            check.fail(
                "csrf_trusted_origins",
                "'\(text)' is no origin; expected one such as https://app.example.com"
            )
        }
    }

    init(_ choice: CrossSiteChoice, trusted: [String] = []) {
        self.choice = choice
        self.trusted = trusted
    }
}

extension OpenIDConnect {
    private static let grantsCredentials: FieldName = "access-control-allow-credentials"
    private static let upgrade: FieldName = "upgrade"
    private static let grantsOrigin: FieldName = "access-control-allow-origin"

    /// Refuses a request that changes something, shows a cookie alone, and was sent by another site's page.
    ///
    /// - Parameter session: what a token would be bound to; nil where the cookie carries a bearer token.
    func refuseCrossSite(_ passage: Passage, _ session: Session? = nil) throws(Refusal) {
        let rule = settings.crossSite
        let request = passage.request
        switch request.method {
        case .get, .head, .options:
            // A tunnel is opened by GET, and what goes through it is not asked about again.
            guard request.first(Self.upgrade) != nil else { return }
        case .post, .put, .delete, .patch, .connect, .trace, .other: break
        }
        guard rule.choice != .off else { return }
        let grants = passage.answer.value(of: Self.grantsCredentials) == "true"
        let facts = CrossSiteRule.Facts(
            isUnsafe: true,
            sites: request.fields.strings(of: .secFetchSite),
            origins: request.fields.strings(of: .origin),
            own: RedirectTarget.Origin(passage)?.text ?? "",
            granted: grants ? passage.answer.value(of: Self.grantsOrigin) : nil
        )
        guard rule.passes(facts) else {
            let detail = "a page of another site sent it; csrf_trusted_origins or cors may let that page ask"
            throw .forbidden(settings.cause("cross-site-request", forbidden: true, detail: detail))
        }
        guard facts.isSilent, let csrfTokens, let session, !showsToken(of: session, csrfTokens, passage)
        else { return }
        handOutToken(of: session, passage)
        let detail = "no Sec-Fetch-Site, no Origin, and no token of this session in \(csrfTokens.field)"
        throw .forbidden(settings.cause("csrf-token-missing", forbidden: true, detail: detail))
    }
}
