// Where claims come from, and which of them decides.
package import JOSE
package import JSON

/// One set of claims and its name in an explanation.
package struct ClaimSource: Sendable {
    /// A set of claims: an object as it was made, or as it was written.
    private enum Claims {
        case value(JSONValue)
        /// Of a token: of what it says most is never asked for.
        case text(JSONObjectText)
    }

    /// For example `access token` or `ID token`.
    package let name: String
    private let claims: Claims

    /// Names a set of claims; they are an object.
    package init(_ name: String, _ claims: JSONValue) {
        self.name = name
        self.claims = .value(claims)
    }

    /// Names the claims of a token.
    package init(_ name: String, _ claims: JSONObjectText) {
        self.name = name
        self.claims = .text(claims)
    }

    /// The claim at `path`, null included.
    func claim(at path: [String]) -> JSONValue? {
        switch claims {
        case .value(let claims): claims.value(at: path)
        case .text(let claims): claims.value(at: path)
        }
    }

    /// The claim of that name, null included.
    func claim(named name: String) -> JSONValue? {
        switch claims {
        case .value(let claims): claims.value(at: [name])
        case .text(let claims): claims[name]
        }
    }

    /// About how many bytes of memory the claims hold.
    var approximateBytes: Int {
        switch claims {
        case .value(let claims): claims.approximateBytes
        case .text(let claims): claims.approximateBytes
        }
    }
}

/// The claims of one credential, in the order in which they decide: the first set that has a claim gives it.
package struct ClaimSources: Sendable {
    /// The scope that the token endpoint answered with; it decides on scopes before any claim.
    package var grantedScope: String?
    /// The sets, first to last.
    package var sources: [ClaimSource]

    /// The claims of one credential.
    package init(_ sources: [ClaimSource], grantedScope: String? = nil) {
        self.sources = sources
        self.grantedScope = grantedScope
    }

    /// The claim at `path`, and the name of the set that has it.
    package func claim(at path: [String]) -> (value: JSONValue, source: String)? {
        for source in sources {
            if let value = source.claim(at: path), !value.isNull { return (value, source.name) }
        }
        return nil
    }

    /// The text of that name, if the deciding claim is one.
    func text(named name: String) -> String? {
        for source in sources {
            if let value = source.claim(named: name), !value.isNull { return value.string }
        }
        return nil
    }

    /// A text at `path`, if the deciding claim is one.
    package func text(at path: [String]) -> String? { claim(at: path)?.value.string }
}
