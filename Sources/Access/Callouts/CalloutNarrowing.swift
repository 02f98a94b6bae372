// Which of those that pass may pass here: what the asking gateway's own configuration narrows.
import Gateway
import JSON

/// `allowed_groups`, `allowed_emails`, `allowed_email_domains`: who of those that pass may pass here.
struct CalloutNarrowing: Sendable, Equatable {
    private let groups: [String]?
    private let emails: [String]?
    private let domains: [String]?

    /// Everybody that passes.
    static let none = CalloutNarrowing()

    private init() { (groups, emails, domains) = (nil, nil, nil) }

    /// Reads the arguments; nil for any other name, since a misspelled rule would let everyone pass.
    init?(_ arguments: QueryArguments, passingOverOthers: Bool = false) {
        self.init(arguments.pairs, passingOverOthers: passingOverOthers)
    }

    /// Reads what the operator of an Envoy wrote beside a route; what is not called like a rule is somebody else's.
    init?(extensions: [QueryArguments.Pair]) {
        self.init(extensions.filter { $0.name.hasPrefix("allowed_") }, passingOverOthers: false)
    }

    private init?(_ pairs: [QueryArguments.Pair], passingOverOthers: Bool) {
        let known: Set = ["allowed_groups", "allowed_emails", "allowed_email_domains"]
        guard passingOverOthers || pairs.allSatisfy({ known.contains($0.name) }) else { return nil }
        func list(_ name: String) -> [String]? {
            let values = pairs.filter { $0.name == name }
            guard !values.isEmpty else { return nil }
            return values.flatMap { $0.value.split(separator: ",").map { String($0.trimmed) } }.filter {
                !$0.isEmpty
            }
        }
        groups = list("allowed_groups")
        emails = list("allowed_emails")
        domains = list("allowed_email_domains")
    }

    /// Whether there is no list.
    var isNone: Bool { groups == nil && emails == nil && domains == nil }

    /// Whether whoever was proven is in every list that there is.
    func admits(_ proven: ProvenCredential?) -> Bool {
        if isNone { return true }
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
