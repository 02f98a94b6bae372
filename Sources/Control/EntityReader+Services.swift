// Services and routes out of a file.
import Gateway

extension EntityReader {
    mutating func readService(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["routes", "plugins"]),
            EntityFields.service,
            path: ""
        )
        let name = settings.string("name")
        let id = self.identifier(settings, "service", name)
        self.register("service", settings, id: id, names: [name])
        var service = Service(id: id, name: name, host: settings.string("host") ?? "")
        service.isEnabled = settings.boolean("enabled") ?? true
        service.port = settings.integer("port") ?? 80
        service.path = settings.string("path")
        service.retries = settings.integer("retries") ?? 5
        service.connectTimeoutMilliseconds = settings.integer("connect_timeout") ?? 60000
        service.writeTimeoutMilliseconds = settings.integer("write_timeout") ?? 60000
        service.readTimeoutMilliseconds = settings.integer("read_timeout") ?? 60000
        service.tags = settings.strings("tags") ?? []
        self.readAddress(settings, &service)
        self.configuration.services.append(service)
        for nested in self.list(node, "routes") { self.readRoute(nested, service: id) }
        for nested in self.list(node, "plugins") {
            self.pendingPlugins.append(
                PendingPlugin(node: nested, binding: PluginBinding(service: id), nestedIn: ["service"])
            )
        }
    }

    /// Takes the address from `url`, or from protocol, host, port and path.
    private mutating func readAddress(_ settings: Settings, _ service: inout Service) {
        var scheme = settings.string("protocol") ?? "http"
        var place = settings.position(of: "protocol")
        if let url = settings.string("url") {
            place = settings.position(of: "url")
            for other in ["protocol", "host", "port", "path"] where settings.wrote(other) {
                self.reader.fail(
                    at: settings.position(of: other),
                    "'\(other)' is there besides 'url'; write one or the other"
                )
            }
            guard let parts = ServiceURL(url) else {
                self.reader.fail(at: place, "url: expected http://host:port/path")
                return
            }
            (scheme, service.host, service.path) = (parts.scheme, parts.host, parts.path)
            service.port = parts.port ?? (scheme == "https" || scheme == "grpcs" ? 443 : 80)
        } else if !settings.wrote("host") {
            self.reader.fail(at: settings.position, "a service needs 'url' or 'host'")
        }
        self.readProtocol(scheme, at: place, settings, &service)
        service.host = service.host.lowercased()
        if settings.string("host") != nil, !ServiceURL.isHost(service.host) {
            self.reader.fail(at: settings.position(of: "host"), "host: expected a host name or an address")
        }
        if let path = service.path, !Self.isPlainPath(path) {
            self.reader.fail(
                at: settings.position(of: settings.wrote("path") ? "path" : "url"),
                "path: expected a path that begins with '/' and has no query"
            )
        }
    }

    /// Takes how the service wants to be spoken to.
    private mutating func readProtocol(
        _ scheme: String,
        at place: Position,
        _ settings: Settings,
        _ service: inout Service
    ) {
        service.speaksHTTP2 = scheme == "grpc" || scheme == "grpcs"
        service.speaksTLS = scheme == "https" || scheme == "grpcs"
        if !["http", "https", "grpc", "grpcs"].contains(scheme) {
            self.reader.fail(
                at: place,
                "the protocol '\(scheme)' is known, but not served yet; 'http', 'https', 'grpc' and 'grpcs' are"
            )
        }
        self.readTLS(settings, &service)
        if service.speaksHTTP2, service.path ?? "/" != "/" {
            self.reader.fail(
                at: settings.position(of: settings.wrote("path") ? "path" : "url"),
                "path: a service of gRPC has none; the method's name is the path"
            )
        }
    }

    private static func isPlainPath(_ path: String) -> Bool {
        path.hasPrefix("/") && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 }
    }

    // MARK: Routes

    mutating func readRoute(_ node: ConfigNode, service nested: String?) {
        let settings = self.reader.record(self.flat(node, without: ["plugins"]), EntityFields.route, path: "")
        let name = settings.string("name")
        let id = self.identifier(settings, "route", name)
        self.register("route", settings, id: id, names: [name])
        var route = Route(id: id, name: name, service: nested)
        route.position = node.position
        if let entry = node.entry("service"), !entry.node.isNull {
            if nested == nil {
                route.service = self.reference(entry.node, to: "service")
            } else {
                self.reader.fail(at: entry.position, "'service' is there already: the route is nested in one")
            }
        }
        route.regexPriority = settings.integer("regex_priority") ?? 0
        route.stripsPath = settings.boolean("strip_path") ?? true
        route.preservesHost = settings.flag("preserve_host")
        route.tags = settings.strings("tags") ?? []
        self.readDemands(settings, &route)
        self.configuration.routes.append(route)
        for plugin in self.list(node, "plugins") {
            self.pendingPlugins.append(
                PendingPlugin(node: plugin, binding: PluginBinding(route: id), nestedIn: ["route"])
            )
        }
    }

    /// Takes what clients may speak: HTTP or gRPC, as Kong not both on one route.
    private mutating func readProtocols(_ settings: Settings, _ route: inout Route) {
        let grpc: Set<String> = ["grpc", "grpcs"]
        for name in route.protocols.subtracting(grpc).sorted() where name != "http" && name != "https" {
            self.reader.fail(
                at: settings.position(of: "protocols"),
                "the protocol '\(name)' is known, but not served yet"
            )
        }
        guard !route.protocols.isDisjoint(with: grpc) else { return }
        if !route.protocols.isSubset(of: grpc) {
            self.reader.fail(
                at: settings.position(of: "protocols"),
                "protocols: grpc and grpcs stand on a route of their own, without http and https"
            )
        }
        if settings.wrote("strip_path"), route.stripsPath {
            self.reader.fail(
                at: settings.position(of: "strip_path"),
                "strip_path: not for gRPC, where the path is the method's name"
            )
        }
        route.stripsPath = false
    }

    private mutating func readDemands(_ settings: Settings, _ route: inout Route) {
        // P8: an empty list would demand nothing, which is never what its writer means.
        for name in ["paths", "hosts", "methods", "protocols", "snis"]
        where settings.strings(name)?.isEmpty == true {
            self.reader.fail(at: settings.position(of: name), "\(name): expected at least one, found none")
        }
        if settings.wrote("headers"), settings.map("headers").isEmpty {
            self.reader.fail(
                at: settings.position(of: "headers"),
                "headers: expected at least one, found none"
            )
        }
        if !["paths", "hosts", "methods", "headers", "snis"].contains(where: settings.wrote) {
            self.reader.fail(
                at: settings.position,
                "a route needs one of 'paths', 'hosts', 'methods', 'headers', 'snis'; "
                    + "paths: [/] stands for everything"
            )
        }
        route.protocols = Set(settings.strings("protocols") ?? [])
        self.readProtocols(settings, &route)
        route.pathHandling = settings.string("path_handling").flatMap(PathHandling.init) ?? .v0
        let redirects = [426, 301, 302, 307, 308]
        route.httpsRedirectStatus = settings.integer("https_redirect_status_code") ?? 426
        if !redirects.contains(route.httpsRedirectStatus) {
            self.reader.fail(
                at: settings.position(of: "https_redirect_status_code"),
                "https_redirect_status_code: expected one of 426, 301, 302, 307, 308"
            )
        }
        self.readPaths(settings, &route)
        self.readHosts(settings, &route)
        self.readServerNames(settings, &route)
        self.readMethods(settings, &route)
        self.readHeaders(settings, &route)
    }

    private mutating func readPaths(_ settings: Settings, _ route: inout Route) {
        route.paths = settings.strings("paths") ?? []
        let place = settings.position(of: "paths")
        for path in route.paths {
            if path.hasPrefix("~") {
                if !path.hasPrefix("~/"), !path.hasPrefix("~^/") {
                    self.reader.fail(at: place, "paths: the pattern '\(path)' has to begin with '~/'")
                }
            } else if !path.hasPrefix("/") {
                self.reader.fail(
                    at: place,
                    "paths: '\(path)' has to begin with '/', or with '~/' for a pattern"
                )
            } else if let canonical = Route.canonical(path: path) {
                // Requests are routed by their canonical path: another spelling would never match (P3, P8).
                if canonical != path {
                    self.reader.fail(at: place, "paths: no request matches '\(path)'; write '\(canonical)'")
                }
            } else {
                self.reader.fail(at: place, "paths: no request can have the path '\(path)'")
            }
        }
    }

    private mutating func readHosts(_ settings: Settings, _ route: inout Route) {
        let place = settings.position(of: "hosts")
        for host in settings.strings("hosts") ?? [] {
            var name = host.lowercased()
            if let colon = name.firstIndex(of: ":"), !name.hasPrefix("[") {
                let digits = name[name.index(after: colon)...]
                if digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits), port > 0
                {
                    route.hostPorts[route.hosts.count] = port
                } else {
                    self.reader.fail(
                        at: place,
                        "hosts: '\(digits)' in '\(host)' is no port; write one from 1 to 65535, or the name alone"
                    )
                }
                name = String(name[..<colon])
            }
            if name.hasSuffix("."), name.count > 1 { name.removeLast() }
            let plain =
                name.hasPrefix("*.") ? name.dropFirst(2) : name.hasSuffix(".*") ? name.dropLast(2) : name[...]
            if !ServiceURL.isHost(String(plain)) {
                self.reader.fail(
                    at: place,
                    "hosts: '\(host)' is no host name; '*.example.com' and 'example.*' are wildcards"
                )
            }
            route.hosts.append(name)
        }
    }

    /// Takes the names of handshakes, which are names of hosts and no wildcards.
    private mutating func readServerNames(_ settings: Settings, _ route: inout Route) {
        let place = settings.position(of: "snis")
        for written in settings.strings("snis") ?? [] {
            var name = written.lowercased()
            if name.hasSuffix("."), name.count > 1 { name.removeLast() }
            if name.contains(":") || !ServiceURL.isHost(name) {
                self.reader.fail(
                    at: place,
                    "snis: '\(written)' is no host name; wildcards are not served here"
                )
            }
            route.serverNames.append(name)
        }
        guard !route.serverNames.isEmpty, route.protocols.isDisjoint(with: ["https", "grpcs"]) else { return }
        self.reader.fail(at: place, "snis: needs 'https' or 'grpcs' among the route's protocols")
    }

    private mutating func readMethods(_ settings: Settings, _ route: inout Route) {
        route.methods = settings.strings("methods") ?? []
        for method in route.methods {
            let isUpper =
                !method.isEmpty && method.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x2D }
            if !isUpper {
                self.reader.fail(
                    at: settings.position(of: "methods"),
                    "methods: '\(method)' is never matched; methods are upper case: '\(method.uppercased())'"
                )
            }
        }
    }

    private mutating func readHeaders(_ settings: Settings, _ route: inout Route) {
        for (name, value) in settings.map("headers").sorted(by: { $0.key < $1.key }) {
            let place = settings.position(of: "headers")
            guard case .list(let elements) = value else { continue }
            let values = elements.compactMap { if case .string(let text) = $0 { text } else { nil } }
            if values.isEmpty {
                self.reader.fail(at: place, "headers.\(name): expected at least one value, found none")
            }
            if name.lowercased() == "host" {
                self.reader.fail(at: place, "headers.\(name): write 'hosts' instead")
            }
            if values.count == 1, values[0].hasPrefix("~*") {
                route.fields.append(
                    FieldDemand(name: name, values: [], pattern: String(values[0].dropFirst(2)))
                )
            } else {
                route.fields.append(FieldDemand(name: name, values: values))
            }
        }
    }
}

/// A service's `url` in its parts.
struct ServiceURL: Equatable {
    let scheme: String
    let host: String
    let port: Int?
    let path: String?

    /// Reads `scheme://host:port/path`; nil if it is none, or has a user, a query or a fragment.
    init?(_ text: String) {
        guard let mark = text.firstIndex(of: ":"), text[mark...].hasPrefix("://") else { return nil }
        self.scheme = text[..<mark].lowercased()
        let rest = text[mark...].dropFirst(3)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        self.path = end == rest.endIndex ? nil : String(rest[end...])
        var authority = rest[..<end]
        var digits: Substring?
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            let after = authority[authority.index(after: close)...]
            guard after.isEmpty || after.hasPrefix(":") else { return nil }
            digits = after.isEmpty ? nil : after.dropFirst()
            authority = authority[authority.index(after: authority.startIndex)..<close]
        } else if let colon = authority.firstIndex(of: ":") {
            digits = authority[authority.index(after: colon)...]
            authority = authority[..<colon]
        }
        if let digits {
            guard let number = UInt16(digits), number > 0 else { return nil }
            self.port = Int(number)
        } else {
            self.port = nil
        }
        self.host = String(authority)
        guard Self.isHost(self.host) else { return nil }
    }

    /// Whether a text can be a host's name or address.
    static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy { octet in
                (0x30...0x3A).contains(octet) || (0x61...0x7A).contains(octet | 0x20) && octet < 0x7B
                    || [0x2D, 0x2E, 0x5F].contains(octet)
            }
    }
}
