// What an instance was told about the identity that it signs for upstreams.
import Gateway
import Proxy

/// A short-lived token of our own that tells the upstream who it is, as written.
struct SignedIdentityChoice: Sendable, Equatable {
    /// The field that carries it.
    let field: TokenField
    /// Whom it is for; empty for the service that the request goes to.
    let audiences: [String]
    /// Top-level claims that are passed on besides the subject.
    let claims: [String]
    /// How long it lasts, in seconds.
    let lifetime: Double

    /// How long it may last, in seconds; what is signed never outlives the key's publication.
    static let lifetimes = 30.0...SigningKeyRing.longestSeconds

    /// Reads the settings; nil where nothing is signed.
    init?(_ check: inout SettingsCheck) {
        let settings = check.settings
        let header = "upstream_identity_header"
        guard let text = settings.string(header), !text.isEmpty else {
            for field in ["claims", "audience", "lifetime"].map({ "upstream_identity_\($0)" })
            where settings.wrote(field) {
                check.fail(field, "is read only with \(header)")
            }
            return nil
        }
        guard let field = TokenField(text), !IdentityFields.reserved.contains(field.name) else {
            check.fail(
                header,
                "expected the name of a field, with ':bearer' where the scheme shall be added"
            )
            return nil
        }
        let others = IdentityFields("upstream", &check).names
        if others.contains(field.name) {
            check.fail(header, "'\(field.name)' carries something else already (upstream_*)")
        }
        self.field = field
        audiences = settings.strings("upstream_identity_audience") ?? []
        claims = settings.strings("upstream_identity_claims") ?? []
        lifetime = settings.number("upstream_identity_lifetime") ?? 300
        for name in claims where name.isEmpty || Self.own.contains(name) {
            check.fail("upstream_identity_claims", "'\(name)' is ours to say")
        }
        if audiences.contains("") { check.fail("upstream_identity_audience", "holds an empty item") }
        if settings.wrote("upstream_identity_audience"), audiences.isEmpty {
            check.fail("upstream_identity_audience", "must not be empty; leave it out instead")
        }
        guard Self.lifetimes.contains(lifetime) else {
            check.fail("upstream_identity_lifetime", "expected a number from 30 to 3600")
            return nil
        }
    }

    /// Claims that say what was signed, by whom and for whom.
    private static let own = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "idp", "cnf", "active"]
}
