// The openid-connect plugin: what is remembered beside sessions, on the way in and out.
import Cryptography
import Gateway
import JOSE
import Proxy

extension OpenIDConnect {
    /// Makes ready what is remembered beside sessions, where that is asked for.
    static func remembering(
        _ settings: OpenIDConnectSettings,
        _ vault: (any SessionVault)?,
        _ identity: [String],
        _ ring: SealingKeyRing,
        _ services: AccessServices
    ) throws(CryptoError) -> Remembering? {
        guard let choice = settings.session.remembered else { return nil }
        let digest = try Digest.sha256.hash(utf8: SealedCookie.tuple(identity))
        let cookies = SessionCookies(
            name: choice.name ?? "remember-\(Hexadecimal.encode(digest[..<4]))",
            attributes: settings.session.cookie,
            seal: SealedCookie(purpose: "remembered session " + SealedCookie.tuple(identity), ring: ring),
            limits: choice.limits
        )
        let store = try vault.map { vault throws(CryptoError) in
            try SessionStore(
                vault,
                identity: SealedCookie.tuple(identity + ["remembered"]),
                ring: ring,
                limits: choice.limits,
                graceSeconds: 0,
                clock: services.clock
            )
        }
        services.state.endedSessions.allow(seconds: choice.limits.longestSeconds)
        return Remembering(cookies: cookies, store: store)
    }

    // MARK: In

    /// Whether the request has any part of the cookie, good or not.
    func showsRemembered(_ passage: Passage) -> Bool { presentRememberedParts(passage) > 0 }

    private func presentRememberedParts(_ passage: Passage) -> Int {
        guard let remembering, let field = passage.request.first(.cookie) else { return 0 }
        return passage.request.withValue(field) {
            remembering.cookies.presentParts(in: $0, https: isHTTPS(passage))
        }
    }

    /// What the request shows; nil for no cookie of that name.
    func shownRemembered(_ passage: Passage) -> ShownRemembered? {
        let request = passage.request
        guard let remembering, let field = request.first(.cookie) else { return nil }
        let https = isHTTPS(passage)
        let (cookies, now) = (remembering.cookies, passage.now)
        let presented = request.withValue(field) { octets in
            cookies.presented(in: octets, https: https) { text -> ShownRemembered in
                if let store = remembering.store {
                    let name = cookies.fullName(https: https)
                    return store.open(text, name: name, at: now).map { .handle($0) } ?? .unreadable
                }
                return cookies.open(text, https: https, at: now).map { .copy($0) } ?? .unreadable
            }
        }
        switch presented {
        case .none: return nil
        case .broken: return .unreadable
        // Two fields would be two readings of one request (security rows K4, P5).
        case .sealed(let shown): return request.count(of: .cookie) == 1 ? shown : .unreadable
        }
    }

    // MARK: Out

    /// A session that begins, with a name for what is remembered beside it.
    func remembered(_ session: Session) -> Session {
        guard let remembering else { return session }
        var session = session
        if remembering.store != nil {
            guard let handle = try? SessionHandle.random() else { return session }
            session.counterpart = handle.id
            session.rememberedHandle = handle.octets
        } else {
            session.counterpart = (try? Random.bytes(16)).map { Base64URL.encode($0) }
        }
        return session
    }

    /// Whether the issuer gives a session new tokens.
    func isRenewable(_ session: Session) -> Bool {
        settings.session.refreshes && session.refreshToken != nil && parties.client != nil
    }

    /// Writes the cookie that brings `session` back; where sessions are stored, if the browser's part is at hand.
    func remember(_ session: Session, _ passage: Passage) {
        guard let remembering, passage.door != .explanation,
            let copy = remembering.copy(of: session, isRenewable: isRenewable(session), at: passage.now),
            remembering.limits.isAlive(copy, at: passage.now)
        else { return }
        let https = isHTTPS(passage)
        let name = remembering.cookies.fullName(https: https)
        var end = remembering.limits.end(of: copy)
        let text: String?
        if let store = remembering.store {
            guard let octets = session.rememberedHandle else { return }
            // How long it lies unused there the store itself watches.
            end = copy.createdAt + remembering.limits.longestLife
            text = try? store.seal(octets, name: name, of: copy)
        } else {
            text = try? remembering.cookies.seal.seal(copy.serialized(), name: name, expires: end)
        }
        let lines = text.flatMap {
            try? remembering.cookies.lines(
                sealed: $0,
                https: https,
                present: presentRememberedParts(passage),
                maximumAge: Int(end - passage.now)
            )
        }
        if let lines { setCookies(lines, passage) }
    }

    /// Writes it anew with a session in use, where it has aged or the browser has it no more.
    func rollRemembered(_ session: Session, _ passage: Passage) {
        guard let remembering, remembering.store == nil, session.counterpart != nil else { return }
        if case .copy(let copy) = shownRemembered(passage), copy.id == session.counterpart,
            !remembering.isDue(copy, at: passage.now)
        {
            return
        }
        remember(session, passage)
    }

    /// Removes the cookies of the session and of what is remembered beside it.
    func dropCookies(_ passage: Passage) {
        guard passage.door != .explanation else { return }
        let https = isHTTPS(passage)
        setCookies(sessionCookies.removals(https: https, present: presentParts(passage)), passage)
        dropToken(passage)
        guard let remembering, showsRemembered(passage) else { return }
        let parts = presentRememberedParts(passage)
        setCookies(remembering.cookies.removals(https: https, present: parts), passage)
    }

    /// Ends what the request shows as remembered, and with it every copy of its cookie (security rows S4, V4).
    func endRemembered(_ passage: Passage) {
        guard let remembering, let shown = shownRemembered(passage) else { return }
        switch shown {
        case .unreadable: break
        case .copy(let copy): end(copy, at: passage.now)
        case .handle(let handle):
            if let store = remembering.store { endStored(handle.id, store) }
            end(handle.id, at: passage.now)
        }
    }

    // MARK: The store

    /// Puts what is remembered of a session that begins into the store.
    func beginRemembered(_ session: Session) async throws(StoreUnavailable) {
        guard let remembering, let store = remembering.store,
            let copy = remembering.copy(of: session, isRenewable: false, at: services.clock())
        else { return }
        try await store.begin(copy)
    }

    /// Gives what is remembered in the store a session's new tokens.
    ///
    /// Where that fails it keeps the former ones, which an issuer may take no more: then its user logs in again.
    func rememberTokens(of session: Session) async {
        guard let remembering, let store = remembering.store, let id = session.counterpart,
            let found = try? await store.read(id),
            let copy = remembering.copy(of: session, isRenewable: false, at: services.clock())
        else { return }
        _ = try? await store.replace(copy, after: found.record.version)
    }

    /// Lets what is remembered in the store last on, beside the request, when its session was just renewed by use.
    func rollStored(_ session: Session, at now: Double) {
        guard let store = remembering?.store, let id = session.counterpart,
            session.renewedAt > session.createdAt, now - session.renewedAt < SessionStore.memorySeconds
        else { return }
        let key = Array(SealedCookie.tuple([self.id, "remembered", id]).utf8)
        services.state.lookups.begin(key, clock: services.clock, keep: { _ in 2 }) {
            do throws(StoreUnavailable) {
                return try await store.use(id).map { .found($0) } ?? .missing
            } catch {
                return .down(reason: error.reason)
            }
        }
    }
}
