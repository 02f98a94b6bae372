// The openid-connect plugin: credentials that the issuer trades for tokens.
import Cryptography
import Gateway
import JOSE
import OIDC
import Proxy

/// What came of asking the issuer for tokens.
enum GrantOutcome: Sendable {
    /// The tokens, and what they prove.
    case granted(ProvenCredential, lifetime: Double?)
    /// The issuer says no.
    case refused(reason: String, detail: String)
    /// The issuer cannot be asked now.
    case unavailable(reason: String)
}

/// What a request shows that is not yet a token.
enum GrantCredential: Sendable {
    case basic(BasicCredential)
    case refreshToken(String)
}

extension OpenIDConnect {
    /// Answers a credential that the issuer must be asked about, unless it said yes before.
    func grant(_ credential: GrantCredential, _ passage: Passage) throws(Refusal) -> Step {
        let handed = settings.tokenRequest.handed(passage.request)
        let key: [UInt8]
        do throws(CryptoError) { key = try grantKey(credential, handed) } catch {
            throw .failed(settings.cause("internal-error"))
        }
        if settings.cache.keepsTokens, let known = services.state.grants.value(key, at: passage.now) {
            return try admit(known, passage)
        }
        guard passage.door != .explanation else {
            throw .unavailable(retryAfterSeconds: 5, settings.cause("needs-issuer"))
        }
        return .wait(
            Inquiry { [self] in
                let outcome = await services.state.grantFlights.run(
                    key,
                    clock: services.clock,
                    keep: { _ in 0 }
                ) {
                    [self] in await ask(credential, handed)
                }
                return { passage throws(Refusal) in try self.resume(after: outcome, key, passage) }
            }
        )
    }

    private func resume(
        after outcome: GrantOutcome,
        _ key: [UInt8],
        _ passage: Passage
    ) throws(Refusal) -> Step {
        switch outcome {
        case .granted(let proven, let lifetime):
            if settings.cache.keepsTokens {
                // Renewed a little ahead of its end, so that none ends on its way to the upstream (security row A18).
                let margin = lifetime.map { min(10, $0 / 10) } ?? 0
                let seconds = settings.cache.seconds(lifetime: lifetime.map { $0 - margin })
                services.state.grants.keep(proven, key, until: passage.now + seconds, at: passage.now)
            }
            return try admit(proven, passage)
        case .refused(let reason, let detail): throw badCredential(reason, detail: detail)
        case .unavailable(let reason): throw issuerUnavailable(reason)
        }
    }

    /// Everything that a grant's outcome depends on, under a keyed hash (security rows H4, A18).
    private func grantKey(
        _ credential: GrantCredential,
        _ handed: TokenRequestTerms.Handed
    ) throws(CryptoError) -> [UInt8] {
        let common =
            handed.words + [
                String(number), settings.issuer.url, settings.client?.id ?? "",
                settings.login.scopes.joined(separator: " "), settings.login.audiences.joined(separator: " "),
            ]
        switch credential {
        case .basic(let pair):
            return try services.state.grants.key(for: ["basic", pair.name, pair.secret] + common)
        case .refreshToken(let token):
            return try services.state.grants.key(for: ["refresh", token] + common)
        }
    }

    /// Asks the issuer: for a name and a secret the password first, then the client's own.
    private func ask(
        _ credential: GrantCredential,
        _ handed: TokenRequestTerms.Handed
    ) async -> GrantOutcome {
        switch credential {
        case .refreshToken(let token):
            guard let party = parties.client?.handing(handed) else {
                return .refused(reason: "no-client", detail: "no client_id")
            }
            return await outcome(.refreshToken, subject: nil) { () async throws(OIDCError) in
                try await party.refresh(token, previous: nil)
            }
        case .basic(let pair):
            var outcome: GrantOutcome?
            if settings.methods.contains(.password), let party = parties.client?.handing(handed) {
                outcome = await self.outcome(.password, subject: pair.name) { () async throws(OIDCError) in
                    try await party.password(
                        username: pair.name,
                        password: pair.secret
                    )
                }
            }
            if let outcome, !isRefused(outcome) { return outcome }
            guard settings.methods.contains(.clientCredentials) else {
                return outcome ?? .refused(reason: "grant-refused", detail: "no grant takes it")
            }
            let party = parties.asClient(pair, settings).handing(handed)
            return await self.outcome(.clientCredentials, subject: pair.name) { () async throws(OIDCError) in
                try await party.clientCredentials()
            }
        }
    }

    private func isRefused(_ outcome: GrantOutcome) -> Bool {
        if case .refused = outcome { true } else { false }
    }

    private func outcome(
        _ method: AuthenticationMethod,
        subject: String?,
        _ ask: @Sendable () async throws(OIDCError) -> TokenSet
    ) async -> GrantOutcome {
        do throws(OIDCError) {
            let tokens = try await ask()
            let now = services.clock()
            var facts = try await parties.facts(of: tokens, method: method, at: now)
            facts.subject = facts.subject ?? subject
            facts.replayed = settings.tokenRequest.replayed(tokens, of: method)
            let lifetime = tokens.expiresAt.map { $0.seconds - now }
            return .granted(settings.proven(facts, consumers: consumers), lifetime: lifetime)
        } catch {
            if error.isUnavailable { return .unavailable(reason: error.reason) }
            return .refused(reason: error.reason, detail: error.detail)
        }
    }
}
