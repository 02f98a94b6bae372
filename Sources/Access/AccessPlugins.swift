// The plugins of this room, for the program's list.
package import Gateway
import OIDC

/// The kinds of plugins that decide who it is.
package enum AccessPlugins {
    /// `openid-connect`.
    package static func kinds(_ services: AccessServices) -> [PluginKind] {
        [
            PluginKind(
                name: "openid-connect",
                order: .authenticate,
                schema: OpenIDConnectFields.all,
                mayBindConsumers: false,
                help:
                    "Proves who a request is for by an OpenID Connect issuer: login, session, tokens, grants."
            ) { settings, scope throws(ConfigurationError) in
                let plugin = try OpenIDConnect(settings, scope, services)
                try plugin.settings.signedIdentity?.requireAudience(scope, settings)
                return plugin
            },
            APIKey.kind(services), MutualTLS.kind(services),
        ]
    }

    /// Discovers the issuers of a plan and takes their keys, side by side; a start that goes on without waiting.
    package static func start(_ plan: Plan) async {
        await withTaskGroup(of: Void.self) { group in
            for case let plugin as OpenIDConnect in plan.plugins.map(\.plugin) {
                for issuer in plugin.parties.all { group.addTask { await issuer.start() } }
            }
        }
    }
}
