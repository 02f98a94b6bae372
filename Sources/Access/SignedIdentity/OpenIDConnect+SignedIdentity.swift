// The openid-connect plugin: who it is, signed by us for the upstream.
import Cryptography
import Gateway
import JSON
import Proxy

extension OpenIDConnect {
    /// Sets the field that carries the signed identity; signed once for a credential and an audience, while it is good.
    func sign(_ choice: SignedIdentityChoice, _ proven: ProvenCredential, _ passage: Passage) throws(Refusal)
    {
        guard passage.door != .explanation else { return }
        let memory = services.signedIdentities(passage.worker)
        let route = choice.audiences.isEmpty ? passage.match?.planned : nil
        let key = SignedIdentities.Key(
            proven: ObjectIdentifier(proven),
            route: route.map { ObjectIdentifier($0) }
        )
        let version = services.signing.version
        if let known = memory.entry(key, at: passage.now, keysVersion: version) {
            passage.upstream.add(known.edits)
            return
        }
        let audiences = choice.audiences.isEmpty ? [Self.audience(of: route)] : choice.audiences
        let claims = choice.claims(of: proven, for: audiences, at: passage.now)
        var edits = FieldEdits()
        do {
            let token = try services.signing.sign(claims.members, type: "JWT", at: passage.now)
            try edits.set(choice.field.name, choice.field.value(token))
        } catch {
            throw error is FieldEditError ? .unsafeField : .failed(settings.cause("internal-error"))
        }
        let entry = SignedIdentities.Entry(
            proven: proven,
            edits: edits,
            renewsAt: claims.renewsAt,
            keysVersion: version
        )
        memory.keep(entry, key)
        passage.upstream.add(edits)
    }

    /// The name of the service that a request goes to, or else its host.
    private static func audience(of route: PlannedRoute?) -> String {
        route?.service.map { $0.name ?? $0.host } ?? ""
    }

    /// Refuses a configuration in which nobody would be named as the audience.
    func requireAudience(_ scope: PluginScope, _ read: Settings) throws(ConfigurationError) {
        guard let choice = settings.signedIdentity, choice.audiences.isEmpty,
            let route = scope.routes.first(where: { $0.service == nil })
        else { return }
        throw read.error(
            "upstream_identity_audience",
            "is required where a route has no service, as '\(route.title)'"
        )
    }
}

extension SignedIdentityChoice {
    /// The least that is left of what is signed for a credential that is about to end, in seconds.
    private static let leastSeconds = 10.0

    /// The claims that are signed, and when they are made anew: after two thirds of their life.
    func claims(
        of proven: ProvenCredential,
        for audiences: [String],
        at now: Double
    ) -> (members: [String: JSONValue], renewsAt: Double) {
        let start = now.rounded(.down)
        let end = max(min(now + lifetime, proven.expires), start + Self.leastSeconds).rounded(.down)
        var members: [String: JSONValue] = [
            "iat": .integer(Int64(start)), "exp": .integer(Int64(end)),
            "aud": audiences.count == 1
                ? .string(audiences[0]) : .array(audiences.map { .string($0) }),
        ]
        if let subject = proven.identity.subject { members["sub"] = .string(subject) }
        if let issuer = proven.identity.issuer { members["idp"] = .string(issuer) }
        for name in claims {
            if let value = proven.sources.claim(at: [name])?.value { members[name] = value }
        }
        return (members, start + (end - start) * 2 / 3)
    }
}
