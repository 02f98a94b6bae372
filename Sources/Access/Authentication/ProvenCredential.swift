// What a credential proved: who it is, whether they may pass, and what others are told.
import Gateway
import JSON
import OIDC
import Proxy
import Synchronization

/// A credential that was proven, with everything that follows from it; never changed, so that it may be kept.
final class ProvenCredential: Sendable {
    /// Who it is.
    let identity: Identity
    /// Why they may not pass, if they may not.
    let refusal: Refusal?
    /// What the upstream is told.
    let upstream: FieldEdits
    /// What the client is told.
    let downstream: FieldEdits
    /// The session, for credentials that are one.
    let session: Session?
    /// By what the session is known where sessions are ended.
    let standing: SessionStanding?
    /// The claims, in the order in which they decide.
    let sources: ClaimSources
    /// The access token.
    let accessToken: String?
    /// The values of the claim that holds groups.
    let groups: [String]
    /// Seconds since 1970 at which it ends; infinite for a session, whose limits are asked each time.
    let expires: Double
    /// Seconds since 1970 until which it needs no new proof; at most until it ends.
    let keptUntil: Double
    /// The issuer's keys that proved it; others prove anew.
    let keysVersion: UInt64
    /// What whoever shows it has to prove besides, each time; nil for nothing.
    let possession: Possession?
    /// What it tells of the user's authentication, where that is asked for.
    let authentication: Authentication?
    /// How callouts tell who it is, once one has.
    let told = AtomicLazyReference<ToldIdentity>()

    /// Stands for the keys of what no key proved.
    static let withoutKeys = UInt64.max

    init(
        identity: Identity,
        refusal: Refusal?,
        upstream: FieldEdits,
        downstream: FieldEdits,
        facts: CredentialFacts,
        groups: [String],
        possession: Possession? = nil,
        authentication: Authentication? = nil
    ) {
        self.identity = identity
        self.refusal = refusal
        self.upstream = upstream
        self.downstream = downstream
        self.groups = groups
        session = facts.session
        standing = facts.standing
        sources = facts.sources
        accessToken = facts.accessToken
        expires = facts.expires
        keptUntil = facts.keptUntil ?? facts.expires
        keysVersion = facts.keysVersion
        self.possession = possession
        self.authentication = authentication
    }

    /// About how many bytes of memory it holds, for the bound of what is kept.
    ///
    /// The tokens of a session are counted with its cookie, which they fill.
    var approximateBytes: Int {
        // Groups twice: a callout's words have them again.
        sources.sources.reduce(accessToken?.utf8.count ?? 0) { $0 + $1.approximateBytes }
            + groups.reduce(0) { $0 + 2 * $1.utf8.count }
    }
}

/// The tokens and claims that a credential consists of, before anything is decided.
struct CredentialFacts: Sendable {
    /// How it was shown.
    var method: AuthenticationMethod
    /// The issuer who vouches.
    var issuer: String
    /// `sub`, or the client's identifier.
    var subject: String?
    /// The claims, in the order in which they decide.
    var sources: ClaimSources
    var accessToken: String?
    var idToken: String?
    var refreshToken: String?
    var userInfo: JSONValue?
    /// What the issuer said when it was asked about the access token.
    var introspection: TokenInformation?
    var session: Session?
    var standing: SessionStanding?
    /// Fields of the token endpoint's answer, for the client.
    var replayed: [TokenRequestTerms.Replayed] = []
    var expires = Double.infinity
    var keysVersion: UInt64 = 0
    /// Until when it needs no new proof; nil for as long as it lasts.
    var keptUntil: Double?
}

extension OpenIDConnectSettings {
    /// Decides on a credential: the rules, the consumer, the fields.
    func proven(_ facts: CredentialFacts, consumers: ConsumerDirectory) -> ProvenCredential {
        var identity = Identity(subject: facts.subject, issuer: facts.issuer, method: facts.method.rawValue)
        identity.credentialIdentifier = credentialIdentifier(facts)
        if let path = self.identity.authenticatedGroupsPath, let claim = facts.sources.claim(at: path) {
            identity.groups = Self.groups(claim.value)
        }
        var refusal = refusal(of: facts.sources)
        switch consumerRule.consumer(of: facts.sources, among: consumers) {
        case .notAsked: break
        case .found(let consumer, _): identity.consumer = consumer
        case .missing where consumerRule.isOptional: break
        case .missing:
            refusal = refusal ?? forbidden("consumer-not-found", "no consumer has the claim's value")
        }
        var upstream = credentialRemovals
        var downstream = FieldEdits()
        do {
            try Self.write(self.identity.upstream, facts, to: &upstream)
            try Self.write(self.identity.downstream, facts, to: &downstream)
            for replayed in facts.replayed { try downstream.append(replayed.field, replayed.value) }
            _ = try ClaimText.list(identity.groups)
        } catch {
            refusal = refusal ?? forbidden("unsendable-claim", "a claim cannot stand in a field of a request")
        }
        return ProvenCredential(
            identity: identity,
            refusal: refusal,
            upstream: upstream,
            downstream: downstream,
            facts: facts,
            groups: facts.sources.claim(at: self.identity.groupsPath).map { Self.groups($0.value) } ?? [],
            possession: possession(facts),
            authentication: stepUp.map { Authentication(facts.sources, $0) }
        )
    }

    /// What is to be proven of a token that the client itself shows; the tokens of a session or a grant are ours.
    private func possession(_ facts: CredentialFacts) -> Possession? {
        guard facts.method.showsToken, let token = facts.accessToken else { return nil }
        // Issuers that are asked may say null of what there is not; a token that does is not understood.
        let confirmation = facts.sources.sources.lazy.compactMap { $0.claim(at: ["cnf"]) }
            .first { facts.method == .bearer || !$0.isNull }
        return Possession(confirmation, token: token, proof)
    }

    private func forbidden(_ reason: String, _ detail: String) -> Refusal {
        .forbidden(cause(reason, forbidden: true, detail: detail))
    }

    /// The first rule that refuses, as a refusal.
    func refusal(of sources: ClaimSources) -> Refusal? {
        guard let rule = policy.refusal(of: sources) else { return nil }
        var cause = cause(rule.reason, forbidden: true, detail: "\(rule.setting) is not met")
        if rule.kind == .scopes {
            let scope = rule.items.first ?? ""
            cause.challenges = answers.challenge.tokens(error: "insufficient_scope", [("scope", scope)])
        }
        return .forbidden(cause)
    }

    private func credentialIdentifier(_ facts: CredentialFacts) -> String? {
        if let value = facts.sources.claim(at: identity.credentialPath)?.value {
            return ClaimRule.text(value)
        }
        return facts.subject
    }

    private static func groups(_ claim: JSONValue) -> [String] {
        switch claim {
        case .array(let elements): elements.compactMap(ClaimRule.text)
        case .string(let text): ClaimRule.groups(in: text)
        default: []
        }
    }

    private static func write(
        _ fields: IdentityFields,
        _ facts: CredentialFacts,
        to edits: inout FieldEdits
    ) throws {
        if let field = fields.accessToken, let token = facts.accessToken {
            try edits.set(field.name, field.value(token))
        }
        if let field = fields.idToken, let token = facts.idToken {
            try edits.set(field.name, field.value(token))
        }
        if let field = fields.refreshToken, let token = facts.refreshToken {
            try edits.set(field.name, field.value(token))
        }
        if let name = fields.sessionID, let session = facts.session { try edits.set(name, session.id) }
        if let name = fields.userInfo, let userInfo = facts.userInfo {
            try edits.set(name, ClaimText.base64(userInfo.serialized()))
        }
        if let name = fields.introspection, let information = facts.introspection {
            try edits.set(name, ClaimText.base64(information.members.serialized()))
        }
        if let name = fields.introspectionJWT, let signed = facts.introspection?.signed {
            try edits.set(name, signed)
        }
        for field in fields.claims {
            guard let claim = facts.sources.claim(at: field.path)?.value,
                let text = try ClaimText.field(claim)
            else { continue }
            try edits.set(field.name, text)
        }
    }
}
