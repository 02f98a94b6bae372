// How a route asks for proofs: the settings, read and checked.
import Cryptography
import Gateway
import Proxy

/// What an instance was told of tokens that are bound to a key or a certificate.
struct ProofChoice: Sendable, Equatable {
    /// How a kind of proof is asked for.
    enum Demand: Sendable, Equatable {
        /// `off` was written: bound tokens pass without their proof.
        case waived
        /// Nothing was written: bound tokens are refused.
        case off
        /// Bound tokens pass with their proof, others without one.
        case optional
        /// Only bound tokens pass, with their proof.
        case strict

        /// Whether proofs are looked at.
        var isOn: Bool { self == .optional || self == .strict }
    }

    /// For tokens that are bound to a key (RFC 9449).
    var dpop: Demand
    /// For tokens that are bound to a certificate (RFC 8705).
    var mtls: Demand
    /// Seconds that a DPoP proof is good for.
    var lifetime: Double
    /// Whether a DPoP proof must carry a nonce of ours.
    var asksNonce: Bool
    /// Where a trusted proxy tells of the client's certificate.
    var certificateField: CertificateField?

    /// Reads the settings.
    init(_ check: inout SettingsCheck) {
        let settings = check.settings
        dpop = Self.demand("proof_of_possession_dpop", settings)
        mtls = Self.demand("proof_of_possession_mtls", settings)
        lifetime = settings.number("dpop_proof_lifetime") ?? 300
        asksNonce = settings.flag("dpop_use_nonce")
        if lifetime < 1 || lifetime > 3600 { check.fail("dpop_proof_lifetime", "expected 1 to 3600 seconds") }
        if let record = settings.record("proof_of_possession_mtls_from_header") {
            certificateField = Self.certificateField(record, &check)
            if !mtls.isOn {
                check.fail(
                    "proof_of_possession_mtls_from_header",
                    "is read only with proof_of_possession_mtls: optional or strict"
                )
            }
        }
        for (field, demand) in [
            ("proof_of_possession_dpop", dpop), ("proof_of_possession_mtls", mtls),
        ] where demand == .waived {
            check.warn(field, "'off' lets whoever has copied a bound token use it; leave it out to refuse")
        }
        requireMethods(&check)
    }

    private static func demand(_ field: String, _ settings: Settings) -> Demand {
        switch settings.string(field) {
        case "optional": .optional
        case "strict": .strict
        default: settings.wrote(field) ? .waived : .off
        }
    }

    /// Ways that take a token out of the client's hands have nothing that could be proven.
    private func requireMethods(_ check: inout SettingsCheck) {
        let settings = check.settings
        guard dpop.isOn || mtls.isOn,
            settings.boolean("proof_of_possession_auth_methods_validation") ?? true
        else { return }
        let hasClient = !(settings.strings("client_id") ?? []).isEmpty
        guard hasClient || settings.wrote("auth_methods") else { return }
        let provable = ["bearer", "introspection", "session"]
        let others = (settings.strings("auth_methods") ?? []).filter { !provable.contains($0) }
        guard let first = others.first else { return }
        check.fail(
            "auth_methods",
            "'\(first)' shows no proof of possession; write auth_methods: [bearer], or proof_of_possession_auth_methods_validation: false where others may pass without one"
        )
    }

    private static func certificateField(
        _ record: Settings,
        _ check: inout SettingsCheck
    ) -> CertificateField? {
        let field = "proof_of_possession_mtls_from_header"
        if record.boolean("secure_source") == false {
            check.fail(field, "secure_source must be true: only trusted_ips are believed")
        }
        if record.string("revocation_check_mode") == "STRICT" {
            check.fail(field, "revocation_check_mode: 'STRICT' is not served yet")
        }
        guard let name = record.string("certificate_header_name").flatMap({ FieldName($0) }) else {
            check.fail(field, "certificate_header_name: expected the name of a field")
            return nil
        }
        let isEncoded = record.string("certificate_header_format") != "base64_encoded"
        return CertificateField(name: name, form: isEncoded ? .percentEncodedPEM : .base64)
    }
}
