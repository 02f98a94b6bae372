// One way to reach a route: one of its hosts, one of its paths, and what else it demands.
import Pattern
import Proxy

/// A route's demand on the host.
enum HostDemand: Sendable, Hashable {
    case any
    case exact([UInt8])
    /// `*.example.com`: names that end with `.example.com`.
    case suffix([UInt8])
    /// `example.*`: names that begin with `example.`.
    case prefix([UInt8])

    /// Reads one of a route's `hosts`, in lower case.
    init(_ text: String) {
        let octets = Array(text.utf8)
        if text.hasPrefix("*.") {
            self = .suffix(Array(octets.dropFirst()))
        } else if text.hasSuffix(".*") {
            self = .prefix(Array(octets.dropLast()))
        } else {
            self = .exact(octets)
        }
    }
}

/// A route's demand on the path.
enum PathDemand: Sendable {
    case none
    case prefix([UInt8])
    /// With the length of its text, which counts as Kong counts it.
    case pattern(Pattern, length: Int)
}

/// A route's demand on one field, compiled.
struct CompiledFieldDemand: Sendable {
    let name: FieldName
    let values: [String]
    let pattern: Pattern?

    func accepts(_ head: RequestHead) throws(PatternError) -> Bool {
        for value in head.fields.strings(of: self.name) {
            if let pattern = self.pattern {
                if try pattern.matches(value) { return true }
            } else if self.values.contains(value.lowercased()) {
                return true
            }
        }
        return false
    }
}

/// Where an entry stands among all: Kong's traditional router as a table, the first difference decides.
///
/// | asked in this order | comes first |
/// | --- | --- |
/// | categories: hosts, headers, paths, methods | the one that demands more of them |
/// | which categories | hosts before headers before paths before methods |
/// | host | exact before wildcard |
/// | path | pattern before prefix |
/// | headers | more of them |
/// | `regex_priority`, among patterns | the higher |
/// | path's length | the longer |
/// | place in the file | the earlier |
struct RouteRank: Sendable, Comparable {
    /// Each greater is better; the last is the negated place in the file.
    let keys: [Int]

    static func < (one: RouteRank, other: RouteRank) -> Bool {
        for (mine, theirs) in zip(one.keys, other.keys) where mine != theirs { return mine > theirs }
        return false
    }
}

/// One host and one path of a route.
struct RouteEntry: Sendable {
    let planned: PlannedRoute
    let host: HostDemand
    let path: PathDemand
    let methods: [String]
    let fields: [CompiledFieldDemand]
    let rank: RouteRank

    /// All ways to reach a route.
    static func entries(of planned: PlannedRoute, index: Int) throws(ConfigurationError) -> [RouteEntry] {
        let route = planned.route
        let hosts = route.hosts.isEmpty ? [HostDemand.any] : route.hosts.map { HostDemand($0.lowercased()) }
        var paths: [PathDemand] = []
        for path in route.paths { paths.append(try Self.demand(path, of: route)) }
        if paths.isEmpty { paths = [.none] }
        var fields: [CompiledFieldDemand] = []
        for demand in route.fields { fields.append(try Self.compiled(demand, of: route)) }
        var entries: [RouteEntry] = []
        for host in hosts {
            for path in paths {
                entries.append(
                    RouteEntry(
                        planned: planned,
                        host: host,
                        path: path,
                        methods: route.methods,
                        fields: fields,
                        rank: Self.rank(route, host, path, index)
                    )
                )
            }
        }
        return entries
    }

    private static func demand(_ path: String, of route: Route) throws(ConfigurationError) -> PathDemand {
        guard path.hasPrefix("~") else { return .prefix(Array(path.utf8)) }
        let expression = String(path.dropFirst())
        do {
            return .pattern(try Pattern(expression), length: expression.utf8.count)
        } catch {
            throw ConfigurationError(at: route.position, Self.words(error, "path", expression, route))
        }
    }

    private static func compiled(
        _ demand: FieldDemand,
        of route: Route
    ) throws(ConfigurationError) -> CompiledFieldDemand {
        guard let name = FieldName(demand.name) else {
            throw ConfigurationError(
                at: route.position,
                "route '\(route.title)': '\(demand.name)' is not a field's name"
            )
        }
        guard let expression = demand.pattern else {
            return CompiledFieldDemand(name: name, values: demand.values, pattern: nil)
        }
        do {
            return CompiledFieldDemand(
                name: name,
                values: [],
                pattern: try Pattern(expression, case: .insensitive)
            )
        } catch {
            throw ConfigurationError(at: route.position, Self.words(error, "header", expression, route))
        }
    }

    private static func words(
        _ error: PatternError,
        _ what: String,
        _ expression: String,
        _ route: Route
    ) -> String {
        switch error {
        case .malformed(let why, let offset):
            "route '\(route.title)': the \(what) pattern '\(expression)' is ill-formed at \(offset): \(why)"
        case .exhausted, .outOfMemory: "route '\(route.title)': no memory for the \(what) pattern"
        }
    }

    private static func rank(
        _ route: Route,
        _ host: HostDemand,
        _ path: PathDemand,
        _ index: Int
    ) -> RouteRank {
        var isExact = 0
        if case .exact = host { isExact = 1 }
        var (isPattern, length) = (0, 0)
        switch path {
        case .none: break
        case .prefix(let octets): length = octets.count
        case .pattern(_, let count): (isPattern, length) = (1, count)
        }
        let bits =
            (route.hosts.isEmpty ? 0 : 8) + (route.fields.isEmpty ? 0 : 4) + (route.paths.isEmpty ? 0 : 2)
            + (route.methods.isEmpty ? 0 : 1)
        return RouteRank(keys: [
            bits.nonzeroBitCount, bits, isExact, isPattern, route.fields.count,
            isPattern * route.regexPriority, length, -index,
        ])
    }

    /// The octets of the path that a prefix takes.
    var prefixCount: Int {
        if case .prefix(let octets) = self.path { octets.count } else { 0 }
    }

    /// Whether method and fields are as demanded; host and path are found by the index.
    func accepts(_ head: RequestHead) throws(PatternError) -> Bool {
        guard self.methods.isEmpty || self.methods.contains(head.methodText) else { return false }
        for demand in self.fields {
            guard try demand.accepts(head) else { return false }
        }
        return true
    }
}
