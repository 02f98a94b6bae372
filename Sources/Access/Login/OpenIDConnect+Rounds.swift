// The openid-connect plugin: logins that succeed and do not hold.
import Gateway
import Proxy

/// A login that succeeded lately, as a cookie tells it: which round of logins without a session it was.
///
/// The browser itself forgets it after a minute. It says nothing that would let anybody in: who writes it himself gets
/// a page one click sooner.
struct LoginRounds: Sendable {
    /// Rounds after which a page asks instead of another redirect: one retry that nobody asked for a minute (A9).
    static let limit = 2
    /// Seconds that the browser remembers.
    static let seconds = 60

    let attributes: CookieAttributes
    private let plainName: String
    private let secureName: String

    init(_ cookies: LoginCookies, id: String) {
        attributes = cookies.attributes
        plainName = cookies.attributes.fullName(cookies.name, https: false) + "-landing-\(id)"
        secureName = cookies.attributes.fullName(cookies.name, https: true) + "-landing-\(id)"
    }

    /// The round of the last login within the minute; 0 for none.
    func last(in request: RequestHead, https: Bool) -> Int {
        guard let field = request.first(.cookie) else { return 0 }
        let name = Array((https ? secureName : plainName).utf8)
        return request.withValue(field) { field in
            let sighting = CookieJar.find(name, in: field)
            guard sighting.count > 0 else { return 0 }
            return Int(CookieJar.text(field, sighting.value)).map { min(max(0, $0), Self.limit) } ?? 0
        }
    }

    /// A `Set-Cookie` value that notes a login of this round.
    func line(_ round: Int, https: Bool) -> String {
        attributes.line(
            https ? secureName : plainName,
            String(min(round, Self.limit)),
            https: https,
            maximumAge: Self.seconds
        )
    }

    /// A `Set-Cookie` value that forgets.
    func removal(https: Bool) -> String { attributes.removal(https ? secureName : plainName, https: https) }
}

extension OpenIDConnect {
    /// Which round of logins begins now; refused where two have succeeded within the minute, and no session came of it.
    func nextRound(_ passage: Passage, _ cause: LoginCause, _ target: String) throws(Refusal) -> Int {
        guard cause == .request else { return 1 }
        let last = rounds.last(in: passage.request, https: isHTTPS(passage))
        guard last >= LoginRounds.limit else { return last + 1 }
        var cause = settings.cause("login-loop", challenges: challenges(error: nil, offersPasswords: false))
        cause.message = "The login does not hold in this browser"
        cause.hint =
            "The login succeeded twice, and each time the browser came back without it. Does it refuse cookies?"
        cause.wayOn = Page.Link(target: startPath(target), label: "Start again")
        throw .unauthenticated(cause)
    }

    /// The refusal of a user who is known, with a way to become another one.
    func forSomebodyElse(_ refusal: Refusal, _ passage: Passage) -> Refusal {
        guard passage.door == .proxy, passage.isBrowserNavigation else { return refusal }
        var cause = refusal.cause
        cause.hint = "You are signed in, but you may not enter here."
        let way =
            settings.answers.endsSessionOnForbidden
            ? Page.Link(target: startPath(ownTarget(passage)), label: "Sign in again")
            : Page.Link(target: services.authPrefix + "/sign_out", label: "Sign out")
        return refusal.with(cause).offering(way)
    }

    /// The address that begins a login by a click.
    func startPath(_ target: String) -> String {
        "\(services.authPrefix)/start?again=1&rd=\(QueryArguments.encoded(target))"
    }

    /// Forgets that a login succeeded lately: the session was ended on purpose.
    func forgetRounds(_ passage: Passage) {
        guard rounds.last(in: passage.request, https: isHTTPS(passage)) > 0 else { return }
        setCookies([rounds.removal(https: isHTTPS(passage))], passage)
    }
}
