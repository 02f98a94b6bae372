// What an explanation says of proofs, rule by rule.
import Gateway
import JSON
import Testing

@testable import Access

struct ProofReportTests {
    /// What each rule says of a token and the proofs beside it.
    private func verdicts(
        _ client: ProofClient,
        _ token: String,
        _ proofs: [String],
        scheme: String = "DPoP"
    ) async throws -> [String: String] {
        await AccessPlugins.start(client.stage.plan)
        let fields = [("authorization", "\(scheme) \(token)")] + proofs.map { ("dpop", $0) }
        let request = try WrittenRequest(
            "GET https://app.example/r",
            fields: fields.map { (name: $0.0, value: $0.1) }
        )
        let said = Explainer(plan: client.stage.plan, now: client.stage.clock.now).explain(
            request.head,
            client: request.client,
            claims: nil
        )
        let rules = said.json["plugins"]?.array?.first?["rules"]?.array ?? []
        return Dictionary(
            uniqueKeysWithValues: rules.map { ($0["rule"]?.string ?? "", $0["verdict"]?.string ?? "") }
        )
    }

    private static let all = [
        "shown by the scheme DPoP", "one field DPoP", "proof form", "proof type", "proof algorithm",
        "proof key", "proof payload", "proof's claims", "proof's key", "proof's method", "proof's target",
        "proof's token", "proof's time", "proof signature",
    ]

    @Test func `of a good proof every rule passes, and its use is not asked`() async throws {
        let client = try ProofClient()
        let token = try client.token()
        let proof = try client.proof(token)
        let said = try await verdicts(client, token, [proof])
        for rule in Self.all + ["proof of possession"] { #expect(said[rule] == "passed", "\(rule)") }
        #expect(said["proof's nonce"] == "not asked" && said["proof's first use"] == "not asked")
        // An explanation uses no proof up.
        #expect(try await client.ask(token, [proof]).passes)
    }

    @Test(
        arguments: [
            ("proof's method", ["htm": "POST"]), ("proof's target", ["htu": "https://app.example/other"]),
            ("proof's token", ["ath": "x"]), ("proof's time", ["iat": 1]), ("proof's claims", ["jti": .null]),
        ] as [(String, [String: JSONValue])]
    )
    func `the rule that a proof breaks is named, and what is behind it was not reached`(
        _ rule: String,
        _ changes: [String: JSONValue]
    ) async throws {
        let client = try ProofClient()
        let token = try client.token()
        let said = try await verdicts(client, token, [try client.proof(token, changes)])
        let place = try #require(Self.all.firstIndex(of: rule))
        for (index, name) in Self.all.enumerated() {
            let wanted = index < place ? "passed" : index == place ? "failed" : "not reached"
            #expect(said[name] == wanted, "\(name)")
        }
        #expect(said["proof of possession"] == "failed" && said["proof's first use"] == "not reached")
    }

    @Test func `how many proofs there are, and how the token is shown, are rules too`() async throws {
        let client = try ProofClient(["proof_of_possession_dpop": "optional"])
        let token = try client.token()
        let proof = try client.proof(token)
        let none = try await verdicts(client, token, [])
        #expect(none["one field DPoP"] == "failed" && none["proof form"] == "not reached")
        #expect(try await verdicts(client, token, [proof, proof])["one field DPoP"] == "failed")
        let plain = try await verdicts(client, token, [proof], scheme: "Bearer")
        #expect(plain["shown by the scheme DPoP"] == "failed" && plain["one field DPoP"] == "not reached")
        let broken = try await verdicts(client, token, ["x"])
        #expect(broken["proof form"] == "failed" && broken["proof type"] == "not reached")
        let other = try await verdicts(client, token, [try client.proof(token, by: SigningKey(kid: nil))])
        #expect(other["proof key"] == "passed" && other["proof's key"] == "failed")
    }

    @Test func `a token that is bound to a certificate gets the rules of RFC 8705`() async throws {
        let client = try ProofClient([
            "proof_of_possession_dpop": "optional", "proof_of_possession_mtls": "strict",
        ])
        let bound = try client.stage.key.sign(client.stage.claims(["cnf": ["x5t#S256": "x"]]))
        let said = try await verdicts(client, bound, [], scheme: "Bearer")
        #expect(said["certificate is shown"] == "failed")
        #expect(said["certificate is the token's"] == "not reached")
        let loose = try client.stage.key.sign(client.stage.claims())
        #expect(try await verdicts(client, loose, [], scheme: "Bearer")["bound to a certificate"] == "failed")
    }
}
