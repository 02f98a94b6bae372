// Who it is, signed by us for the upstream.
import Cryptography
import Gateway
import JSON
import Proxy

/// Somebody who is signed for; the same object for as long as the same is to be said of them.
protocol SignedSubject: AnyObject, Sendable {
    /// Claims beside those that say what was signed, by whom and for whom.
    func claims(_ choice: SignedIdentityChoice) -> [String: JSONValue]
}

/// Tells upstreams who it is as one plugin was told to; signs once for a subject and an audience, while that is good.
struct IdentitySigner: Sendable {
    let choice: SignedIdentityChoice
    let services: AccessServices

    /// The least that is left of what is signed for a credential that is about to end, in seconds.
    private static let leastSeconds = 10.0

    /// Sets the field that carries the signed identity.
    ///
    /// - Parameters:
    ///   - end: seconds since 1970 at which what was proven ends.
    ///   - isOne: whether that is the subject's own end, and no other credential has another.
    func sign(
        _ subject: any SignedSubject,
        until end: Double,
        isOne: Bool,
        _ passage: Passage
    ) throws(Refusal) {
        guard passage.door != .explanation else { return }
        let memory = services.signedIdentities(passage.worker)
        let route = choice.audiences.isEmpty ? passage.match?.planned : nil
        let key = SignedIdentities.Key(
            subject: ObjectIdentifier(subject),
            route: route.map { ObjectIdentifier($0) },
            end: isOne || end >= passage.now + choice.lifetime ? nil : end
        )
        let version = services.signing.version
        if let known = memory.entry(key, at: passage.now, keysVersion: version) {
            passage.upstream.add(known.edits)
            return
        }
        let audiences = choice.audiences.isEmpty ? [Self.audience(of: route)] : choice.audiences
        let claims = claims(of: subject, for: audiences, until: end, at: passage.now)
        var edits = FieldEdits()
        do {
            let token = try services.signing.sign(claims.members, type: "JWT", at: passage.now)
            try edits.set(choice.field.name, choice.field.value(token))
        } catch {
            throw error is FieldEditError ? .unsafeField : .failed(.init("internal-error"))
        }
        let entry = SignedIdentities.Entry(
            subject: subject,
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

    /// The claims that are signed, and when they are made anew: after two thirds of their life.
    private func claims(
        of subject: any SignedSubject,
        for audiences: [String],
        until expires: Double,
        at now: Double
    ) -> (members: [String: JSONValue], renewsAt: Double) {
        let start = now.rounded(.down)
        let end = max(min(now + choice.lifetime, expires), start + Self.leastSeconds).rounded(.down)
        let frame: [String: JSONValue] = [
            "iat": .integer(Int64(start)), "exp": .integer(Int64(end)),
            "aud": audiences.count == 1
                ? .string(audiences[0]) : .array(audiences.map { .string($0) }),
        ]
        return (subject.claims(choice).merging(frame) { $1 }, start + (end - start) * 2 / 3)
    }
}
