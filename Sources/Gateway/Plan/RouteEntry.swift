// One way to reach a route: one of its hosts, one of its paths, and what else it demands.
import Pattern
import Proxy

/// Where an entry stands among all: Kong's traditional router as a table, the first difference decides.
///
/// | asked in this order | comes first |
/// | --- | --- |
/// | categories: hosts, headers, paths, methods, snis | the one that demands more of them |
/// | which categories | hosts before headers before paths before methods before snis |
/// | host | exact before wildcard; with a port before without |
/// | path | pattern before prefix |
/// | headers | more of them |
/// | `regex_priority`, among patterns | the higher |
/// | path's length | the longer |
/// | place in the file | the earlier |
struct RouteRank: Sendable, Comparable {
    /// The first four rows in one number.
    private let shape: Int
    private let fieldCount: Int
    private let priority: Int
    private let length: Int
    private let index: Int

    /// Ranks an entry of the route that stands at `index`.
    init(_ route: Route, _ index: Int, host: HostDemand.Rank, isPattern: Bool, length: Int) {
        let categories =
            (route.hosts.isEmpty ? 0 : 16) + (route.fields.isEmpty ? 0 : 8) + (route.paths.isEmpty ? 0 : 4)
            + (route.methods.isEmpty ? 0 : 2) + (route.serverNames.isEmpty ? 0 : 1)
        self.shape =
            categories.nonzeroBitCount << 8 + categories << 3 + host.rawValue << 1 + (isPattern ? 1 : 0)
        self.fieldCount = route.fields.count
        self.priority = isPattern ? route.regexPriority : 0
        self.length = length
        self.index = index
    }

    static func < (one: RouteRank, other: RouteRank) -> Bool {
        if one.shape != other.shape { return one.shape > other.shape }
        if one.fieldCount != other.fieldCount { return one.fieldCount > other.fieldCount }
        if one.priority != other.priority { return one.priority > other.priority }
        if one.length != other.length { return one.length > other.length }
        return one.index < other.index
    }
}

/// One host and one path of a route; what is not a number lies in arrays that all entries share.
struct RouteEntry: Sendable {
    /// The route's place.
    let route: Int32
    /// The octets of the path that a prefix takes.
    let prefixCount: Int32
    /// The place of the path's pattern; -1 for none.
    let pattern: Int32
    /// The place of what the route demands besides; -1 for nothing.
    let demands: Int32
    let methods: MethodSet
}

/// The methods that a route lets in.
struct MethodSet: Sendable {
    private static let registered: [String: Method] = [
        "GET": .get, "HEAD": .head, "POST": .post, "PUT": .put, "DELETE": .delete, "CONNECT": .connect,
        "OPTIONS": .options, "TRACE": .trace, "PATCH": .patch,
    ]

    private let bits: UInt16

    /// Reads a route's `methods`; no methods demand nothing.
    init(_ names: [String]) {
        guard !names.isEmpty else {
            self.bits = .max
            return
        }
        self.bits = names.reduce(0) { $0 | 1 << UInt16((Self.registered[$1] ?? .other).rawValue) }
    }

    /// Whether the method may be in the set; a method without a number of its own may still have another name.
    @inline(__always)
    func contains(_ method: Method) -> Bool { (self.bits >> UInt16(method.rawValue)) & 1 == 1 }

    /// Those among `names` that have no number of their own.
    static func others(_ names: [String]) -> [String] { names.filter { self.registered[$0] == nil } }
}

/// What a route demands besides host, path and the usual methods.
struct RouteDemands: Sendable {
    /// Methods without a number of their own; empty where any will do.
    let methodNames: [String]
    let fields: [FieldCheck]
    /// Names of which the client's handshake has to have asked for one; empty where any will do.
    let serverNames: Set<String>

    /// Whether it is more than a look at the head: such entries are tried one by one, best first.
    var needsSearch: Bool { !self.serverNames.isEmpty || self.fields.contains { $0.pattern != nil } }

    /// Whether the client's handshake asked for one of the names.
    ///
    /// A client without TLS has asked for none and is let through, as in Kong: what it gets is the way to https. Where a
    /// trusted proxy ended TLS nobody knows the name, and nobody is let through.
    func admits(_ client: ClientFacts) -> Bool {
        guard !self.serverNames.isEmpty, client.scheme == .https else { return true }
        return client.serverName.map(self.serverNames.contains) ?? false
    }
}

/// A route's demand on one field, compiled.
struct FieldCheck: Sendable {
    let name: FieldName
    private let values: OctetTable
    let pattern: Pattern?

    /// Compiles a demand.
    init(_ name: FieldName, _ demand: FieldDemand) throws(PatternError) {
        var values = OctetTable()
        for value in demand.values { _ = values.insert(Array(value.utf8)) }
        self.name = name
        self.values = values
        self.pattern =
            if let expression = demand.pattern {
                try Pattern(expression, case: .insensitive)
            } else {
                nil
            }
    }

    /// Whether one of the field's values is as demanded.
    func accepts(_ head: RequestHead, _ budget: inout PatternBudget) throws(PatternError) -> Bool {
        var isMet = false
        try head.forEach { range throws(PatternError) in
            guard !isMet, head.fields.isNamed(range, self.name) else { return }
            isMet = try head.withValue(range) { value throws(PatternError) in
                guard let pattern = self.pattern else {
                    return self.values.find(value, 0..<value.count, hash: OctetTable.hash(value)) != nil
                }
                return try pattern.matches(value, budget: &budget)
            }
        }
        return isMet
    }
}
