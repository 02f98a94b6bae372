// The way out and what comes back with the browser.
import JOSE
import JSON
import Testing

@testable import OIDC

struct AuthorizationRequestTests {
    private func query(_ url: String) -> [String] {
        url.split(separator: "?", maxSplits: 1).last.map { $0.split(separator: "&").map { String($0) } } ?? []
    }

    @Test func `A1 A2 A3 every request is new and long enough`() throws {
        var seen: Set<String> = []
        for _ in 0..<100 {
            let request = try AuthorizationRequest(redirectURI: "https://app.example/cb")
            for value in [request.state, request.nonce, request.verifier ?? ""] {
                #expect(value.utf8.count == 43)
                #expect(Base64URL.decode(value)?.count == 32)
                #expect(seen.insert(value).inserted)
            }
        }
    }

    @Test func `A3 A4 A5 A16 the URL carries what the standard asks for, once`() async throws {
        var stage = try Stage()
        stage.party.scopes = ["openid", "email"]
        stage.party.audiences = ["api"]
        let metadata = try await stage.issuer.ready()
        // RFC 7636 appendix B
        var request = AuthorizationRequest(
            state: "s",
            nonce: "n",
            verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            redirectURI: "https://app.example/cb?x=1"
        )
        request.maximumAge = 60
        request.contexts = ["gold", "silver"]
        let extra = [("prompt", "login"), ("state", "evil"), ("prompt", "none"), ("scope", "admin")]
        let url = try stage.party.authorizationURL(request, extra: extra, at: metadata)
        #expect(url.hasPrefix("https://id.example/authorize?"))
        #expect(
            self.query(url) == [
                "response_type=code", "client_id=app", "redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1",
                "scope=openid%20email", "state=s", "nonce=n",
                "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method=S256",
                "max_age=60", "acr_values=gold%20silver", "audience=api", "prompt=login",
            ]
        )
    }

    @Test func `PKCE is left out only where it was switched off`() async throws {
        let stage = try Stage()
        let request = try AuthorizationRequest(redirectURI: "https://app.example/cb", usesPKCE: false)
        let url = try stage.party.authorizationURL(request, at: try await stage.issuer.ready())
        #expect(!url.contains("code_challenge"))
    }

    @Test(
        arguments: [
            (false, [], nil), (false, ["https://id.example"], nil), (true, ["https://id.example"], nil),
            (true, [], OIDCError.missingIssuerParameter),
            (false, ["https://evil.example"], .wrongIssuerParameter),
            (true, ["https://id.example/"], .wrongIssuerParameter),
            (true, ["https://id.example", "https://id.example"], .wrongIssuerParameter),
        ] as [(Bool, [String], OIDCError?)]
    )
    func `A7 the response's issuer is ours, and there where it is announced`(
        isAnnounced: Bool,
        values: [String],
        error: OIDCError?
    ) async throws {
        let stage = try Stage()
        var document = stage.remote.metadata.object ?? [:]
        document["authorization_response_iss_parameter_supported"] = .bool(isAnnounced)
        stage.remote.answer("/.well-known/openid-configuration", .object(document))
        let metadata = try await stage.issuer.ready()
        do throws(OIDCError) {
            try stage.party.checkIssuerParameter(values, at: metadata)
            #expect(error == nil)
        } catch let found { #expect(found == error) }
    }

    @Test func `signing out leads to the issuer with what it needs`() async throws {
        let stage = try Stage()
        #expect(stage.party.endSessionURL(idTokenHint: "t", postLogoutRedirectURI: nil, state: nil) == nil)
        _ = try await stage.issuer.ready()
        let url = stage.party.endSessionURL(
            idTokenHint: "t",
            postLogoutRedirectURI: "https://app.example/",
            state: "s"
        )
        #expect(
            url == "https://id.example/logout?x=1&id_token_hint=t&client_id=app"
                + "&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=s"
        )
    }

    @Test(arguments: [
        ("https://a/b", "https://a/b?k=v%20w"), ("https://a/b?", "https://a/b?k=v%20w"),
        ("https://a/b?c", "https://a/b?c&k=v%20w"), ("https://a/b?c=d&", "https://a/b?c=d&k=v%20w"),
    ])
    func `parameters join a query that is there`(url: String, whole: String) {
        #expect(FormEncoding.append([("k", "v w")], to: url) == whole)
    }
}
