// Upstreams and targets out of a file.
import Gateway

extension EntityReader {
    mutating func readUpstream(_ node: ConfigNode) {
        let settings = self.reader.record(
            self.flat(node, without: ["targets"]),
            EntityFields.upstream,
            path: ""
        )
        guard let written = settings.string("name") else { return }
        let name = written.lowercased()
        if !ServiceURL.isHost(name) {
            self.reader.fail(
                at: settings.position(of: "name"),
                "name: expected what can stand as a host: letters, digits, '.', '-' and '_'"
            )
        }
        let id = self.identifier(settings, "upstream", name)
        self.register("upstream", settings, id: id, names: [name])
        self.names["upstream", default: [:]][written] = id
        if let host = settings.string("host_header"), ServiceAddress(host, port: 0) == nil {
            self.reader.fail(
                at: settings.position(of: "host_header"),
                "host_header: expected a host, with a port or without"
            )
        }
        var upstreams = UpstreamReader()
        let upstream = upstreams.read(settings, id: id, name: name)
        self.reader.take(upstreams.failures)
        self.upstreamPlaces[id] = self.configuration.upstreams.count
        self.configuration.upstreams.append(upstream)
        for nested in self.list(node, "targets") { self.readTarget(nested, upstream: id) }
    }

    // MARK: Targets

    /// Reads a target; `upstream` is the id of the one that it is nested in.
    mutating func readTarget(_ node: ConfigNode, upstream nested: String?) {
        let fields = nested == nil ? EntityFields.flatTarget : EntityFields.target
        let settings = self.reader.record(node, fields, path: "")
        var id = nested
        if nested == nil, let entry = node.entry("upstream"), !entry.node.isNull {
            id = self.reference(entry.node, to: "upstream")
        }
        if settings.wrote("id") {
            self.claim(settings.string("id") ?? "", "the id of a target", at: settings.position(of: "id"))
        }
        guard let text = settings.string("target"), let id, let index = self.upstreamPlaces[id] else {
            return
        }
        guard let address = ServiceAddress(text.lowercased(), port: 8000) else {
            self.reader.fail(
                at: settings.position(of: "target"),
                "target: expected host:port, found '\(text)'"
            )
            return
        }
        let name = self.configuration.upstreams[index].name
        let place = settings.position(of: "target")
        self.claim("\(address.host):\(address.port) of \(name)", "the target", at: place)
        self.configuration.upstreams[index].targets.append(
            UpstreamPlace(
                host: address.host,
                port: address.port,
                weight: settings.integer("weight") ?? 100,
                isFailover: settings.flag("failover")
            )
        )
    }
}

/// A host with a port, as targets are written.
struct ServiceAddress: Equatable {
    let host: String
    let port: Int

    /// Reads `host`, `host:port` or `[address]:port`; nil if it is none.
    init?(_ text: String, port standard: Int) {
        guard !text.contains("/"), let url = ServiceURL("http://\(text)") else { return nil }
        self.host = url.host
        self.port = url.port ?? standard
    }
}
