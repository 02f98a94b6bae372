// The page on which a user chooses among logins.
import Fetch
import Gateway
import JSON
import OIDC
import Proxy
import Testing

@testable import Access

struct LoginOffersTests {
    /// A plan of routes, each with a login of its own.
    private func plan(
        _ routes: [(path: String, host: String?, config: [String: JSONValue])]
    ) throws -> (Plan, AccessServices) {
        let stage = try AccessStage()
        var configuration = Configuration()
        configuration.services = [Service(id: "s", name: "s", host: "127.0.0.1", port: 9)]
        for (index, entry) in routes.enumerated() {
            var route = Route(id: "r\(index)", name: "r\(index)", service: "s", paths: [entry.path])
            route.hosts = [entry.host].compactMap { $0 }
            configuration.routes.append(route)
            let members = AccessStage.usual.merging(entry.config) { _, new in new }
            let settings = try Settings(.object(members), schema: OpenIDConnectFields.all)
            var plugin = PluginInstance(name: "openid-connect", id: "p\(index)", settings: settings)
            plugin.binding.route = "r\(index)"
            configuration.plugins.append(plugin)
        }
        return (try Plan(configuration, kinds: AccessPlugins.kinds(stage.services)), stage.services)
    }

    private let own = RedirectTarget.Origin(scheme: "https", host: "app.example", port: nil)

    @Test func `each login that differs by issuer or client is offered once`() throws {
        let (plan, services) = try plan([
            ("/staff", nil, [:]), ("/staff/more", nil, ["groups_required": ["admin"]]),
            ("/guests", nil, ["client_id": ["guests"], "login_title": "Guests <b>"]),
            ("/elsewhere", "other.example", ["client_id": ["other"]]),
            ("~/pattern$", nil, ["client_id": ["pattern"]]),
            ("/tokens", nil, ["client_id": ["api"], "auth_methods": ["bearer"]]),
        ])
        let offers = LoginOffers(plan, on: own, services)
        #expect(offers.all.map(\.path) == ["/staff", "/guests"])
        #expect(offers.all.map(\.title) == ["id.example", "Guests <b>"])
        let html = offers.page.html
        #expect(html.contains("href=\"/oauth2/start?rd=%2Fstaff\">id.example</a>"))
        #expect(html.contains("href=\"/oauth2/start?rd=%2Fguests\">Guests &lt;b&gt;</a>"))
        #expect(!html.contains("<b>"))
    }

    @Test func `where one login is all there is, nobody has to choose`() async throws {
        let stage = try AccessStage()
        let outcome = try await stage.ask("GET https://app.example/oauth2/sign_in", AccessStage.navigation)
        #expect(outcome.answer?.status == 302)
    }
}
