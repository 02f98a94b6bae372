// A bearer token in a form (RFC 6750 §2.2).
import Gateway
import JSON
import Testing

@testable import Access

struct OpenIDConnectFormTests {
    private static let form = [
        ("content-type", "application/x-www-form-urlencoded"), ("content-length", "9"),
    ]

    private func stage(_ more: [String: JSONValue] = [:]) throws -> AccessStage {
        try AccessStage(
            ["auth_methods": ["bearer"], "bearer_token_param_type": ["header", "body"]].merging(more) { $1 }
        )
    }

    private func token(_ stage: AccessStage) throws -> String {
        try stage.key.sign(stage.claims(["aud": "app"]))
    }

    @Test(arguments: ["access_token=@", "a=b&access_token=@&c=d", "access%5Ftoken=@"])
    func `the token of a form proves`(body: String) async throws {
        let stage = try stage()
        let outcome = try await stage.ask(
            "POST https://app.example/",
            Self.form,
            body: body.split(separator: "@", omittingEmptySubsequences: false).joined(separator: token(stage))
        )
        #expect(outcome.passes)
    }

    @Test(
        arguments: [
            ("POST", "application/x-www-form-urlencoded", "a=b", "no-credential"),
            ("POST", "application/x-www-form-urlencoded", "access_token=", "no-credential"),
            (
                "POST", "application/x-www-form-urlencoded", "access_token=a&access_token=b",
                "repeated-credential"
            ),
            ("POST", "application/x-www-form-urlencoded", "access_token=a.b.c", "malformed"),
            ("POST", "application/x-www-form-urlencoded", "%zz", "no-credential"),
            ("POST", "multipart/form-data; boundary=x", "access_token=@", "no-credential"),
            ("POST", "application/json", "access_token=@", "no-credential"),
            ("GET", "application/x-www-form-urlencoded", "access_token=@", "no-credential"),
        ]
    )
    func `what is no form with one token shows none`(
        _ method: String,
        _ type: String,
        _ body: String,
        _ reason: String
    ) async throws {
        let stage = try stage()
        let outcome = try await stage.ask(
            "\(method) https://app.example/",
            [("content-type", type), ("content-length", "9")],
            body: body.split(separator: "@", omittingEmptySubsequences: false).joined(separator: token(stage))
        )
        #expect(!outcome.passes)
        #expect(outcome.reason == reason)
    }

    @Test func `a form is read only where the route says so`() async throws {
        let stage = try stage(["bearer_token_param_type": ["header"]])
        let outcome = try await stage.ask(
            "POST https://app.example/",
            Self.form,
            body: "access_token=\(token(stage))"
        )
        #expect(outcome.reason == "no-credential")
    }

    @Test func `a form without a token is the anonymous consumer's where there is one`() async throws {
        let stage = try AccessStage(
            ["auth_methods": ["bearer"], "bearer_token_param_type": ["body"], "anonymous": "guest"],
            consumers: [Consumer(id: "g", username: "guest")]
        )
        let outcome = try await stage.ask("POST https://app.example/", Self.form, body: "a=b")
        #expect(outcome.passes)
    }
}
