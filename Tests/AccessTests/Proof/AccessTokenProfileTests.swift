// Access tokens by RFC 9068, where a route takes no others (B10, B11).
import Gateway
import JSON
import Proxy
import Testing

@testable import Access

struct AccessTokenProfileTests {
    private let whole: [String: JSONValue] = ["client_id": "app", "jti": "j-1"]

    private func reason(_ claims: [String: JSONValue], typ: String?) async throws -> String? {
        let stage = try AccessStage(["access_token_profile": "rfc9068", "audience_required": []])
        // A token without an issuer does not make its keys be fetched.
        let warm = try stage.key.sign(stage.claims(whole), header: ["typ": "at+jwt"])
        #expect(try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(warm)")]).passes)
        let token = try stage.key.sign(stage.claims(claims), header: typ.map { ["typ": .string($0)] } ?? [:])
        return try await stage.ask("GET https://app.example/", [("authorization", "Bearer \(token)")]).reason
    }

    // B10
    @Test(
        arguments: [
            ("at+jwt", nil), ("application/at+jwt", nil), ("AT+JWT", nil), ("JWT", "wrong-type"),
            (nil, "wrong-type"), ("dpop+jwt", "wrong-type"), ("logout+jwt", "wrong-type"),
        ] as [(String?, String?)]
    )
    func `the type is at+jwt`(_ typ: String?, _ expected: String?) async throws {
        #expect(try await reason(whole, typ: typ) == expected)
    }

    // B11
    @Test(arguments: ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"])
    func `every claim of its §2.2 is there`(_ name: String) async throws {
        #expect(try await reason(whole.merging([name: .null]) { $1 }, typ: "at+jwt") == "missing-claim")
    }
}
