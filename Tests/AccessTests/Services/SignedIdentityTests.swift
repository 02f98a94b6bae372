// The identity that we sign for upstreams.
import Gateway
import JOSE
import JSON
import Proxy
import Testing

@testable import Access

struct SignedIdentityTests {
    private static let here = "GET https://app.example/"
    private static let field: FieldName = "x-identity"

    private func stage(_ config: [String: JSONValue] = [:]) throws -> AccessStage {
        try AccessStage(["upstream_identity_header": "X-Identity"].merging(config) { _, new in new })
    }

    /// The claims of what the upstream got, verified by the published keys.
    private func claims(_ outcome: Outcome, _ stage: AccessStage) throws -> JSONValue {
        let token = try #require(outcome.upstream(Self.field))
        let keys = try JWKSet(parsing: stage.services.signing.document(at: stage.clock.now), from: .network)
        return try TokenVerifier.verify(
            Array(token.utf8),
            keys: keys,
            expecting: TokenExpectations(issuers: ["gatehouse"], algorithms: [.es256]),
            at: NumericDate(seconds: stage.clock.now)
        ).claims
    }

    @Test func `a service learns who it is, by whom, and that it is meant`() async throws {
        let stage = try stage(["upstream_identity_claims": ["email", "absent"]])
        let outcome = try await stage.ask(Self.here, try stage.bearer(["email": "a@b.example", "x": "y"]))
        let now = Int64(stage.clock.now)
        #expect(
            try claims(outcome, stage) == [
                "iss": "gatehouse", "sub": "alice", "idp": "https://id.example", "aud": "s",
                "email": "a@b.example", "iat": .integer(now), "exp": .integer(now + 300),
            ]
        )
    }

    @Test func `audience, lifetime and scheme are what the settings say`() async throws {
        let stage = try stage([
            "upstream_identity_header": "X-Identity:bearer", "upstream_identity_audience": ["one", "two"],
            "upstream_identity_lifetime": 30,
        ])
        let outcome = try await stage.ask(Self.here, try stage.bearer())
        let value = try #require(outcome.upstream(Self.field))
        #expect(value.hasPrefix("Bearer "))
        let claims = try JSONValue(
            parsing: try #require(Base64URL.decode(String(value.split(separator: ".")[1])))
        )
        #expect(claims["aud"] == ["one", "two"])
        #expect(try #require(claims["exp"]?.number) - stage.clock.now == 30)
    }

    @Test func `one signature serves a credential for two thirds of its life, and never another one`()
        async throws
    {
        let stage = try stage()
        let usual = try stage.bearer(["exp": .number(stage.clock.now + 3000)])
        let memory = stage.services.signedIdentities(stage.worker)
        var seen: [String?] = []
        for seconds in [0.0, 100, 99.9, 0.2, 100] {
            stage.clock.advance(by: seconds)
            seen.append(try await stage.ask(Self.here, usual).upstream(Self.field))
        }
        #expect(seen[0] != nil && seen[0] == seen[1] && seen[1] == seen[2])
        #expect(seen[3] != nil && seen[3] != seen[2] && seen[4] == seen[3])
        #expect(memory.signatures.value == 2)
        // H4
        let other = try await stage.ask(Self.here, try stage.bearer(["sub": "bob"]))
        #expect(try claims(other, stage)["sub"] == "bob")
        #expect(memory.signatures.value == 3)
    }

    @Test func `it does not outlive the token by more than ten seconds`() async throws {
        let stage = try stage()
        for (left, expected) in [(100.0, 100.0), (3, 10)] {
            let outcome = try await stage.ask(
                Self.here,
                try stage.bearer(["exp": .number(stage.clock.now + left)])
            )
            #expect(try #require(try claims(outcome, stage)["exp"]?.number) - stage.clock.now == expected)
        }
    }

    @Test func `a key that was taken back signs nothing that is sent from then on`() async throws {
        let stage = try stage()
        let fields = try stage.bearer()
        let before = try await stage.ask(Self.here, fields).upstream(Self.field)
        stage.services.signing.take(try .unkept())
        let outcome = try await stage.ask(Self.here, fields)
        #expect(outcome.upstream(Self.field) != before)
        #expect(try claims(outcome, stage)["sub"] == "alice")
    }

    @Test func `a session is told of as well, and nobody is where nobody was proven`() async throws {
        let stage = try stage(["anonymous": "guest"], consumers: [Consumer(id: "1", username: "guest")])
        let browser = Browser()
        try await stage.logIn(browser, id: ["email": "a@b.example"])
        let outcome = try await stage.ask(Self.here, AccessStage.navigation, from: browser)
        #expect(try claims(outcome, stage)["sub"] == "alice")
        let nobody = try await stage.ask(Self.here)
        #expect(nobody.passes && nobody.upstream(Self.field) == nil)
    }

    private func stage(_ config: [String: JSONValue], consumers: [Consumer]) throws -> AccessStage {
        try AccessStage(
            ["upstream_identity_header": "X-Identity"].merging(config) { _, new in new },
            consumers: consumers
        )
    }

    @Test func `a client's own copy goes on every path (H1)`() throws {
        #expect(try stage().plan.identityNames.contains(Self.field))
        #expect(try !AccessStage().plan.identityNames.contains(Self.field))
    }

    @Test(
        arguments: [
            (["upstream_identity_header": "no name"], "upstream_identity_header"),
            (["upstream_identity_header": "Host"], "upstream_identity_header"),
            (["upstream_identity_header": "Authorization"], "upstream_identity_header"),
            (
                ["upstream_identity_header": "X-I", "upstream_identity_claims": ["aud"]],
                "upstream_identity_claims"
            ),
            (
                ["upstream_identity_header": "X-I", "upstream_identity_audience": []],
                "upstream_identity_audience"
            ),
            (
                ["upstream_identity_header": "X-I", "upstream_identity_lifetime": 29],
                "upstream_identity_lifetime"
            ),
            (
                ["upstream_identity_header": "X-I", "upstream_identity_lifetime": 3601],
                "upstream_identity_lifetime"
            ),
            (["upstream_identity_claims": ["email"]], "upstream_identity_claims"),
        ] as [([String: JSONValue], String)]
    )
    func `settings that make no sense are refused by name`(config: [String: JSONValue], field: String) throws
    {
        let error = #expect(throws: ConfigurationError.self) { try AccessStage(config) }
        #expect(error?.diagnostics.contains { $0.message.hasPrefix("\(field): ") } ?? false)
    }

    @Test(arguments: [30, 3600]) func `the bounds of the lifetime are taken`(seconds: Int64) throws {
        _ = try stage(["upstream_identity_lifetime": .integer(seconds)])
    }

    // MARK: Consumers

    /// Asks a plugin that proves consumers by key.
    private func told(_ plugin: APIKey, key: String, _ stage: AccessStage) throws -> String? {
        let passage = Passage(
            explaining: try WrittenRequest(Self.here, fields: [(name: "apikey", value: key)]).head,
            client: ClientFacts(peer: try #require(IPAddress("192.0.2.7"))),
            plan: stage.plan,
            worker: stage.worker,
            now: stage.clock.now,
            door: .proxy
        )
        _ = try plugin.request(passage)
        return passage.upstream.value(of: Self.field)
    }

    @Test func `one signature serves all keys of a consumer, and never another consumer (H4)`() throws {
        let stage = try AccessStage()
        var (one, other) = (Consumer(id: "1", username: "one"), Consumer(id: "2", customID: "two"))
        one.keys = [KeyCredential(id: "a", key: "key-a"), KeyCredential(id: "b", key: "key-b")]
        other.keys = [KeyCredential(id: "c", key: "key-c")]
        let plugin = try APIKey(
            try Settings(
                ["upstream_identity_header": "X-Identity", "upstream_identity_audience": ["s"]],
                schema: APIKey.fields
            ),
            PluginScope(key: "k", consumers: ConsumerDirectory([one, other])),
            stage.services
        )
        #expect(plugin.emittedFields == [Self.field])
        let memory = stage.services.signedIdentities(stage.worker)
        let first = try told(plugin, key: "key-a", stage)
        #expect(first != nil)
        #expect(try told(plugin, key: "key-b", stage) == first)
        #expect(memory.signatures.value == 1)
        #expect(try told(plugin, key: "key-c", stage) != first)
        stage.clock.advance(by: 201)
        #expect(try told(plugin, key: "key-a", stage) != first)
        #expect(memory.signatures.value == 3)
    }

    @Test func `what ends before what is signed has a signature of its own`() throws {
        let stage = try AccessStage()
        let consumer = SignedConsumer(Consumer(id: "1", username: "one"))
        let choice = try #require(
            {
                var check = SettingsCheck(
                    try Settings(
                        ["upstream_identity_header": "X-Identity", "upstream_identity_audience": ["s"]],
                        schema: APIKey.fields
                    )
                )
                return SignedIdentityChoice(&check, others: [])
            }()
        )
        let signer = IdentitySigner(choice: choice, services: stage.services)
        var ends: [Double] = []
        for left in [Double.infinity, 301, 100, 101, 100] {
            let passage = Passage(
                explaining: try WrittenRequest(Self.here).head,
                client: ClientFacts(peer: try #require(IPAddress("192.0.2.7"))),
                plan: stage.plan,
                worker: stage.worker,
                now: stage.clock.now,
                door: .proxy
            )
            try signer.sign(consumer, until: stage.clock.now + left, isOne: false, passage)
            let token = try #require(passage.upstream.value(of: Self.field))
            let text = try #require(Base64URL.decode(String(token.split(separator: ".")[1])))
            ends.append(try #require(try JSONValue(parsing: text)["exp"]?.number) - stage.clock.now)
        }
        #expect(ends == [300, 300, 100, 101, 100])
        #expect(stage.services.signedIdentities(stage.worker).signatures.value == 3)
    }
}
