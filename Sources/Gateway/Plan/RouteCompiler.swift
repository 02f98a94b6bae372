// Routes to entries in their order, with everything that entries share.
import Pattern
import Proxy

/// Gathers the entries of all routes, and what is wrong with them.
struct RouteCompiler {
    /// An entry that waits for its rank among all.
    private struct Draft {
        let rank: RouteRank
        let entry: RouteEntry
        /// Where it will hang; the entry's number is not known yet.
        let key: PathKey
    }

    /// A path, once for all hosts.
    private struct Path {
        var start: Int32
        var count: Int32
        var pattern: Int32 = -1
        /// How long it is as Kong counts it.
        var length = 0
    }

    private(set) var patterns: [Pattern] = []
    private(set) var demands: [RouteDemands] = []
    private(set) var hosts = HostDirectory()
    /// The prefixes of all.
    private(set) var octets: [UInt8] = []
    private(set) var failures: [Diagnostic] = []
    private var drafts: [Draft] = []

    /// Takes in the route at `index`.
    mutating func add(_ route: Route, _ index: Int) {
        do throws(ConfigurationError) {
            try self.addEntries(route, index)
        } catch {
            self.failures.append(contentsOf: error.diagnostics)
        }
    }

    /// All entries, best first: an entry's number is its rank; and where each hangs.
    func ranked() -> (entries: [RouteEntry], keys: [PathKey]) {
        let drafts = self.drafts.sorted { $0.rank < $1.rank }
        let keys = drafts.enumerated().map { number, draft in
            PathKey(
                root: draft.key.root,
                start: draft.key.start,
                count: draft.key.count,
                needsPattern: draft.key.needsPattern,
                entry: Int32(number)
            )
        }
        return (drafts.map(\.entry), keys)
    }

    private mutating func addEntries(_ route: Route, _ index: Int) throws(ConfigurationError) {
        var paths: [Path] = []
        for path in route.paths { paths.append(try self.path(path, of: route)) }
        if paths.isEmpty { paths = [Path(start: Int32(self.octets.count), count: 0)] }
        let demands = try self.demands(of: route)
        let needsSearch = demands >= 0 && self.demands[Int(demands)].needsSearch
        let hosts = route.hosts.isEmpty ? [HostDemand.any] : route.hosts.map { HostDemand($0) }
        for (place, host) in hosts.enumerated() {
            let root = self.hosts.number(of: host, port: route.hostPorts[place])
            for path in paths {
                let isPattern = path.pattern >= 0
                let entry = RouteEntry(
                    route: Int32(index),
                    prefixCount: isPattern ? 0 : path.count,
                    pattern: path.pattern,
                    demands: demands,
                    methods: MethodSet(route.methods)
                )
                let rank = RouteRank(
                    route,
                    index,
                    host: HostDemand.Rank(host, port: route.hostPorts[place]),
                    isPattern: isPattern,
                    length: path.length
                )
                let key = PathKey(
                    root: root,
                    start: path.start,
                    count: path.count,
                    needsPattern: isPattern || needsSearch,
                    entry: -1
                )
                self.drafts.append(Draft(rank: rank, entry: entry, key: key))
            }
        }
    }

    private mutating func path(_ text: String, of route: Route) throws(ConfigurationError) -> Path {
        let start = Int32(self.octets.count)
        guard text.hasPrefix("~") else {
            self.octets.append(contentsOf: text.utf8)
            let count = self.octets.count - Int(start)
            return Path(start: start, count: Int32(count), length: count)
        }
        let expression = String(text.dropFirst())
        do {
            let pattern = try Pattern(expression)
            self.patterns.append(pattern)
            self.octets.append(contentsOf: pattern.literalStart)
            return Path(
                start: start,
                count: Int32(pattern.literalStart.count),
                pattern: Int32(self.patterns.count - 1),
                length: expression.utf8.count
            )
        } catch {
            throw ConfigurationError(at: route.position, Self.words(error, "path", expression, route))
        }
    }

    /// The place of what a route demands besides host, path and the usual methods; -1 for nothing.
    private mutating func demands(of route: Route) throws(ConfigurationError) -> Int32 {
        let methodNames = MethodSet.others(route.methods)
        guard !methodNames.isEmpty || !route.fields.isEmpty || !route.serverNames.isEmpty else { return -1 }
        var fields: [FieldCheck] = []
        for demand in route.fields { fields.append(try Self.compiled(demand, of: route)) }
        self.demands.append(
            RouteDemands(methodNames: methodNames, fields: fields, serverNames: Set(route.serverNames))
        )
        return Int32(self.demands.count - 1)
    }

    private static func compiled(
        _ demand: FieldDemand,
        of route: Route
    ) throws(ConfigurationError) -> FieldCheck {
        guard let name = FieldName(demand.name) else {
            throw ConfigurationError(
                at: route.position,
                "route '\(route.title)': '\(demand.name)' is not a field's name"
            )
        }
        do {
            return try FieldCheck(name, demand)
        } catch {
            let message = Self.words(error, "header", demand.pattern ?? "", route)
            throw ConfigurationError(at: route.position, message)
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
}
