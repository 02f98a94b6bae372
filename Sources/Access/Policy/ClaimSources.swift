// Where claims come from, and which of them decides.
package import JSON

/// One set of claims and its name in an explanation.
package struct ClaimSource: Sendable, Equatable {
    /// For example `access token` or `ID token`.
    package let name: String
    /// An object.
    package let claims: JSONValue

    /// Names a set of claims.
    package init(_ name: String, _ claims: JSONValue) {
        self.name = name
        self.claims = claims
    }
}

/// The claims of one credential, in the order in which they decide: the first set that has a claim gives it.
package struct ClaimSources: Sendable, Equatable {
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
            if let value = source.claims.value(at: path), !value.isNull { return (value, source.name) }
        }
        return nil
    }

    /// A text at `path`, if the deciding claim is one.
    package func text(at path: [String]) -> String? { claim(at: path)?.value.string }
}
