// Names and secrets that the issuer trades for tokens, and what is kept of them.
import Fetch
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct OpenIDConnectGrantTests {
    private func basic(_ name: String, _ secret: String) -> [(String, String)] {
        [("authorization", "Basic " + ClaimText.base64(Array("\(name):\(secret)".utf8)))]
    }

    private func stage(_ methods: [JSONValue], _ more: [String: JSONValue] = [:]) throws -> AccessStage {
        let stage = try AccessStage(["auth_methods": .array(methods)].merging(more) { $1 })
        let token = try stage.key.sign(stage.claims(["scope": "read", "aud": "api"]))
        stage.issuer.script("/token") { request throws(FetchError) in
            let form = QueryArguments(request.body)
            let isRight =
                switch form?.single("grant_type") {
                case "password": form?.single("password") == "right"
                case "client_credentials":
                    // cron:secret
                    request.fields.contains { $0.1 == "Basic Y3JvbjpzZWNyZXQ=" }
                default: form?.single("refresh_token") == "good"
                }
            let body: JSONValue =
                isRight
                ? ["access_token": .string(token), "token_type": "Bearer", "expires_in": 60]
                : ["error": "invalid_grant"]
            return FetchResponse(status: isRight ? 200 : 400, body: body.serialized())
        }
        return stage
    }

    // A18
    @Test func `what was traded is kept until shortly before the token ends`() async throws {
        let stage = try stage(["client_credentials"])
        let ask = { try await stage.ask("GET https://app.example/", self.basic("cron", "secret")).passes }
        #expect(try await ask())
        // Sixty seconds: renewed six before their end.
        stage.clock.advance(by: 53)
        #expect(try await ask())
        #expect(stage.issuer.count("/token") == 1)
        stage.clock.advance(by: 1)
        #expect(try await ask())
        #expect(stage.issuer.count("/token") == 2)
    }

    @Test func `a password is traded once and kept while the token lives`() async throws {
        let stage = try stage(["password"])
        for _ in 0..<3 {
            let outcome = try await stage.ask("GET https://app.example/", basic("alice", "right"))
            #expect(outcome.passes)
            #expect(outcome.upstream(.authorization)?.hasPrefix("Bearer ey") == true)
        }
        #expect(stage.issuer.count("/token") == 1)
        stage.clock.advance(by: 60)
        #expect(try await stage.ask("GET https://app.example/", basic("alice", "right")).passes)
        #expect(stage.issuer.count("/token") == 2)
    }

    // H4
    @Test func `a wrong password is asked about each time and never taken for a right one`() async throws {
        let stage = try stage(["password"])
        #expect(try await stage.ask("GET https://app.example/", basic("alice", "right")).passes)
        for _ in 0..<2 {
            let outcome = try await stage.ask("GET https://app.example/", basic("alice", "wrong"))
            #expect(outcome.refusal?.status == 401)
            #expect(outcome.reason == "invalid-grant")
        }
        #expect(stage.issuer.count("/token") == 3)
        // Length-prefixed: `alic` and `eright` are not `alice` and `right`.
        #expect(
            try await stage.ask("GET https://app.example/", basic("alic", "eright")).reason == "invalid-grant"
        )
    }

    @Test func `a client's own secret is traded when that is named`() async throws {
        let stage = try stage(["client_credentials"])
        #expect(try await stage.ask("GET https://app.example/", basic("cron", "secret")).passes)
        #expect(
            try await stage.ask("GET https://app.example/", basic("cron", "wrong")).reason == "invalid-grant"
        )
        #expect(stage.issuer.form("/token")?.single("scope") == nil)
    }

    @Test func `with both, the password is tried first and then the client`() async throws {
        let stage = try stage(["password", "client_credentials"])
        #expect(try await stage.ask("GET https://app.example/", basic("cron", "secret")).passes)
        #expect(stage.issuer.count("/token") == 2)
    }

    // A13
    @Test func `a Basic credential means nothing where no grant is named`() async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask("GET https://app.example/", basic("alice", "right"))
        #expect(outcome.reason == "no-credential")
        #expect(stage.issuer.count("/token") == 0)
    }

    @Test func `without bearer the challenge is Basic`() async throws {
        let stage = try stage(["password"])
        let outcome = try await stage.ask("GET https://app.example/")
        #expect(outcome.refusal?.cause.challenges == ["Basic realm=\"id.example\", charset=\"UTF-8\""])
    }

    @Test(arguments: ["x", "eDp5PQ", "Og==", "YTo=", "OmI=", "YWI=", "!!!!", "gDqA"])
    func `a malformed Basic credential is refused without asking`(_ text: String) async throws {
        let stage = try stage(["password"])
        let outcome = try await stage.ask("GET https://app.example/", [("authorization", "Basic \(text)")])
        #expect(outcome.refusal?.status == 401)
        #expect(outcome.reason == "malformed" || text == "eDp5PQ")
        #expect(stage.issuer.count("/token") == (text == "eDp5PQ" ? 1 : 0))
    }

    @Test func `a refresh token in its own field is traded and kept from the upstream`() async throws {
        let stage = try stage(["refresh_token"])
        let outcome = try await stage.ask("GET https://app.example/", [("refresh-token", "good")])
        #expect(outcome.passes)
        #expect(outcome.upstream("refresh-token") == nil)
        #expect(
            try await stage.ask("GET https://app.example/", [("refresh-token", "bad")]).reason
                == "invalid-grant"
        )
    }

    @Test func `rules on claims hold for grants too`() async throws {
        let stage = try stage(["password"], ["scopes_required": ["admin"]])
        let outcome = try await stage.ask("GET https://app.example/", basic("alice", "right"))
        #expect(outcome.refusal?.status == 403)
        #expect(outcome.reason == "insufficient-scope")
    }

    @Test func `while the issuer is down kept grants go on and others are 503`() async throws {
        let stage = try stage(["password"])
        #expect(try await stage.ask("GET https://app.example/", basic("alice", "right")).passes)
        stage.issuer.goDown()
        #expect(try await stage.ask("GET https://app.example/", basic("alice", "right")).passes)
        let outcome = try await stage.ask("GET https://app.example/", basic("bob", "right"))
        #expect(outcome.refusal?.status == 503)
    }
}
