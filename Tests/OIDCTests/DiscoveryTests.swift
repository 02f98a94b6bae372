// Finding an issuer's metadata: exact, once at a time, and with a pause after a failure.
import Fetch
import JSON
import Testing

@testable import OIDC

struct DiscoveryTests {
    private static let path = "/.well-known/openid-configuration"

    private func metadata(_ stage: Stage, _ changes: [String: JSONValue]) {
        var document = stage.remote.metadata.object ?? [:]
        for (name, value) in changes { document.updateValue(value, forKey: name) }
        document = document.filter { !$0.value.isNull }
        stage.remote.answer(Self.path, .object(document))
    }

    private func word(_ stage: Stage) async -> String {
        do throws(OIDCError) {
            _ = try await stage.issuer.ready()
            return "ok"
        } catch {
            #expect(error.isUnavailable)
            return error.reason
        }
    }

    // MARK: What a document must say

    @Test(
        arguments: [
            ([:], "ok"), (["issuer": "https://id.example/"], "issuer-mismatch"),
            (["issuer": "https://ID.example"], "issuer-mismatch"), (["issuer": .null], "invalid-metadata"),
            (["issuer": ["https://id.example"]], "invalid-metadata"),
            (["jwks_uri": .null], "invalid-metadata"),
            (["jwks_uri": "file:///etc/keys.json"], "invalid-metadata"),
            (["jwks_uri": "http://id.example/jwks"], "invalid-metadata"),
            (["token_endpoint": "http://id.example/token"], "invalid-metadata"),
            (["token_endpoint": "file:///etc/passwd"], "invalid-metadata"),
            (["token_endpoint": "http://127.0.0.1:9000/token"], "ok"),
            (["token_endpoint": 7], "invalid-metadata"), (["userinfo_endpoint": .null], "ok"),
            (["authorization_endpoint": "https://id.example/a#b"], "invalid-metadata"),
            (["authorization_endpoint": "javascript:alert(1)"], "invalid-metadata"),
        ] as [([String: JSONValue], String)]
    )
    func `A20 V15 metadata is taken whole or not at all`(
        changes: [String: JSONValue],
        word: String
    ) async throws {
        let stage = try Stage()
        self.metadata(stage, changes)
        #expect(await self.word(stage) == word)
    }

    @Test(arguments: [
        (200, "[]", "issuer-answer-malformed"), (200, "<html>", "issuer-answer-malformed"),
        (404, "{}", "issuer-failed"), (302, "", "issuer-failed"), (500, "", "issuer-failed"),
    ])
    func `an answer that is no document is refused`(status: Int, text: String, word: String) async throws {
        let stage = try Stage()
        stage.remote.answer(Self.path, status: status, text: text)
        #expect(await self.word(stage) == word)
        #expect(stage.remote.outcomes == ["discovery \(word)"])
        #expect(stage.remote.lastRequest?.redirects == 0)  // H6
    }

    @Test func `a template for tenants is an error that names a tenant's URL`() async throws {
        let sentence =
            "the issuer 'https://login.example/{tenantid}/v2.0' is a template; "
            + "write your tenant's own, like 'https://login.example/TENANT-ID/v2.0'"
        #expect(throws: OIDCError.settings(sentence)) {
            try IssuerSettings(issuer: "https://login.example/{tenantid}/v2.0")
        }
        let stage = try Stage()
        self.metadata(stage, ["issuer": "https://login.example/{tenantid}/v2.0"])
        await #expect(throws: OIDCError.settings(sentence)) { try await stage.issuer.ready() }
    }

    // MARK: Settings

    @Test(arguments: [
        ("https://id.example", "https://id.example"), ("https://id.example/", "https://id.example/"),
        ("https://id.example/.well-known/openid-configuration", "https://id.example"),
        ("https://id.example/a/.well-known/openid-configuration", "https://id.example/a"),
    ])
    func `the well-known end of an issuer is cut, and nothing else`(written: String, issuer: String) throws {
        let settings = try IssuerSettings(issuer: written)
        #expect(settings.issuer == issuer)
        try settings.check()
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        #expect(settings.discoveryURL == base + Self.path)
    }

    @Test(arguments: [
        "http://id.example", "id.example", "https://id.example?x=1", "https://id.example#x",
        "ftp://id.example",
        "https://user@id.example",
    ])
    func `A20 an issuer that is not https is an error before anything is asked`(issuer: String) throws {
        let settings = try IssuerSettings(issuer: issuer)
        #expect(throws: OIDCError.self) { try settings.check() }
    }

    @Test func `A20 plain http is for this machine, or where it is allowed by name`() throws {
        try IssuerSettings(issuer: "http://127.0.0.1:9000").check()
        try IssuerSettings(issuer: "http://localhost/realm").check()
        var settings = try IssuerSettings(issuer: "http://id.example")
        settings.policy.plainHTTP = .any
        try settings.check()
    }

    @Test func `the configuration's endpoints win over the metadata's`() async throws {
        let stage = try Stage {
            $0.endpoints.token = "https://other.example/token"
            $0.endpoints.introspection = "https://other.example/introspect"
        }
        let metadata = try await stage.issuer.ready()
        #expect(metadata.endpoints.token == "https://other.example/token")
        #expect(metadata.endpoints.introspection == "https://other.example/introspect")
        #expect(metadata.endpoints.authorization == "https://id.example/authorize")
    }

    @Test func `a pseudo issuer is never asked`() async throws {
        let stage = try Stage {
            $0.usesPseudoIssuer = true
            $0.jwksEndpoint = "https://id.example/jwks"
            $0.endpoints.token = "https://id.example/token"
        }
        #expect(stage.issuer.metadata?.endpoints.token == "https://id.example/token")
        _ = try await stage.issuer.ready(within: 0)
        #expect(stage.remote.count(Self.path) == 0)
        var settings = try IssuerSettings(issuer: "anything")
        settings.usesPseudoIssuer = true
        #expect(throws: OIDCError.settings("using_pseudo_issuer needs jwks_endpoint or extra_jwks_uris")) {
            try settings.check()
        }
    }

    @Test func `E9 a link-local host is dialled only where the configuration writes it`() async throws {
        let stage = try Stage { $0.endpoints.token = "https://169.254.7.7/token" }
        self.metadata(stage, ["userinfo_endpoint": "https://169.254.8.8/userinfo"])
        _ = try await stage.issuer.ready()
        #expect(stage.remote.lastRequest?.policy.linkLocalHosts == ["169.254.7.7"])
    }

    @Test func `fields for discovery go with discovery alone`() async throws {
        let stage = try Stage { $0.discoveryFields = [.init(name: "X-Key", value: "k")] }
        _ = try await stage.issuer.ready()
        #expect(stage.remote.lastRequest?.fields.contains { $0 == ("X-Key", "k") } == true)
        await stage.issuer.start()
        #expect(stage.remote.lastRequest?.url == "https://id.example/jwks")
        #expect(stage.remote.lastRequest?.fields.contains { $0.0 == "X-Key" } == false)
    }

    // MARK: When it is asked for

    @Test func `D8 five hundred first requests share one discovery`() async throws {
        let stage = try Stage()
        stage.remote.hold(Self.path)
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<500 {
                group.addTask { (try? await stage.issuer.ready()) != nil }
            }
            await stage.remote.reached(Self.path)
            stage.remote.release()
            for await isReady in group { #expect(isReady) }
        }
        #expect(stage.remote.count(Self.path) == 1)
    }

    @Test func `metadata is asked for anew when it is older than the caller bears`() async throws {
        let stage = try Stage()
        _ = try await stage.issuer.ready(within: 5)
        stage.clock.advance(by: 5)
        _ = try await stage.issuer.ready(within: 5)
        #expect(stage.remote.count(Self.path) == 1)
        stage.clock.advance(by: 0.5)
        _ = try await stage.issuer.ready(within: .infinity)
        #expect(stage.remote.count(Self.path) == 1)
        _ = try await stage.issuer.ready(within: 5)
        #expect(stage.remote.count(Self.path) == 2)
    }

    @Test func `D5 a failure is followed by a pause that grows, and ends with the first success`()
        async throws
    {
        let stage = try Stage()
        stage.remote.fail(Self.path, .connectionRefused)
        var expected = 0
        for pause in [1.0, 2, 4, 5, 5] {
            #expect(await self.word(stage) == "issuer-unreachable")
            expected += 1
            stage.clock.advance(by: pause - 0.5)
            #expect(await self.word(stage) == "issuer-unreachable")
            #expect(stage.remote.count(Self.path) == expected)
            stage.clock.advance(by: 0.5)
        }
        stage.remote.answer(Self.path, stage.remote.metadata)
        #expect(await self.word(stage) == "ok")
        stage.clock.advance(by: 10)
        stage.remote.fail(Self.path, .timedOut)
        #expect(await self.word(stage) == "issuer-timed-out")
        #expect(stage.issuer.metadata != nil)
        #expect((try? await stage.issuer.ready(within: .infinity)) != nil)
    }

    @Test func `D10 a clock that goes back does not lengthen the pause`() async throws {
        let stage = try Stage()
        stage.remote.fail(Self.path, .connectionRefused)
        #expect(await self.word(stage) == "issuer-unreachable")
        stage.clock.advance(by: -3600)
        stage.remote.answer(Self.path, stage.remote.metadata)
        #expect(await self.word(stage) == "ok")
    }

    @Test func `equal settings share one issuer, others do not`() throws {
        let stage = try Stage()
        let same = try stage.directory.issuer(for: stage.issuer.settings)
        #expect(same === stage.issuer)
        var settings = stage.issuer.settings
        settings.extraJWKSURLs = ["https://id.example/more"]
        #expect(try stage.directory.issuer(for: settings) !== stage.issuer)
    }

    @Test func `the issuer's clock is compared with ours`() async throws {
        let stage = try Stage()
        let document = stage.remote.metadata
        stage.remote.answer(Self.path, document, fields: [("Date", "Tue, 14 Nov 2023 22:13:25 GMT")])
        _ = try await stage.issuer.ready()
        #expect(stage.remote.skews == [5])
        #expect(stage.remote.clockNews.map(\.isOff) == [true])
    }

    @Test(
        arguments: [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("", nil), ("Sun, 06 Nov 1994 08:49:37 CET", nil),
            ("Sun, 06 Foo 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 24:00:00 GMT", nil),
        ] as [(String, Double?)]
    )
    func `a date is read as HTTP writes it`(text: String, seconds: Double?) {
        #expect(HTTPDate.seconds(text) == seconds)
    }
}
