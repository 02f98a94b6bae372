// Tokens that are bound to a certificate (RFC 8705): the client's own, or what a trusted proxy tells of it.
import Cryptography
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct CertificateBoundTests {
    private func stage(_ demand: JSONValue, _ config: [String: JSONValue] = [:]) throws -> AccessStage {
        let usual: [String: JSONValue] = [
            "auth_methods": ["bearer"], "proof_of_possession_mtls": demand,
            "proof_of_possession_mtls_from_header": ["certificate_header_name": "x-client-cert"],
        ]
        return try AccessStage(usual.merging(config) { $1 }.filter { !$0.value.isNull })
    }

    private let bound: [String: JSONValue] = ["cnf": ["x5t#S256": .string(CertificateFieldTests.thumbprint)]]

    private func ask(
        _ stage: AccessStage,
        _ claims: [String: JSONValue],
        _ field: [String],
        isTrusted: Bool = true
    ) async throws -> Outcome {
        let fields = try stage.bearer(claims) + field.map { ("x-client-cert", $0) }
        return try await stage.ask("GET https://app.example/", fields, isTrusted: isTrusted)
    }

    @Test func `a token passes with the certificate that it is bound to, each time`() async throws {
        let stage = try stage("strict")
        #expect(try await ask(stage, bound, [CertificateFieldTests.escaped]).passes)
        #expect(try await ask(stage, bound, []).reason == "proof-required")
        #expect(try await ask(stage, bound, [CertificateFieldTests.escaped]).passes)
        #expect(try await ask(stage, bound, ["(null)"]).reason == "proof-required")
        let twice = [CertificateFieldTests.escaped, CertificateFieldTests.escaped]
        #expect(try await ask(stage, bound, twice).reason == "proof-required")
        let other: [String: JSONValue] = ["cnf": ["x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"]]
        let outcome = try await ask(stage, other, [CertificateFieldTests.escaped])
        #expect(outcome.reason == "wrong-certificate")
        #expect(outcome.refusal?.cause.challenges == ["Bearer realm=\"id.example\", error=\"invalid_token\""])
    }

    @Test func `a stranger's field is not believed, and goes no further`() async throws {
        let stage = try stage("optional")
        let outcome = try await ask(stage, bound, [CertificateFieldTests.escaped], isTrusted: false)
        #expect(outcome.reason == "proof-required")
        let unbound = try await ask(stage, [:], [CertificateFieldTests.escaped], isTrusted: false)
        #expect(unbound.passes)
        #expect(unbound.passage.upstream.removes("x-client-cert"))
        #expect(try await !ask(stage, [:], ["x"]).passage.upstream.removes("x-client-cert"))
    }

    @Test func `strict takes no token that is not bound, optional does`() async throws {
        #expect(
            try await ask(stage("strict"), [:], [CertificateFieldTests.escaped]).reason == "token-not-bound"
        )
        #expect(try await ask(stage("optional"), [:], []).passes)
    }

    @Test func `RFC 9440's field is read as base64`() async throws {
        let stage = try stage(
            "strict",
            [
                "proof_of_possession_mtls_from_header": [
                    "certificate_header_name": "Client-Cert", "certificate_header_format": "base64_encoded",
                ]
            ]
        )
        let fields = try stage.bearer(bound) + [("client-cert", ":\(CertificateFieldTests.base64):")]
        #expect(try await stage.ask("GET https://app.example/", fields, isTrusted: true).passes)
    }

    private func ask(
        _ stage: AccessStage,
        by der: [UInt8],
        _ fields: [(String, String)]
    ) async throws -> String? {
        try await stage.ask("GET https://app.example/", fields) { facts in
            facts = ClientFacts(
                peer: facts.peer,
                scheme: .https,
                port: 443,
                certificate: ClientCertificate(der: der)
            )
        }.reason
    }

    @Test func `without a field the connection's certificate counts, and clients are asked for it`()
        async throws
    {
        let stage = try stage("strict", ["proof_of_possession_mtls_from_header": .null])
        #expect(try await ask(stage, bound, [CertificateFieldTests.escaped]).reason == "proof-required")
        let der = try #require(
            WrittenCertificate.certificate(Array(CertificateFieldTests.base64.utf8), .base64)
        )
        #expect(try await ask(stage, by: der, try stage.bearer(bound)) == nil)
        #expect(try await ask(stage, by: der + [0], try stage.bearer(bound)) == "wrong-certificate")
        #expect(stage.plan.plugins.contains { $0.plugin.asksForCertificate })
    }

    @Test func `where a proxy tells of certificates nobody is asked for one, and a stranger's own counts`()
        async throws
    {
        let stage = try stage("strict")
        #expect(!stage.plan.plugins.contains { $0.plugin.asksForCertificate })
        let der = try #require(
            WrittenCertificate.certificate(Array(CertificateFieldTests.base64.utf8), .base64)
        )
        #expect(try await ask(stage, by: der, try stage.bearer(bound)) == nil)
    }
}
