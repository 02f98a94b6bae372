// Grants, client authentication, and every way in which a token endpoint can answer.
import Cryptography
import Fetch
import JOSE
import JSON
import Testing

@testable import OIDC

struct TokenEndpointTests {
    private func form(_ stage: Stage) -> [String] {
        String(decoding: stage.remote.lastRequest?.body ?? [], as: UTF8.self)
            .split(separator: "&").map { String($0) }.sorted()
    }

    private func authorization(_ stage: Stage) -> String? {
        stage.remote.lastRequest?.fields.first { $0.0 == "Authorization" }?.1
    }

    private static let good: JSONValue = ["access_token": "at", "token_type": "Bearer", "expires_in": 60]

    @Test func `a client-credentials grant asks for what is configured`() async throws {
        var stage = try Stage()
        stage.party.scopes = ["api", "more"]
        stage.party.audiences = ["https://api.example"]
        stage.party.extraParameters = [("resource", "r&1")]
        stage.party.extraFields = [("X-Tenant", "t")]
        stage.remote.answer("/token", Self.good)
        let tokens = try await stage.party.clientCredentials()
        #expect(tokens.accessToken == "at")
        #expect(tokens.expiresAt == stage.now + 60)
        #expect(
            self.form(stage) == [
                "audience=https%3A%2F%2Fapi.example", "grant_type=client_credentials", "resource=r%261",
                "scope=api%20more",
            ]
        )
        #expect(stage.remote.lastRequest?.fields.contains { $0 == ("X-Tenant", "t") } == true)
        #expect(stage.remote.lastRequest?.method == "POST")
        #expect(stage.remote.lastRequest?.redirects == 0)  // H6
    }

    @Test func `a code, a password and a refresh token each go with their own parameters`() async throws {
        let stage = try Stage()
        stage.remote.answer("/token", Self.good)
        let request = AuthorizationRequest(state: "s", nonce: "n", verifier: "v", redirectURI: "https://a/cb")
        _ = try? await stage.party.redeem(code: "c+", of: request)
        #expect(
            self.form(stage) == [
                "code=c%2B", "code_verifier=v", "grant_type=authorization_code",
                "redirect_uri=https%3A%2F%2Fa%2Fcb",
            ]
        )  // A4
        _ = try await stage.party.password(username: "bob", password: "p w", scope: nil)
        #expect(
            self.form(stage) == ["grant_type=password", "password=p%20w", "scope=openid", "username=bob"]
        )
        _ = try await stage.party.refresh("rt", previous: nil)
        #expect(self.form(stage) == ["grant_type=refresh_token", "refresh_token=rt"])
    }

    @Test func `A15 each authentication shows the secret in one place`() async throws {
        var stage = try Stage()
        stage.remote.answer("/token", Self.good)
        stage.party = RelyingParty(
            issuer: stage.issuer,
            clientID: "a:b c",
            clientSecret: Secret(utf8: "p%ü")
        )
        _ = try await stage.party.clientCredentials(scope: "")
        // base64 of "a%3Ab%20c:p%25%C3%BC"
        #expect(self.authorization(stage) == "Basic YSUzQWIlMjBjOnAlMjUlQzMlQkM=")
        #expect(self.form(stage) == ["grant_type=client_credentials"])
        stage.party.authentication = .post
        _ = try await stage.party.clientCredentials(scope: "")
        #expect(self.authorization(stage) == nil)
        #expect(
            self.form(stage) == [
                "client_id=a%3Ab%20c", "client_secret=p%25%C3%BC", "grant_type=client_credentials",
            ]
        )
        stage.party.authentication = ClientAuthentication.none
        _ = try await stage.party.clientCredentials(scope: "")
        #expect(self.authorization(stage) == nil)
        #expect(self.form(stage) == ["client_id=a%3Ab%20c", "grant_type=client_credentials"])
    }

    @Test(arguments: [
        (true, [], ClientAuthentication.basic), (true, ["client_secret_post"], .post),
        (true, ["client_secret_post", "client_secret_basic"], .basic), (true, ["private_key_jwt"], .basic),
        (false, ["client_secret_basic"], .none),
    ])
    func `without a word in the configuration the metadata decides`(
        hasSecret: Bool,
        supported: [String],
        method: ClientAuthentication
    ) {
        #expect(ClientAuthentication.usual(hasSecret: hasSecret, supported: supported) == method)
    }

    // MARK: Answers

    @Test(arguments: [
        (200, "no JSON at all", "issuer-answer-malformed", true),
        (200, "[]", "issuer-answer-malformed", true),
        (200, "", "issuer-answer-malformed", true), (200, "{}", "issuer-answer-malformed", true),
        (200, #"{"access_token":1,"token_type":"Bearer"}"#, "issuer-answer-malformed", true),
        (200, #"{"access_token":"","token_type":"Bearer"}"#, "issuer-answer-malformed", true),
        (
            200, #"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#, "issuer-answer-malformed",
            true
        ),
        (200, #"{"access_token":"a"}"#, "unknown-token-type", false),
        (200, #"{"access_token":"a","token_type":"DPoP"}"#, "unknown-token-type", false),
        (200, #"{"error":"invalid_grant"}"#, "invalid-grant", false),
        (400, #"{"error":"invalid_grant"}"#, "invalid-grant", false),
        (400, #"{"error":"invalid_request"}"#, "grant-refused", false),
        (401, #"{"error":"invalid_client"}"#, "client-refused", false),
        (403, #"{"error":"unauthorized_client"}"#, "client-refused", false),
        (403, "", "grant-refused", false), (400, "<html>", "grant-refused", false),
        (400, #"{"error":"temporarily_unavailable"}"#, "grant-refused", true),
        (429, "", "issuer-failed", true), (500, #"{"error":"invalid_grant"}"#, "issuer-failed", true),
        (302, "", "issuer-failed", true), (307, "", "issuer-failed", true), (204, "", "issuer-failed", true),
    ])
    func `an answer that grants nothing has its own word`(
        status: Int,
        text: String,
        word: String,
        isUnavailable: Bool
    ) async throws {
        let stage = try Stage()
        stage.remote.answer("/token", status: status, text: text)
        do throws(OIDCError) {
            _ = try await stage.party.clientCredentials()
            Issue.record("granted")
        } catch {
            #expect(error.reason == word)
            #expect(error.isUnavailable == isUnavailable)
        }
    }

    @Test(arguments: [
        (FetchError.bodyTooLarge(limit: 1 << 20), "issuer-answer-too-large"), (.timedOut, "issuer-timed-out"),
        (.garbled, "issuer-answer-malformed"), (.connectionRefused, "issuer-unreachable"),
        (.tlsFailed, "issuer-tls-failed"), (.unresolvable, "issuer-unreachable"),
    ])
    func `E4 ten megabytes, slowness and silence are the issuer's failures`(
        error: FetchError,
        word: String
    ) async throws {
        let stage = try Stage()
        stage.remote.fail("/token", error)
        do throws(OIDCError) {
            _ = try await stage.party.clientCredentials()
            Issue.record("granted")
        } catch {
            #expect(error.reason == word)
            #expect(error.isUnavailable)
        }
        #expect(stage.remote.outcomes.last == "token \(word)")
    }

    @Test(arguments: ["bearer", "Bearer", "BEARER"])
    func `A19 the token type is compared without case`(type: String) async throws {
        let stage = try Stage()
        stage.remote.answer("/token", ["access_token": "a", "token_type": .string(type)])
        let tokens = try await stage.party.clientCredentials()
        #expect(tokens.expiresAt == nil)
    }

    @Test(
        arguments: [
            (60, 60), ("60", 60), (0, 0), (-1, nil), ("soon", nil), (.null, nil), (1e300, 315_360_000),
            (59.5, 59.5),
        ] as [(JSONValue, Double?)]
    )
    func `A19 a lifetime is taken when it makes sense`(value: JSONValue, seconds: Double?) {
        #expect(TokenAnswer.lifetime(value) == seconds)
    }

    @Test func `an error code that is no word never reaches a log`() async throws {
        let stage = try Stage()
        stage.remote.answer("/token", status: 400, text: #"{"error":"x\nlevel=fatal"}"#)
        await #expect(throws: OIDCError.refused(.token, status: 400, error: nil)) {
            try await stage.party.clientCredentials()
        }
    }

    // MARK: Userinfo

    // V14
    @Test(arguments: [
        (200, #"{"sub":"alice","email":"a@b"}"#, "ok"), (200, #"{"sub":"bob"}"#, "subject-mismatch"),
        (200, #"{"email":"a@b"}"#, "issuer-answer-malformed"), (200, "[]", "issuer-answer-malformed"),
        (200, "eyJhbGciOiJub25lIn0.e30.", "issuer-answer-malformed"), (401, "", "userinfo-refused"),
        (503, "", "issuer-failed"),
    ])
    func `I13 userinfo about anyone else is discarded`(status: Int, text: String, word: String) async throws {
        let stage = try Stage()
        stage.remote.answer("/userinfo", status: status, text: text)
        do throws(OIDCError) {
            let claims = try await stage.party.userInfo(accessToken: "at", expectedSubject: "alice")
            #expect(claims["email"] == "a@b")
            #expect(word == "ok")
        } catch { #expect(error.reason == word) }
        #expect(self.authorization(stage) == "Bearer at")  // A14
        #expect(stage.remote.lastRequest?.url == "https://id.example/userinfo")
    }
}
