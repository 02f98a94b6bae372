// Our own paths on the proxy listener: login, logout, who am I, and the callouts.
package import Gateway
import JSON
import Proxy

/// The paths under `auth_prefix` that this room answers.
package enum OwnPaths {
    /// All of them, for the pipeline.
    package static func all(_ services: AccessServices) -> [OwnPath] {
        let prefix = services.authPrefix
        let login = LoginPaths(services: services)
        let logout = LogoutPath(services: services)
        return CalloutDoor.all(prefix).map { CalloutPath(door: $0, services: services).own } + [
            OwnPath(path: "\(prefix)/start", methods: [.get]) { passage throws(Refusal) in
                try services.knowingSessions(passage) { passage throws(Refusal) in try login.start(passage) }
            },
            OwnPath(path: "\(prefix)/sign_in", methods: [.get]) { passage throws(Refusal) in
                try services.knowingSessions(passage) { passage throws(Refusal) in try login.signIn(passage) }
            },
            OwnPath(path: services.resumePath, methods: [.get]) { passage throws(Refusal) in
                try services.knowingSessions(passage) { passage throws(Refusal) in try login.resume(passage) }
            },
            OwnPath(path: "\(prefix)/callback", methods: [.get, .post]) { passage throws(Refusal) in
                try login.callback(passage)
            },
            OwnPath(path: "\(prefix)/sign_out", methods: [.get, .head, .post]) { passage throws(Refusal) in
                try services.knowingSessions(passage) { passage throws(Refusal) in try logout.serve(passage) }
            },
            OwnPath(path: "\(prefix)/userinfo", methods: [.get, .head]) { passage throws(Refusal) in
                try services.knowingSessions(passage) { passage throws(Refusal) in try login.userInfo(passage)
                }
            },
            RenewalPath(services: services).own, BackChannelLogoutPath(services: services).own,
            FrontChannelLogoutPath(services: services).own,
            ResourceMetadataPath.path, PublicKeysPath(services: services).own,
        ] + IntrospectionPath.all(services)
    }
}

extension Plan {
    /// All instances that can log a browser in, each once.
    var logins: [OpenIDConnect] {
        plugins.compactMap { $0.plugin as? OpenIDConnect }.filter {
            $0.settings.methods.contains(.authorizationCode)
        }
    }

    /// The instance that began the login that `state` names.
    func login(of state: String?) -> OpenIDConnect? {
        let id = state?.split(separator: ".").first.map(String.init)
        return logins.first { $0.id == id }
    }

    /// The instance that a request to this URL would log in at, and its route's hosts.
    func login(
        for path: String,
        origin: RedirectTarget.Origin,
        limits: ProxyLimits
    ) -> (instance: OpenIDConnect, hosts: [String])? {
        let authority = origin.port.map { "\(origin.host):\($0)" } ?? origin.host
        let text = "GET \(path) HTTP/1.1\r\nHost: \(authority)\r\n\r\n"
        guard let head = try? RequestHead.parse(Array(text.utf8), limits: limits),
            let visitor = origin.visitor,
            let planned = try? match(head, from: visitor)?.planned
        else {
            return nil
        }
        for plugin in planned.steps.flatMap(\.candidates) {
            if let instance = plugin as? OpenIDConnect, instance.settings.methods.contains(.authorizationCode)
            {
                return (instance, planned.route.hosts)
            }
        }
        return nil
    }
}

extension RedirectTarget.Origin {
    /// A browser that goes there: its handshake asks for the host.
    fileprivate var visitor: ClientFacts? {
        guard let nobody = IPAddress("192.0.2.1") else { return nil }
        let isSecure = self.scheme == "https"
        return ClientFacts(
            peer: nobody,
            scheme: isSecure ? .https : .http,
            serverName: isSecure ? self.host : nil
        )
    }
}
