// What clients are told of a protected resource before they have a token (RFC 9728).
import Gateway
import JOSE
import JSON
import Proxy

/// The metadata of one resource: made once, served at its well-known address, named in challenges.
struct ResourceMetadata: Sendable, Equatable {
    /// Where it is, for challenges.
    let url: String
    /// Where the resource is: the address of the metadata is on the same host.
    let origin: RedirectTarget.Origin
    /// The path of the metadata.
    let path: [UInt8]
    /// The document, in JSON.
    let document: [UInt8]

    /// Between host and path of a resource (RFC 9728 §3.1).
    static let wellKnown = "/.well-known/oauth-protected-resource"
    /// The algorithms of DPoP proofs, as challenges and documents list them.
    static let proofAlgorithms = DPoPKey.algorithms.map(\.rawValue).joined(separator: " ")

    /// Reads the settings; nil where nothing is told.
    init?(_ check: inout SettingsCheck, _ proof: ProofChoice) {
        let field = "protected_resource_metadata"
        guard let record = check.settings.record(field) else { return nil }
        let resource = record.string("resource") ?? ""
        guard let origin = RedirectTarget.origin(of: resource),
            origin.scheme == "https" || Self.isLocal(origin),
            resource.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !resource.contains("#"),
            !resource.contains("?")
        else {
            check.fail(field, "resource: expected an https URL without query and fragment")
            return nil
        }
        self.origin = origin
        let tail = RedirectTarget.tail(of: resource)
        let path = Self.wellKnown + (tail == "/" ? "" : tail)
        self.path = Array(path.utf8)
        url = origin.text + path
        document = Self.document(resource, record, check.settings, proof).serialized()
    }

    /// What the configuration may write behind an issuer.
    private static let discovery = "/.well-known/openid-configuration"

    private static func isLocal(_ origin: RedirectTarget.Origin) -> Bool {
        ["localhost", "127.0.0.1", "[::1]"].contains(origin.host)
    }

    /// The members of RFC 9728 §2.
    private static func document(
        _ resource: String,
        _ record: Settings,
        _ settings: Settings,
        _ proof: ProofChoice
    ) -> JSONValue {
        let issuers = ([settings.string("issuer") ?? ""] + (settings.strings("issuers_allowed") ?? []))
            .map { $0.hasSuffix(discovery) ? String($0.dropLast(discovery.count)) : $0 }
        let scopes = record.strings("scopes_supported") ?? scopes(settings)
        var members: [String: JSONValue] = [
            "resource": .string(resource),
            "authorization_servers": list(record.strings("authorization_servers") ?? issuers),
            "bearer_methods_supported": ["header"],
        ]
        if !scopes.isEmpty { members["scopes_supported"] = list(scopes) }
        for name in ["resource_name", "resource_documentation", "resource_policy_uri", "resource_tos_uri"] {
            if let text = record.string(name) { members[name] = .string(text) }
        }
        if proof.dpop.isOn {
            members["dpop_signing_alg_values_supported"] = list(DPoPKey.algorithms.map(\.rawValue))
            members["dpop_bound_access_tokens_required"] = .bool(proof.dpop == .strict)
        }
        if proof.mtls.isOn { members["tls_client_certificate_bound_access_tokens"] = true }
        return .object(members)
    }

    /// The words of `scopes_required`, each once.
    private static func scopes(_ settings: Settings) -> [String] {
        var seen: Set<String> = []
        return (settings.strings("scopes_required") ?? [])
            .flatMap { $0.split(separator: " ").map(String.init) }
            .filter { seen.insert($0).inserted }
    }

    private static func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
}

/// Answers requests for metadata, where an instance has it; else the routes decide as ever.
enum ResourceMetadataPath {
    static let path = OwnPath(
        path: ResourceMetadata.wellKnown,
        methods: [.get, .head],
        isPrefix: true,
        mayPass: true
    ) { passage in serve(passage) }

    private static func serve(_ passage: Passage) -> Step {
        guard let own = RedirectTarget.Origin(passage) else { return .proceed }
        for case let instance as OpenIDConnect in passage.plan.plugins.map(\.plugin) {
            guard let resource = instance.settings.resource,
                passage.request.path.elementsEqual(resource.path),
                resource.origin.host == own.host
            else { continue }
            return .answer(
                Answer(
                    status: 200,
                    fields: [
                        ("Content-Type", "application/json"), ("Cache-Control", "max-age=300"),
                        ("Access-Control-Allow-Origin", "*"),
                    ],
                    body: resource.document
                )
            )
        }
        return .proceed
    }
}
