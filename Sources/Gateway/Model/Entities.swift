// The nouns of a configuration: services, routes, consumers, plugins.
package import JSON
import Proxy

/// Where requests go.
package struct Service: Sendable, Hashable {
    /// The file's `id`, or one made from the name.
    package var id: String
    package var name: String?
    package var isEnabled = true
    /// Whether it speaks HTTP/2 from the first octet on: the protocol `grpc`.
    package var speaksHTTP2 = false
    /// Whether it speaks TLS: the protocols `https` and `grpcs`.
    package var speaksTLS = false
    /// Whether it has to prove its name then.
    package var verifiesTLS = true
    /// Ids of those whose signatures are believed; none are the settings'.
    package var authorities: [String] = []
    /// The id of the certificate that it is shown.
    package var clientCertificate: String?
    package var host: String
    package var port = 80
    /// What goes before the rest of the path; nil is nothing.
    package var path: String?
    package var retries = 5
    package var connectTimeoutMilliseconds = 60000
    package var writeTimeoutMilliseconds = 60000
    package var readTimeoutMilliseconds = 60000
    package var tags: [String] = []

    /// Describes a service.
    package init(id: String, name: String? = nil, host: String, port: Int = 80, path: String? = nil) {
        self.id = id
        self.name = name
        self.host = host
        self.port = port
        self.path = path
    }
}

/// A demand on one field of a request.
package struct FieldDemand: Sendable, Hashable {
    /// The field's name, in lower case.
    package let name: String
    /// Any of these, compared without case.
    package let values: [String]
    /// Or else a pattern, from a single value that begins with `~*`.
    package let pattern: String?

    /// Describes a demand.
    package init(name: String, values: [String], pattern: String? = nil) {
        self.name = name.lowercased()
        // As Kong does: of ASCII letters alone.
        self.values = values.map { String(decoding: $0.utf8.map(\.lowercased), as: UTF8.self) }
        self.pattern = pattern
    }
}

/// Which requests are meant, and how they are passed on.
package struct Route: Sendable, Hashable {
    /// The file's `id`, or one made from the name.
    package var id: String
    package var name: String?
    /// The service's `id`; a route may have none.
    package var service: String?
    /// `http` and `https`, or `grpc` and `grpcs`: one or both.
    package var protocols: Set<String> = ["http", "https"]
    package var methods: [String] = []
    /// Lower case, without ports; `*.example.com` and `example.*` are wildcards.
    package var hosts: [String] = []
    /// The ports that hosts demand, by the host's place in `hosts`.
    package var hostPorts: [Int: UInt16] = [:]
    package var fields: [FieldDemand] = []
    /// Names of which the client's handshake has to have asked for one, in lower case without a last dot (Kong's `snis`).
    package var serverNames: [String] = []
    /// Prefixes, or patterns that begin with `~`.
    package var paths: [String] = []
    package var regexPriority = 0
    package var stripsPath = true
    package var pathHandling = PathHandling.v0
    package var preservesHost = false
    package var httpsRedirectStatus = 426
    package var tags: [String] = []
    package var position: Position = .nowhere

    /// Describes a route.
    package init(id: String, name: String? = nil, service: String? = nil, paths: [String] = []) {
        self.id = id
        self.name = name
        self.service = service
        self.paths = paths
    }

    /// The name for logs: the user's, or else the id.
    package var title: String { self.name ?? self.id }

    /// The hosts, each with the port that it demands unless that is a scheme's own: `example.com:8443`.
    package var authorities: [String] {
        self.hosts.enumerated().map { index, host in
            guard let port = self.hostPorts[index], port != 80, port != 443 else { return host }
            return "\(host):\(port)"
        }
    }

    /// The form in which requests to `path` arrive at the router; nil if none can.
    package static func canonical(path: String) -> String? {
        let bytes = Array("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        guard let head = try? RequestHead.parse(bytes), head.query == nil else { return nil }
        return head.pathText
    }
}

/// A key of a consumer.
package struct KeyCredential: Sendable, Hashable {
    package let id: String
    /// The key itself; whoever serves it keeps a keyed hash only.
    package let key: String

    /// Describes a key.
    package init(id: String, key: String) {
        self.id = id
        self.key = key
    }
}

/// A name in certificates that stands for a consumer.
package struct CertificateCredential: Sendable, Hashable {
    package let id: String
    /// An alternative name or a common name.
    package let subjectName: String
    /// The id of the authority that has to vouch for it; nil is any.
    package let authority: String?

    /// Describes a name.
    package init(id: String, subjectName: String, authority: String? = nil) {
        self.id = id
        self.subjectName = subjectName
        self.authority = authority
    }
}

/// Somebody known to the gateway.
package struct Consumer: Sendable, Hashable {
    package var id: String
    package var username: String?
    package var customID: String?
    package var keys: [KeyCredential] = []
    /// The names that stand for it in certificates.
    package var certificates: [CertificateCredential] = []
    /// The `acls` groups.
    package var groups: [String] = []
    /// The consumer groups, by name.
    package var consumerGroups: [String] = []
    package var tags: [String] = []

    /// Describes a consumer.
    package init(id: String, username: String? = nil, customID: String? = nil) {
        self.id = id
        self.username = username
        self.customID = customID
    }

    /// The name for logs: username, custom id, or id.
    package var title: String { self.username ?? self.customID ?? self.id }
}

/// A set of consumers that share plugins.
package struct ConsumerGroup: Sendable, Hashable {
    package var id: String
    package var name: String

    /// Describes a group.
    package init(id: String, name: String) {
        self.id = id
        self.name = name
    }
}

/// What a plugin instance is bound to: ids; all nil is everything.
package struct PluginBinding: Sendable, Hashable {
    package var service: String?
    package var route: String?
    package var consumer: String?
    /// The group's name.
    package var consumerGroup: String?

    /// Binds to what is named.
    package init(
        service: String? = nil,
        route: String? = nil,
        consumer: String? = nil,
        consumerGroup: String? = nil
    ) {
        self.service = service
        self.route = route
        self.consumer = consumer
        self.consumerGroup = consumerGroup
    }
}

/// A plugin as configured.
package struct PluginInstance: Sendable {
    /// The plugin's name, such as `key-auth`.
    package var name: String
    package var id: String
    package var instanceName: String?
    package var isEnabled = true
    package var protocols: Set<String> = ["http", "https"]
    package var binding: PluginBinding
    /// The `config`, checked against the kind's fields.
    package var settings: Settings
    package var position: Position
    package var tags: [String] = []

    /// Describes an instance.
    package init(
        name: String,
        id: String,
        binding: PluginBinding = PluginBinding(),
        settings: Settings,
        position: Position = .nowhere
    ) {
        self.name = name
        self.id = id
        self.binding = binding
        self.settings = settings
        self.position = position
    }
}

/// One request of the file's `tests`, and what has to become of it.
package struct ConfigurationTest: Sendable {
    /// `GET https://host/path`.
    package var request: String
    package var fields: [(name: String, value: String)]
    package var claims: JSONValue?
    package var expect: Int
    package var reason: String?
    package var position: Position

    /// Describes a test.
    package init(
        request: String,
        fields: [(name: String, value: String)] = [],
        claims: JSONValue? = nil,
        expect: Int,
        reason: String? = nil,
        position: Position = .nowhere
    ) {
        self.request = request
        self.fields = fields
        self.claims = claims
        self.expect = expect
        self.reason = reason
        self.position = position
    }
}

/// Everything that a file says, with references resolved.
package struct Configuration: Sendable {
    package var services: [Service] = []
    package var upstreams: [Upstream] = []
    package var certificates: [Certificate] = []
    package var authorities: [Authority] = []
    package var routes: [Route] = []
    package var consumers: [Consumer] = []
    package var consumerGroups: [ConsumerGroup] = []
    package var plugins: [PluginInstance] = []
    package var tests: [ConfigurationTest] = []

    /// An empty configuration.
    package init() {}
}
