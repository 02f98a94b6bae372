// The callout for nginx: may this request pass?
import Gateway
import JSON
import Proxy

/// Answers `auth`: 202, 401 or 403, as nginx's `auth_request` reads them.
struct AuthRequestPath: Sendable {
    let services: AccessServices

    /// Judges the request that the other gateway asks about: the same routes and plugins, nothing forwarded.
    func serve(_ passage: Passage) throws(Refusal) -> Step {
        guard passage.client.isTrustedPeer else {
            throw .forbidden(
                .init(
                    "untrusted-callout",
                    detail: "\(passage.client.peer) may not ask; set trusted_ips if it is your gateway"
                )
            )
        }
        guard let arguments = QueryArguments(passage.request.query ?? []),
            let narrowing = CalloutNarrowing(arguments)
        else { throw .forbidden(.init("unknown-parameter")) }
        let original = try OriginalRequest(
            passage,
            from: services.originalRequestFields,
            limits: services.limits
        )
        let prefix = services.authPrefix
        return .callout(
            Callout(original: original.head, client: original.client) { passage, verdict in
                Self.answer(passage, verdict, narrowing, prefix)
            }
        )
    }

    private static func answer(
        _ passage: Passage,
        _ verdict: Verdict,
        _ narrowing: CalloutNarrowing,
        _ prefix: String
    ) -> Answer {
        switch verdict {
        case .passes:
            let proven = passage.notes[OpenIDConnect.proof] as? ProvenCredential
            guard narrowing.admits(proven) else {
                passage.reason = "not-in-allowed-list"
                return ErrorAnswer(passage).answer(.forbidden(.init("not-in-allowed-list")))
            }
            return Answer(status: 202, fields: fields(passage, proven))
        case .answered(let answer):
            passage.reason = passage.reason ?? "answered-by-plugin"
            let status = answer.status == 401 ? 401 : 403
            return ErrorAnswer(passage).answer(status, status == 401 ? "Unauthorized" : "Forbidden")
        case .refused(let refusal):
            var answer = ErrorAnswer(passage).answer(refusal)
            if refusal.status == 401, passage.isBrowserNavigation {
                let target = String(decoding: passage.request.pathAndQuery, as: UTF8.self)
                answer.fields.append(
                    ("X-Auth-Request-Redirect", "\(prefix)/start?rd=\(QueryArguments.encoded(target))")
                )
            }
            // nginx knows 401 and 403; a missing route is no reason to let anyone guess what there is.
            switch refusal {
            case .notFound, .malformed, .chosen: answer.status = 403
            case .unauthenticated, .forbidden, .methodNotAllowed, .unavailable, .failed: break
            }
            return answer
        }
    }

    /// What the other gateway may copy: always there, so that a copy overwrites the client's own (security row H1).
    private static func fields(_ passage: Passage, _ proven: ProvenCredential?) -> [(String, String)] {
        let claims = proven?.sources
        func claim(_ name: String) -> String {
            guard let text = claims?.text(at: [name]), let sendable = try? ClaimText.encoded(text) else {
                return ""
            }
            return sendable
        }
        let user = claim("sub").isEmpty ? passage.identity?.subject ?? "" : claim("sub")
        // oauth2-proxy's users split at the comma alone.
        let groups = (proven.flatMap { try? ClaimText.list($0.groups, separator: ",") }) ?? ""
        var fields = [
            ("X-Auth-Request-User", (try? ClaimText.encoded(user)) ?? ""),
            ("X-Auth-Request-Email", claim("email")),
            ("X-Auth-Request-Preferred-Username", claim("preferred_username")),
            ("X-Auth-Request-Groups", groups),
            ("X-Auth-Request-Access-Token", proven?.accessToken ?? ""),
        ]
        var given: Set<FieldName> = []
        passage.upstream.forEachAdded { name, value in
            guard name != .cookie, name != .xRequestID else { return }
            given.insert(name)
            fields.append((name.description, String(decoding: value, as: UTF8.self)))
        }
        for name in always + emitted(passage) where given.insert(name).inserted {
            fields.append((name.description, ""))
        }
        return fields
    }

    private static let always: [FieldName] = [
        "x-consumer-id", "x-consumer-username", "x-consumer-custom-id", "x-credential-identifier",
        "x-authenticated-groups", "x-anonymous-consumer",
    ]

    private static func emitted(_ passage: Passage) -> [FieldName] {
        passage.match?.planned.steps.flatMap { $0.candidates.flatMap(\.emittedFields) } ?? []
    }
}

/// `allowed_groups`, `allowed_emails`, `allowed_email_domains`: who of those that pass may pass here.
struct CalloutNarrowing: Sendable, Equatable {
    private let groups: [String]?
    private let emails: [String]?
    private let domains: [String]?

    /// Reads the arguments; nil for any other name, since a misspelled rule would let everyone pass.
    init?(_ arguments: QueryArguments) {
        let known: Set = ["allowed_groups", "allowed_emails", "allowed_email_domains"]
        guard arguments.pairs.allSatisfy({ known.contains($0.name) }) else { return nil }
        func list(_ name: String) -> [String]? {
            let values = arguments.pairs.filter { $0.name == name }
            guard !values.isEmpty else { return nil }
            return values.flatMap { $0.value.split(separator: ",").map { String($0.trimmed) } }.filter {
                !$0.isEmpty
            }
        }
        groups = list("allowed_groups")
        emails = list("allowed_emails")
        domains = list("allowed_email_domains")
    }

    /// Whether whoever was proven is in every list that there is.
    func admits(_ proven: ProvenCredential?) -> Bool {
        if groups == nil, emails == nil, domains == nil { return true }
        guard let proven else { return false }
        if let groups {
            let held = Set(proven.groups.map { Array($0.utf8) })
            guard groups.contains(where: { held.contains(Array($0.utf8)) }) else { return false }
        }
        guard emails != nil || domains != nil else { return true }
        guard let email = Self.email(proven) else { return false }
        if let emails {
            guard emails.contains(where: { $0.lowercased().utf8.elementsEqual(email.text.utf8) }) else {
                return false
            }
        }
        if let domains {
            guard domains.contains(where: { Self.matches(email.domain, $0.lowercased()) }) else {
                return false
            }
        }
        return true
    }

    /// The user's address, if it is one address and the issuer did not say that it is unproven (security row S8).
    private static func email(_ proven: ProvenCredential) -> (text: String, domain: String)? {
        guard let claim = proven.sources.text(at: ["email"]),
            proven.sources.claim(at: ["email_verified"])?.value.bool != false,
            claim.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return nil }
        let parts = claim.lowercased().split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        return (claim.lowercased(), String(parts[1]))
    }

    /// A domain, or with a dot or `*.` before it what is below it, as in oauth2-proxy.
    private static func matches(_ domain: String, _ pattern: String) -> Bool {
        if pattern == "*" || pattern == domain { return true }
        let suffix = pattern.hasPrefix("*.") ? String(pattern.dropFirst()) : pattern
        guard suffix.hasPrefix(".") else { return false }
        return domain.hasSuffix(suffix) && domain.utf8.count > suffix.utf8.count
    }
}

extension Substring {
    /// Without spaces at its ends.
    fileprivate var trimmed: Substring {
        var text = self
        while text.first == " " { text = text.dropFirst() }
        while text.last == " " { text = text.dropLast() }
        return text
    }
}
