// One token that a service asks about, and who of a plan is to judge it.
import Gateway
import JOSE
import JSON
import OIDC

/// What a service wants to know (RFC 7662 §2.1).
struct TokenInquiry: Sendable, Equatable {
    /// The token; nothing of it is checked yet.
    var token: [UInt8]
    /// Whom it has to be for besides, all of them; a service names itself so.
    var audiences: [String] = []
    /// Whose it is, where the token does not say so itself.
    var issuer: String?

    init(token: [UInt8]) { self.token = token }

    /// Reads a form; `token_type_hint` changes nothing.
    ///
    /// - Throws: `repeated-parameter` for any parameter that is there twice, `missing-parameter` without a token.
    init(form: QueryArguments) throws(Refusal) {
        let names = form.pairs.map(\.name)
        guard Set(names).count == names.count else { throw .malformed(.init("repeated-parameter")) }
        guard let text = form.single("token"), !text.isEmpty else {
            throw .malformed(.init("missing-parameter", message: "The parameter token is missing"))
        }
        token = Array(text.utf8)
        audiences = ["audience", "resource"].compactMap { form.single($0) }
        issuer = form.single("iss")
    }

    /// Reads an entry of a batch: a token, or an object with the members of the form; nil for anything else.
    init?(entry: JSONValue) {
        guard let text = entry.string ?? entry["token"]?.string, !text.isEmpty else { return nil }
        token = Array(text.utf8)
        for name in ["audience", "resource"] {
            guard let value = entry[name], !value.isNull else { continue }
            guard let values = value.string.map({ [$0] }) ?? value.strings else { return nil }
            audiences += values
        }
        if let value = entry["iss"], !value.isNull {
            guard let text = value.string else { return nil }
            issuer = text
        }
    }

    /// The instances that may judge it, those that would say the same but once.
    ///
    /// - Throws: why there is none.
    func judges(among all: [OpenIDConnect]) throws(Inactive) -> [OpenIDConnect] {
        let candidates = BearerForm.isJWT(token) ? try namedJudges(all) : try askedJudges(all)
        var judges: [OpenIDConnect] = []
        for one in candidates where !judges.contains(where: { $0.agrees(with: one) }) { judges.append(one) }
        return judges
    }

    /// Why nobody judges a token: it is not active.
    struct Inactive: Error {
        let reason: String
        let detail: String
    }

    /// A JWT names its issuer.
    private func namedJudges(_ all: [OpenIDConnect]) throws(Inactive) -> [OpenIDConnect] {
        guard let token = try? UnverifiedToken(parsing: token) else {
            throw Inactive(reason: "malformed", detail: "the token is no JWT")
        }
        guard let name = token.unverifiedIssuer, issuer.map({ $0.isIdentical(toUTF8Of: name) }) ?? true else {
            throw Inactive(
                reason: "wrong-issuer",
                detail: "the token names no issuer, or another than was asked"
            )
        }
        let judges = all.filter { $0.takes(issuer: name) }
        guard !judges.isEmpty else {
            throw Inactive(reason: "wrong-issuer", detail: "no issuer of the configuration is the token's")
        }
        return judges
    }

    /// An opaque token is shown to one issuer: the only one that can be asked, or the one that the service names.
    private func askedJudges(_ all: [OpenIDConnect]) throws(Inactive) -> [OpenIDConnect] {
        let judges = all.filter { one in
            one.introspection != nil && issuer.map { one.isIssuer($0) } ?? true
        }
        guard let first = judges.first else {
            throw Inactive(
                reason: "malformed",
                detail: "the token is no JWT, and no issuer is asked about others"
            )
        }
        let name = first.parties.issuer.settings.issuer
        guard judges.allSatisfy({ $0.isIssuer(name) }) else {
            throw Inactive(
                reason: "ambiguous-issuer",
                detail: "several issuers could be asked about an opaque token; the service has to say iss"
            )
        }
        return judges
    }
}

extension OpenIDConnect {
    /// Whether tokens of an issuer are taken.
    fileprivate func takes(issuer name: String) -> Bool {
        parties.all.contains { $0.settings.issuer.isIdentical(toUTF8Of: name) }
    }
}

extension Plan {
    /// All openid-connect instances, in the order of the file.
    var tokenJudges: [OpenIDConnect] { plugins.compactMap { $0.plugin as? OpenIDConnect } }
}
