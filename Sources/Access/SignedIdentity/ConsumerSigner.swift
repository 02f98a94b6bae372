// Signed identities of consumers, for the plugins that prove them.
import Gateway
import Proxy

/// Signs for consumers as `key-auth` or `mtls-auth` was told to.
struct ConsumerSigner: Sendable {
    private let signer: IdentitySigner
    private let consumers: SignedConsumers

    /// Reads the settings; nil where nothing is signed.
    ///
    /// - Parameter taken: fields that the plugin itself reads.
    init?(
        _ settings: Settings,
        _ scope: PluginScope,
        _ services: AccessServices,
        taken: [FieldName] = []
    ) throws(ConfigurationError) {
        var check = SettingsCheck(settings)
        let choice = SignedIdentityChoice(&check, others: taken)
        if let error = check.error { throw error }
        guard let choice else { return nil }
        try choice.requireAudience(scope, settings)
        consumers = scope.consumers.derived { SignedConsumers($0) }
        if let (one, other) = consumers.doubled {
            throw settings.error(
                "upstream_identity_header",
                "the consumers '\(one.title)' (\(one.id)) and '\(other.title)' (\(other.id)) would both be told as "
                    + "'\(SignedConsumer.subject(of: one))'; give one another custom_id"
            )
        }
        signer = IdentitySigner(choice: choice, services: services)
    }

    /// The field that it sets.
    var field: FieldName { signer.choice.field.name }

    /// Tells the upstream of a consumer that was proven until `end` (seconds since 1970); of nobody else.
    func sign(_ identity: Identity, until end: Double = .infinity, _ passage: Passage) throws(Refusal) {
        guard !identity.isAnonymous, let consumer = identity.consumer, let known = consumers[consumer] else {
            return
        }
        try signer.sign(known, until: end, isOne: false, passage)
    }
}
