// The openid-connect plugin: the way to the issuer.
import Cryptography
import Gateway
import OIDC
import Proxy

/// Who wanted a login to begin.
enum LoginCause: Sendable, Equatable {
    /// A request that has no session: after two logins that did not hold, a page stops the loop (security row A9).
    case request
    /// The user, by a click: that begins from the beginning.
    case user
}

extension OpenIDConnect {
    /// Sends a browser to the issuer.
    ///
    /// - Parameters:
    ///   - target: where the login ends: a path of ours or a checked URL.
    ///   - hosts: the hosts of the route that the login is for.
    ///   - hint: `login_hint` of a login that a third party began.
    func beginLogin(
        _ passage: Passage,
        target: String,
        hosts: [String],
        hint: String? = nil,
        by cause: LoginCause = .request
    ) throws(Refusal) -> Step {
        guard let party = parties.client else { throw badCredential("no-client") }
        try requireNavigation(passage)
        let redirectURI = try redirectURI(passage, hosts)
        guard passage.door != .explanation else {
            return .answer(Answer.redirect(to: settings.issuer.url))
        }
        // A login whose session nobody could keep would end where it began.
        if let store, store.vault.isDown { throw storeUnavailable("not-connected") }
        let target = try safeTarget(target, passage)
        let round = try nextRound(passage, cause, target)
        try requireCookies(passage)
        let extra = extraParameters(target: target, hint: hint, by: cause)
        return .wait(
            Inquiry { [self] in
                let way = await wayOut(party, redirectURI: redirectURI, target: target, extra: extra)
                return { passage throws(Refusal) in
                    do throws(Refusal) {
                        return try self.leave(passage, way, target: target, round: round)
                    } catch {
                        throw error.offering(Page.Link(target: target, label: "Try again"))
                    }
                }
            }
        )
    }

    /// A login begins where a user goes: neither by what a page loads, nor by what a browser fetches ahead (V7).
    ///
    /// A browser that says nothing of that is believed to be where its user is.
    private func requireNavigation(_ passage: Passage) throws(Refusal) {
        let request = passage.request
        let isNavigation = request.string(of: .secFetchMode).map { $0 == "navigate" } ?? true
        guard isNavigation, request.first("sec-purpose") == nil else {
            throw .unauthenticated(settings.cause("not-a-navigation"))
        }
    }

    /// Where this passage's request was going, for a login that begins with it.
    func ownTarget(_ passage: Passage) -> String {
        String(decoding: passage.request.pathAndQuery, as: UTF8.self)
    }

    /// A place that stays what it is in a `Location`: a path that a browser might take for a host gets ours before it.
    private func safeTarget(_ target: String, _ passage: Passage) throws(Refusal) -> String {
        guard target.hasPrefix("/") else { return target }
        let own = try ownOrigin(passage)
        if let path = RedirectTarget(target, own: own, hosts: []) { return path.location }
        // Longer than a target may be, or with a second slash: it is the path that was asked for on this host.
        return own.text + target
    }

    /// Parameters of the authorization request that the configuration or the address asks for (security row S6).
    ///
    /// A user who asked for a login gets one that may ask him: `prompt=none` of the address he came from would only say
    /// once more that he has to.
    private func extraParameters(
        target: String,
        hint: String?,
        by cause: LoginCause
    ) -> [(String, String)] {
        let login = settings.login
        var extra = login.arguments.map { ($0.name, $0.value) }
        if !login.handedThrough.isEmpty,
            let query = target.split(separator: "?", maxSplits: 1).dropFirst().first,
            let arguments = QueryArguments(query.prefix { $0 != "#" }.utf8)
        {
            for name in login.handedThrough {
                guard let value = arguments.single(name), value.utf8.count <= Self.longestHandedThrough,
                    value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
                else { continue }
                if cause == .user, name == "prompt", value == "none" { continue }
                extra.append((name, value))
            }
        }
        if let hint { extra.append(("login_hint", hint)) }
        return extra
    }

    /// Longest value that a client may hand through to the issuer, in octets.
    static let longestHandedThrough = 512

    /// Whether a login for that place is to ask its user nothing, because the address says so.
    func isSilent(_ target: String) -> Bool {
        extraParameters(target: target, hint: nil, by: .request).contains { $0 == ("prompt", "none") }
    }

    /// A posted answer needs a cookie that crosses sites, and browsers keep those over https alone (K2).
    private func requireCookies(_ passage: Passage) throws(Refusal) {
        guard settings.login.responseMode.isPosted, !isHTTPS(passage) else { return }
        let host = passage.request.hostText
        guard host != "localhost", !host.hasPrefix("127."), host != "[::1]" else { return }
        let detail = "response_mode \(settings.login.responseMode.rawValue) needs https"
        throw .failed(settings.cause("https-needed-for-login", detail: detail))
    }

    private typealias Way = (request: AuthorizationRequest, url: String)

    /// The request and its URL; asks the issuer where it has to be asked.
    private func wayOut(
        _ party: RelyingParty,
        redirectURI: String,
        target: String,
        extra: [(String, String)]
    ) async -> Result<Way, OIDCError> {
        do throws(OIDCError) {
            let metadata = try await party.issuer.ready()
            var fresh = try AuthorizationRequest(redirectURI: redirectURI, usesPKCE: settings.login.usesPKCE)
            fresh.state = states.text(fresh.state, target: target, at: services.clock())
            fresh.responseMode = settings.login.responseMode.parameter
            let request = asked(fresh)
            return .success(
                (request, try await party.destination(of: request, extra: extra, at: metadata))
            )
        } catch {
            return .failure(error)
        }
    }

    private func leave(
        _ passage: Passage,
        _ way: Result<Way, OIDCError>,
        target: String,
        round: Int
    ) throws(Refusal) -> Step {
        switch way {
        case .failure(let error): throw issuerUnavailable(error.reason, detail: error.detail)
        case .success(let way):
            try keep(way.request, target: target, round: round, passage)
            var answer = Answer.redirect(to: way.url, status: passage.request.method == .post ? 303 : 302)
            answer.fields.append(("Referrer-Policy", "no-referrer"))
            return .answer(answer)
        }
    }

    /// Seals the attempt into the browser; a target that is too long for a cookie is shortened.
    private func keep(
        _ request: AuthorizationRequest,
        target: String,
        round: Int,
        _ passage: Passage
    ) throws(Refusal) {
        let path =
            target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1).first.flatMap { String($0) } ?? "/"
        for target in [target, path, "/"] {
            var attempt = LoginAttempt(
                state: request.state,
                nonce: request.nonce,
                verifier: request.verifier,
                redirectURI: request.redirectURI,
                target: target,
                startedAt: passage.now
            )
            attempt.round = round
            do throws(SealError) {
                let lines = try loginCookies.lines(
                    attempt,
                    https: isHTTPS(passage),
                    request: passage.request,
                    at: passage.now
                )
                guard setCookies(lines, passage) else { throw .tooLarge }
                return
            } catch {
                guard error == .tooLarge else { throw .failed(settings.cause("internal-error")) }
            }
        }
        throw .failed(settings.cause("internal-error"))
    }

    /// Where the issuer sends the browser back: as configured, for this host if there are several; else the own
    /// path on the host that the browser asked.
    func redirectURI(_ passage: Passage, _ hosts: [String]) throws(Refusal) -> String {
        let own = try ownOrigin(passage)
        if let first = settings.login.redirectURIs.first {
            return settings.login.redirectURIs.first { RedirectTarget.origin(of: $0) == own } ?? first
        }
        let listed = services.redirectHosts
        if listed != nil || !hosts.isEmpty,
            !RedirectTarget.isListed(own.host, port: nil, in: listed ?? []),
            !RedirectTarget.isListed(own.host, port: own.port, in: listed ?? []),
            !RedirectTarget.isHost(own.host, ofRoute: hosts)
        {
            throw .forbidden(
                settings.cause(
                    "unknown-host",
                    forbidden: true,
                    detail: "neither the route's hosts nor redirect_hosts list the host"
                )
            )
        }
        return own.text + services.authPrefix + "/callback"
    }

    /// The scheme and authority by which the browser asked.
    func ownOrigin(_ passage: Passage) throws(Refusal) -> RedirectTarget.Origin {
        guard let origin = RedirectTarget.Origin(passage) else {
            throw .malformed(settings.cause("malformed-host"))
        }
        return origin
    }
}
