// Who a request is for, and how that was proven.

/// Somebody, proven by a plugin.
package struct Identity: Sendable {
    /// `sub` of the claims, or the consumer's name.
    package var subject: String?
    /// Who vouches for the subject; nil for our own consumers.
    package var issuer: String?
    package var consumer: Consumer?
    /// Groups by an issuer's word; the consumer's own are its `groups`.
    package var groups: [String]
    /// What stands in `X-Credential-Identifier`: never the credential itself.
    package var credentialIdentifier: String?
    /// How it was proven, such as `session`, `bearer` or `key-auth`.
    package var method: String
    /// Whether nobody was proven and the plugin's `anonymous` consumer stands in.
    package var isAnonymous: Bool

    /// Describes an identity.
    package init(
        subject: String? = nil,
        issuer: String? = nil,
        consumer: Consumer? = nil,
        groups: [String] = [],
        credentialIdentifier: String? = nil,
        method: String,
        isAnonymous: Bool = false
    ) {
        self.subject = subject
        self.issuer = issuer
        self.consumer = consumer
        self.groups = groups
        self.credentialIdentifier = credentialIdentifier
        self.method = method
        self.isAnonymous = isAnonymous
    }
}
