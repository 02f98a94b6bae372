// What a configuration says about an issuer.
package import Fetch
import JOSE

/// What a configuration says about an issuer; instances with equal settings share one `Issuer`.
package struct IssuerSettings: Sendable, Hashable {
    /// A field that is sent with discovery.
    package struct Field: Sendable, Hashable {
        package var name: String
        package var value: String

        /// A field, sent as it is.
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The issuer identifier: what metadata and tokens must name, byte for byte.
    package let issuer: String
    /// Endpoints that the configuration names itself; they win over the metadata's.
    package var endpoints = ProviderEndpoints()
    /// Endpoints for clients that authenticate by a certificate, that the configuration names itself.
    package var aliases = ProviderEndpoints()
    /// Where the keys are, instead of the metadata's place; may be a `file:` URL.
    package var jwksEndpoint: String?
    /// Whether there is nothing to discover: the endpoints named here are all there are.
    package var usesPseudoIssuer = false
    /// More keys of the same issuer; may be `file:` URLs.
    package var extraJWKSURLs: [String] = []
    /// The pause between two fetches of keys that unknown keys caused, in seconds.
    package var rediscoverySeconds = 30.0
    /// How long keys serve beyond their lifetime while they cannot be fetched, in seconds.
    package var outageSeconds = 86_400.0
    /// Sent with discovery alone.
    package var discoveryFields: [Field] = []
    /// What may be dialled and how servers prove themselves; plain http to `any` host allows http issuers.
    package var policy = FetchPolicy()
    /// The time for each request.
    package var timeoutSeconds = 10.0

    /// What a URL of a discovery document ends with (OIDC Discovery §4).
    static let wellKnown = "/.well-known/openid-configuration"

    /// The settings of one issuer; a trailing `/.well-known/openid-configuration` is cut.
    package init(issuer: String) throws(OIDCError) {
        self.issuer =
            issuer.hasSuffix(Self.wellKnown) ? String(issuer.dropLast(Self.wellKnown.count)) : issuer
        guard !self.issuer.contains("{") else { throw .tenantTemplate(self.issuer) }
        guard !self.issuer.isEmpty else { throw .settings("the issuer is empty") }
    }

    /// Checks what needs the policy: every URL https, or http where that is allowed (A20).
    package func check() throws(OIDCError) {
        if self.usesPseudoIssuer {
            guard self.jwksEndpoint != nil || !self.extraJWKSURLs.isEmpty else {
                throw .settings("using_pseudo_issuer needs jwks_endpoint or extra_jwks_uris")
            }
        } else {
            let address = try Self.checked(self.issuer, as: "issuer", self.policy)
            guard address.query == nil, !address.hasFragment else {
                throw .settings("the issuer must have neither query nor fragment (OIDC Discovery §3)")
            }
        }
        try self.endpoints.check(self.policy)
        try self.aliases.check(self.policy)
        for url in [self.jwksEndpoint].compactMap({ $0 }) + self.extraJWKSURLs {
            guard url.hasPrefix("file:") else {
                _ = try Self.checked(url, as: "key URL", self.policy)
                continue
            }
            // A file that is not there now would open nothing for as long as the program runs (P8).
            guard let keys = try? JWKSet(parsing: KeyFile.document(at: url), from: .configuration),
                !keys.isEmpty
            else { throw .settings("the key file '\(url)' cannot be read, or holds no key set") }
        }
    }

    /// What the keys' schedule is told; without any pause every forged key would be asked for.
    var keyTerms: KeySchedule.Terms {
        KeySchedule.Terms(unknownKeyPause: max(1, self.rediscoverySeconds), outage: self.outageSeconds)
    }

    /// Reads a URL that the configuration names.
    static func checked(_ url: String, as name: String, _ policy: FetchPolicy) throws(OIDCError) -> WebAddress
    {
        guard let address = try? WebAddress(url) else {
            throw .settings("the \(name) '\(url)' is not an absolute http or https URL")
        }
        guard address.scheme == "https" || policy.plainHTTP == .any || address.isLoopback else {
            throw .settings("the \(name) '\(url)' must be https; allow_http_issuers allows http")
        }
        return address
    }

    /// Where discovery begins: a final slash of the issuer is not doubled (OIDC Discovery §4.1).
    var discoveryURL: String {
        (self.issuer.hasSuffix("/") ? String(self.issuer.dropLast()) : self.issuer) + Self.wellKnown
    }
}

extension OIDCError {
    /// An issuer that stands for many tenants: no token ever names it.
    static func tenantTemplate(_ issuer: String) -> OIDCError {
        var tenant = issuer
        if let open = tenant.firstIndex(of: "{"), let close = tenant[open...].firstIndex(of: "}") {
            tenant.replaceSubrange(open...close, with: "TENANT-ID")
        }
        return .settings("the issuer '\(issuer)' is a template; write your tenant's own, like '\(tenant)'")
    }
}
