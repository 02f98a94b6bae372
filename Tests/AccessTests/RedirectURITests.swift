// Where an issuer sends a browser back to, and whose login a way back ends.
import Fetch
import JSON
import OIDC
import Testing

@testable import Access
@testable import Gateway
@testable import Proxy

struct RedirectURITests {
    /// A network that nobody answers in.
    private struct Nobody: HTTPClient {
        func fetch(_ request: FetchRequest) async throws(FetchError) -> FetchResponse {
            throw .connectionRefused
        }
    }

    /// A plan with one route for each list of hosts, each with an instance of its own.
    private static func plan(
        hosts: [[String]],
        listed: [String]? = nil,
        _ config: [String: JSONValue] = [:]
    ) throws -> Plan {
        let client = Nobody()
        let directory = IssuerDirectory(
            client: client,
            dataDirectory: nil,
            clock: { 0 },
            events: UnheardIssuerEvents()
        )
        let services = try AccessServices(
            issuers: directory,
            client: client,
            keys: SealingKeyRing(octets: [[UInt8](repeating: 1, count: 32)]),
            clock: { 0 },
            redirectHosts: listed
        )
        let usual: [String: JSONValue] = ["issuer": "https://id.example", "client_id": ["app"]]
        var configuration = Configuration()
        for (index, hosts) in hosts.enumerated() {
            var route = Route(id: "r\(index)", name: "r\(index)", service: nil, paths: ["/\(index)"])
            route.hosts = hosts
            configuration.routes.append(route)
            let settings = try Settings(
                .object(usual.merging(config) { _, new in new }),
                schema: OpenIDConnectFields.all
            )
            configuration.plugins.append(
                PluginInstance(
                    name: "openid-connect",
                    id: "p\(index)",
                    binding: PluginBinding(route: "r\(index)"),
                    settings: settings
                )
            )
        }
        return try Plan(configuration, kinds: AccessPlugins.kinds(services))
    }

    private static func passage(
        _ line: String,
        _ plan: Plan,
        cookie: String? = nil
    ) throws -> Passage {
        let request = try WrittenRequest(line, fields: cookie.map { [(name: "cookie", value: $0)] } ?? [])
        return Passage(
            explaining: request.head,
            client: request.client,
            plan: plan,
            worker: Worker(index: 0),
            now: 0,
            door: .proxy
        )
    }

    private static func redirectURI(from host: String, _ hosts: [String], listed: [String]?) throws -> String
    {
        let plan = try Self.plan(hosts: [hosts], listed: listed)
        let login = try #require(plan.logins.first)
        return try login.redirectURI(Self.passage("GET https://\(host)/oauth2/start", plan), hosts)
    }

    @Test(
        arguments: [
            ("app.example", ["app.example"], nil), ("APP.example", ["app.example"], nil),
            ("a.app.example", ["*.app.example"], nil), ("app.test", ["app.*"], nil),
            ("app.example", [], nil), ("app.example", [], ["app.example"]),
            ("public.example", ["app.example"], ["public.example"]),
        ] as [(String, [String], [String]?)]
    )
    func `a host that the route or redirect_hosts name is come back to`(
        host: String,
        hosts: [String],
        listed: [String]?
    ) throws {
        let uri = try Self.redirectURI(from: host, hosts, listed: listed)
        #expect(uri == "https://\(host.lowercased())/oauth2/callback")
    }

    // S1
    @Test(
        arguments: [
            ("evil.example", ["app.example"], nil), ("app.example.evil.example", ["app.example"], nil),
            ("app.example", ["*.app.example"], nil), ("application.test", ["app.*"], nil),
            ("evil.example", [], ["app.example"]), ("evil.example", ["app.example"], ["public.example"]),
        ] as [(String, [String], [String]?)]
    )
    func `no other host is come back to`(host: String, hosts: [String], listed: [String]?) throws {
        let plan = try Self.plan(hosts: [hosts], listed: listed)
        let passage = try Self.passage("GET https://\(host)/oauth2/start", plan)
        let login = try #require(plan.logins.first)
        let refusal = #expect(throws: Refusal.self) { try login.redirectURI(passage, hosts) }
        #expect(refusal?.status == 403)
        #expect(refusal?.reason == "unknown-host")
    }

    @Test func `a login without redirect_uri and without hosts is warned about`() throws {
        #expect(
            try Self.plan(hosts: [[]]).warnings.map(\.message).contains { $0.hasPrefix("redirect_uri: ") }
        )
        #expect(try Self.plan(hosts: [["app.example"]]).warnings.isEmpty)
        #expect(try Self.plan(hosts: [[]], listed: ["app.example"]).warnings.isEmpty)
        let written: [String: JSONValue] = ["redirect_uri": ["https://app.example/oauth2/callback"]]
        #expect(try Self.plan(hosts: [[]], written).warnings.isEmpty)
        #expect(try Self.plan(hosts: [[]], ["auth_methods": ["bearer"]]).warnings.isEmpty)
    }

    @Test func `a way back on a shared redirect_uri is found by its state`() throws {
        let plan = try Self.plan(hosts: [[], []], ["redirect_uri": ["https://app.example/1/back"]])
        let (first, second) = (plan.logins[0], plan.logins[1])
        let attempt = LoginAttempt(
            state: "\(first.id).s",
            nonce: "n",
            verifier: "v",
            redirectURI: "https://app.example/1/back",
            target: "/0",
            startedAt: 0
        )
        let empty = try Self.passage("GET https://app.example/1/back", plan)
        let line = try first.loginCookies.lines(attempt, https: true, request: empty.request, at: 0)[0]
        let back = try Self.passage(
            "GET https://app.example/1/back?state=\(first.id).s&code=c",
            plan,
            cookie: String(line.prefix { $0 != ";" })
        )
        guard case .wait = try second.request(back) else {
            Issue.record("the code is not redeemed")
            return
        }
    }
}
