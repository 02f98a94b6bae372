// What an instance was told about the identity that it signs for upstreams.
import Gateway
import JSON
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
    ///
    /// - Parameters:
    ///   - others: fields that carry something else already.
    ///   - choosesClaims: whether there is a setting for the claims.
    init?(_ check: inout SettingsCheck, others: [FieldName], choosesClaims: Bool = false) {
        let settings = check.settings
        let header = "upstream_identity_header"
        guard let text = settings.string(header), !text.isEmpty else {
            let more = ["audience", "lifetime"] + (choosesClaims ? ["claims"] : [])
            for field in more.map({ "upstream_identity_\($0)" }) where settings.wrote(field) {
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
        if others.contains(field.name) {
            check.fail(header, "'\(field.name)' carries something else already")
        }
        self.field = field
        audiences = settings.strings("upstream_identity_audience") ?? []
        claims = choosesClaims ? settings.strings("upstream_identity_claims") ?? [] : []
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

    /// Reads the settings of a plugin that has claims to choose from.
    static func withClaims(_ check: inout SettingsCheck, others: [FieldName]) -> SignedIdentityChoice? {
        SignedIdentityChoice(&check, others: others, choosesClaims: true)
    }

    /// Refuses a configuration in which nobody would be named as the audience.
    func requireAudience(_ scope: PluginScope, _ read: Settings) throws(ConfigurationError) {
        guard audiences.isEmpty, let route = scope.routes.first(where: { $0.service == nil }) else { return }
        throw read.error(
            "upstream_identity_audience",
            "is required where a route has no service, as '\(route.title)'"
        )
    }

    /// The fields of plugins that prove consumers; openid-connect has one more, for claims.
    static let consumerFields: [FieldSchema] = [
        FieldSchema(
            "upstream_identity_header",
            .string,
            help:
                "Ours: field that carries upstream who it is, as a short-lived JWT that we sign (services.md); "
                + "`:bearer` adds the scheme."
        ),
        FieldSchema(
            "upstream_identity_audience",
            .list(.string),
            help: "Ours: whom it is for; by default the name of the service that the request goes to."
        ),
        FieldSchema(
            "upstream_identity_lifetime",
            .number,
            default: 300,
            help: "Ours: seconds that it lasts, 30 to 3600."
        ),
    ]

    /// Claims that say what was signed, by whom and for whom.
    private static let own = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "idp", "cnf", "active"]
}
