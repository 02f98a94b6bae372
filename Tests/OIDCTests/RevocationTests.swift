// Giving tokens back: what is sent, and what is taken for done (RFC 7009).
import Fetch
import JSON
import Testing

@testable import OIDC

struct RevocationTests {
    private func stage() throws -> Stage {
        let stage = try Stage()
        var metadata = stage.remote.metadata.object ?? [:]
        metadata["revocation_endpoint"] = "https://id.example/revoke"
        stage.remote.answer("/.well-known/openid-configuration", .object(metadata))
        return stage
    }

    private func form(_ stage: Stage) -> [String] {
        String(decoding: stage.remote.lastRequest?.body ?? [], as: UTF8.self)
            .split(separator: "&").map { String($0) }.sorted()
    }

    @Test func `the token goes into the form with its kind, and who we are`() async throws {
        var stage = try self.stage()
        stage.remote.answer("/revoke", status: 200, text: "")
        try await stage.party.revoke(RevokedToken(.refresh, "r+1"))
        #expect(self.form(stage) == ["token=r%2B1", "token_type_hint=refresh_token"])
        #expect(stage.remote.lastRequest?.fields.contains { $0.0 == "Authorization" } == true)
        stage.party.revocationAuthentication = .post
        try await stage.party.revoke(RevokedToken(.access, "a"), as: "access")
        #expect(self.form(stage).contains("access=a"))
        #expect(self.form(stage).contains("client_secret=s3cret"))
        #expect(
            stage.remote.outcomes.filter { $0.hasPrefix("revocation") } == ["revocation ok", "revocation ok"]
        )
    }

    @Test(arguments: [
        (200, "", "ok", false), (200, "{}", "ok", false), (204, "", "ok", false),
        (400, #"{"error":"unsupported_token_type"}"#, "revocation-refused", false),
        (401, #"{"error":"invalid_client"}"#, "client-refused", false),
        (404, "", "revocation-refused", false),
        (302, "", "issuer-failed", true), (429, "", "issuer-failed", true), (500, "", "issuer-failed", true),
        (503, "", "issuer-failed", true),
    ])
    func `only an issuer that cannot is asked again`(
        status: Int,
        body: String,
        word: String,
        isOutage: Bool
    ) async throws {
        let stage = try self.stage()
        stage.remote.answer("/revoke", status: status, text: body)
        do throws(OIDCError) {
            try await stage.party.revoke(RevokedToken(.access, "a"))
            #expect(word == "ok")
        } catch {
            #expect(error.reason == word)
            #expect(error.isOutage == isOutage)
        }
    }

    @Test func `an issuer without the endpoint is not asked`() async throws {
        let stage = try Stage()
        await #expect(throws: OIDCError.missingEndpoint("revocation_endpoint")) {
            try await stage.party.revoke(RevokedToken(.access, "a"))
        }
    }
}
