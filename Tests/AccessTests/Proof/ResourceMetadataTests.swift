// Metadata of a protected resource (RFC 9728): where it is, what it says, and who points to it.
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct ResourceMetadataTests {
    private func stage(
        _ record: [String: JSONValue],
        _ config: [String: JSONValue] = [:]
    ) throws -> AccessStage {
        try AccessStage(["protected_resource_metadata": .object(record)].merging(config) { $1 })
    }

    private func document(_ stage: AccessStage, _ path: String) async throws -> JSONValue? {
        let outcome = try await stage.ask("GET https://app.example\(path)")
        guard let answer = outcome.answer, answer.status == 200 else { return nil }
        #expect(answer.field("content-type") == "application/json")
        return try JSONValue(parsing: answer.body)
    }

    @Test func `the document is at the address that the resource's identifier makes`() async throws {
        let stage = try stage(["resource": "https://app.example/api/v1"])
        let found = try await document(stage, "/.well-known/oauth-protected-resource/api/v1")
        #expect(
            found == [
                "resource": "https://app.example/api/v1", "authorization_servers": ["https://id.example"],
                "bearer_methods_supported": ["header"],
            ]
        )
        #expect(try await document(stage, "/.well-known/oauth-protected-resource") == nil)
        #expect(try await document(stage, "/.well-known/oauth-protected-resource/api/v1/") == nil)
        #expect(try await document(stage, "/.well-known/oauth-protected-resource/api/v1/x") == nil)
    }

    @Test func `a resource without a path has its document at the root`() async throws {
        for resource in ["https://app.example", "https://app.example/"] {
            let stage = try stage(["resource": .string(resource)])
            let found = try await document(stage, "/.well-known/oauth-protected-resource")
            #expect(found?["resource"]?.string == resource)
        }
    }

    @Test func `another host's resource is not described here`() async throws {
        let stage = try stage(["resource": "https://other.example/"])
        #expect(try await document(stage, "/.well-known/oauth-protected-resource") == nil)
    }

    @Test func `the document says what the route takes`() async throws {
        let stage = try stage(
            [
                "resource": "https://app.example", "resource_name": "Orders",
                "resource_documentation": "https://docs.example",
            ],
            [
                "scopes_required": ["read write", "read admin"], "proof_of_possession_dpop": "strict",
                "proof_of_possession_mtls": "optional", "auth_methods": ["bearer"],
                "issuer": "https://id.example/.well-known/openid-configuration",
                "issuers_allowed": ["https://other.example"],
            ]
        )
        let found = try await document(stage, "/.well-known/oauth-protected-resource")
        #expect(found?["scopes_supported"] == ["read", "write", "admin"])
        #expect(found?["authorization_servers"] == ["https://id.example", "https://other.example"])
        #expect(found?["dpop_bound_access_tokens_required"] == true)
        #expect(found?["dpop_signing_alg_values_supported"]?.strings?.first == "ES256")
        #expect(found?["tls_client_certificate_bound_access_tokens"] == true)
        #expect(found?["resource_name"] == "Orders")
        let own = try self.stage(
            [
                "resource": "https://app.example", "scopes_supported": ["a"],
                "authorization_servers": ["https://x.example"],
            ]
        )
        let written = try await document(own, "/.well-known/oauth-protected-resource")
        #expect(written?["scopes_supported"] == ["a"])
        #expect(written?["authorization_servers"] == ["https://x.example"])
        #expect(written?["dpop_bound_access_tokens_required"] == nil)
    }

    @Test func `challenges point to the document`() async throws {
        let stage = try stage(["resource": "https://app.example/api"])
        let pointer = "resource_metadata=\"https://app.example/.well-known/oauth-protected-resource/api\""
        let none = try await stage.ask("GET https://app.example/")
        #expect(none.refusal?.cause.challenges == ["Bearer realm=\"id.example\", \(pointer)"])
        let bad = try await stage.ask("GET https://app.example/", [("authorization", "Bearer x")])
        #expect(
            bad.refusal?.cause.challenges == [
                "Bearer realm=\"id.example\", error=\"invalid_token\", \(pointer)"
            ]
        )
    }

    @Test func `where nobody describes a resource the routes decide`() async throws {
        let stage = try AccessStage(["auth_methods": ["bearer"]])
        let outcome = try await stage.ask("GET https://app.example/.well-known/oauth-protected-resource")
        #expect(outcome.reason == "no-credential")
    }
}
