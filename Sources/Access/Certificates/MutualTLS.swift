// The plugin `mtls-auth`: a consumer by the client's certificate.
import Cryptography
package import Gateway
package import JSON
package import Proxy

/// Proves a consumer by the certificate of the connection; Kong's fields and texts.
package final class MutualTLS: Plugin {
    package let asksForCertificate = true

    private let authorities: CertificateAuthorities
    /// Ids of those authorities, by certificate.
    private let authorityIDs: [[UInt8]: String]
    private let allowsPartialChain: Bool
    private let skipsConsumers: Bool
    private let groupsByWholeName: Bool
    private let consumerFields: [String]
    private let standard: Consumer?
    private let anonymous: Consumer?
    private let seconds: Double
    private let consumers: ConsumerDirectory
    private let index: CertificateIndex
    private let signer: ConsumerSigner?

    /// The kind, for the list of all plugins.
    static func kind(_ services: AccessServices) -> PluginKind {
        PluginKind(
            name: "mtls-auth",
            order: .authenticateByCertificate,
            schema: MutualTLSFields.all,
            mayBindConsumers: false,
            help: """
                Proves a consumer by a certificate that one of `ca_certificates` vouches for. Its names (DNS, e-mail
                and URI of the alternative names, then common names) are looked up among `mtls_auth_credentials`,
                then as usernames and custom ids. Handshakes ask for it as with `tls-handshake-modifier`.
                """,
            make: { settings, scope throws(ConfigurationError) in try MutualTLS(settings, scope, services) }
        )
    }

    init(_ settings: Settings, _ scope: PluginScope, _ services: AccessServices) throws(ConfigurationError) {
        guard settings.string("revocation_check_mode") == "SKIP" else {
            throw settings.error(
                "revocation_check_mode",
                "revocation (OCSP, CRL) is not served yet; write SKIP, and let certificates live shortly"
            )
        }
        (authorities, authorityIDs) = try Self.authorities(settings, scope)
        allowsPartialChain = settings.flag("allow_partial_chain")
        skipsConsumers = settings.flag("skip_consumer_lookup")
        groupsByWholeName = settings.string("authenticated_group_by") == "DN"
        consumerFields = settings.strings("consumer_by") ?? []
        standard = try scope.consumer(settings, "default_consumer")
        anonymous = try scope.consumer(settings, "anonymous")
        seconds = settings.number("cache_ttl") ?? 0
        consumers = scope.consumers
        index = scope.consumers.derived { CertificateIndex($0) }
        signer = try ConsumerSigner(settings, scope, services)
        if signer != nil, skipsConsumers {
            throw settings.error(
                "upstream_identity_header",
                "names consumers, and skip_consumer_lookup finds none; leave out one of them"
            )
        }
    }

    private static func authorities(
        _ settings: Settings,
        _ scope: PluginScope
    ) throws(ConfigurationError) -> (CertificateAuthorities, [[UInt8]: String]) {
        let ids = settings.strings("ca_certificates") ?? []
        // P8: an empty list would believe nobody, or everybody.
        guard !ids.isEmpty else {
            throw settings.error("ca_certificates", "expected at least one, found none")
        }
        var texts: [String] = []
        var known: [[UInt8]: String] = [:]
        for id in ids {
            guard let authority = scope.authorities.first(where: { $0.id == id }) else {
                let hint = NearName.hint(id, among: scope.authorities.map(\.id))
                throw settings.error("ca_certificates", "there is no ca_certificate '\(id)'\(hint)")
            }
            guard let read = try? CertificateAuthorities.read(pem: authority.certificate) else {
                throw settings.error("ca_certificates", "the certificate of '\(id)' cannot be read")
            }
            for der in read { known[der] = id }
            texts.append(authority.certificate)
        }
        guard let authorities = try? CertificateAuthorities(pem: texts) else {
            throw settings.error("ca_certificates", "these certificates cannot be used")
        }
        return (authorities, known)
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        // Another plugin has proven somebody, and this one may be passed by anybody.
        if anonymous != nil, let known = passage.identity, !known.isAnonymous { return .proceed }
        let proven: (identity: Identity, end: Double)
        do throws(Refusal) {
            proven = try prove(passage)
        } catch {
            guard let consumer = anonymous else { throw error }
            passage.identity = Identity(
                subject: consumer.title,
                consumer: consumer,
                method: "mtls-auth",
                isAnonymous: true
            )
            return .proceed
        }
        passage.identity = proven.identity
        try signer?.sign(proven.identity, until: proven.end, passage)
        return .proceed
    }

    package var emittedFields: [FieldName] { signer.map { [$0.field] } ?? [] }

    /// Whose certificate it is, and when that ends.
    private func prove(_ passage: Passage) throws(Refusal) -> (identity: Identity, end: Double) {
        guard let certificate = passage.client.certificate, certificate.isFromTLS else {
            throw .unauthenticated(
                .init("no-client-certificate", message: "No required TLS certificate was sent")
            )
        }
        let verdicts = certificate.derived { _ in CertificateVerdicts() }
        if let verdict = verdicts.verdict(of: self, at: passage.now) { return try verdict.get() }
        var endsAt = passage.now + seconds
        let verdict: CertificateVerdicts.Verdict
        do throws(Refusal) {
            let proof = try vouch(for: certificate, at: passage.now)
            endsAt = min(endsAt, proof.endsAt)
            verdict = .success((try identify(certificate, proof), proof.endsAt))
        } catch {
            verdict = .failure(error)
        }
        if endsAt > passage.now { verdicts.note(verdict, of: self, holds: passage.now..<endsAt) }
        return try verdict.get()
    }

    private func vouch(
        for certificate: ClientCertificate,
        at now: Double
    ) throws(Refusal) -> CertificateAuthorities.Proof {
        do throws(CertificateAuthorities.Doubt) {
            return try authorities.prove(
                certificate.der,
                others: certificate.others,
                at: now,
                allowsPartialChain: allowsPartialChain
            )
        } catch {
            let message = "TLS certificate failed verification"
            throw .unauthenticated(
                .init("untrusted-client-certificate", message: message, detail: error.reason)
            )
        }
    }

    private func identify(
        _ client: ClientCertificate,
        _ proof: CertificateAuthorities.Proof
    ) throws(Refusal) -> Identity {
        let certificate = try CertificateReading.of(client).certificate
        if skipsConsumers {
            let group = groupsByWholeName ? certificate.subject : certificate.commonNames.first
            return Identity(
                subject: certificate.commonNames.first ?? certificate.subject,
                groups: group.map { [$0] } ?? [],
                method: "mtls-auth"
            )
        }
        let vouching = Set(proof.chain.compactMap { authorityIDs[$0] })
        let names = certificate.alternativeNames + certificate.commonNames
        for name in names {
            guard let owner = index.owner(of: name, vouchedBy: vouching) else { continue }
            return Self.identity(owner.consumer, credential: owner.credential.id)
        }
        for name in names {
            for field in consumerFields {
                if let consumer = consumers.consumer(name, by: field) { return Self.identity(consumer) }
            }
        }
        if let standard { return Self.identity(standard) }
        throw .unauthenticated(
            .init(
                "unknown-credential",
                message: "Unauthorized",
                detail: "no consumer has a name of the certificate"
            )
        )
    }

    private static func identity(_ consumer: Consumer, credential: String? = nil) -> Identity {
        Identity(
            subject: consumer.title,
            consumer: consumer,
            credentialIdentifier: credential,
            method: "mtls-auth"
        )
    }

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        do throws(Refusal) {
            _ = try request(passage)
            let who = passage.identity?.isAnonymous == true ? "nobody proven, anonymous stands in" : nil
            return PluginVerdict(
                .passes,
                rules: [RuleVerdict(rule: "certificate", source: "mtls-auth", passes: true, detail: who)]
            )
        } catch {
            let rule = RuleVerdict(
                rule: "certificate",
                source: "mtls-auth",
                passes: false,
                detail: error.message
            )
            return PluginVerdict(.refuses(error), rules: [rule])
        }
    }
}
