// Host, path, method and fields to a route.
package import Pattern
package import Proxy

/// What of a request a route matched.
package struct RouteMatch: Sendable {
    package let planned: PlannedRoute
    /// How many octets of the path the route's prefix or pattern took; 0 without a path.
    package let matchedPathBytes: Int
    /// The place of the pattern that the path matched; -1 where it was none.
    let pattern: Int32
}

/// Finds the route of a request; built once a plan.
///
/// The order is that of Kong's traditional router, see `RouteRank`. Hosts are looked up and paths are walked, so that
/// only entries are looked at whose host and path fit. Those that need a pattern come last, best first, and hang
/// where the plain beginning of their pattern leads; all of them together draw on one `PatternBudget`.
package struct Router: Sendable {
    /// How many patterns may hang at one place before that is worth a warning.
    static let patternsBeforeWarning = 5000

    private let routes: [PlannedRoute]
    /// All entries, best first: an entry's number is its rank.
    private let entries: [RouteEntry]
    private let patterns: [Pattern]
    private let demands: [RouteDemands]
    /// Whether any route demands a name of the handshake.
    private let demandsServerNames: Bool
    private let hosts: HostDirectory
    /// A tree for each different demand on the host.
    private let tree: PathTree
    /// The nodes with too many entries to look at one by one.
    private let crowds: [Int: Crowd]

    /// One request's search.
    private struct Search: ~Copyable {
        var best = Int32.max
        var matchedPathBytes = 0
        var pattern: Int32 = -1
        /// Lookups, nodes and entries so far.
        var looks = 0
        /// Where entries hang that need a pattern.
        var waiting: [Range<Int>] = []
        var budget = PatternBudget()
    }

    /// Builds the index.
    init(_ routes: [PlannedRoute]) throws(ConfigurationError) {
        var compiler = RouteCompiler()
        for (index, planned) in routes.enumerated() { compiler.add(planned.route, index) }
        guard compiler.failures.isEmpty else { throw ConfigurationError(compiler.failures) }
        let (entries, keys) = compiler.ranked()
        let tree = PathTree(keys, octets: compiler.octets, roots: compiler.hosts.count)
        var crowds: [Int: Crowd] = [:]
        for (index, node) in tree.nodes.enumerated() where node.plainEnd - node.start >= Crowd.least {
            crowds[index] = Crowd(
                tree.entries[Int(node.start)..<Int(node.plainEnd)].map {
                    Crowd.Member(entry: $0, route: routes[Int(entries[Int($0)].route)].route)
                }
            )
        }
        self.routes = routes
        self.entries = entries
        self.patterns = compiler.patterns
        self.demands = compiler.demands
        self.demandsServerNames = compiler.demands.contains { !$0.serverNames.isEmpty }
        self.hosts = compiler.hosts
        self.tree = tree
        self.crowds = crowds
    }

    /// Warnings about places where so many patterns hang that one request may not be able to pay for them.
    var warnings: [Diagnostic] {
        self.tree.nodes.compactMap { node in
            let count = Int(node.end - node.plainEnd)
            guard count > Self.patternsBeforeWarning else { return nil }
            let first = self.routes[Int(self.entries[Int(self.tree.entries[Int(node.plainEnd)])].route)].route
            return Diagnostic(
                .warning,
                at: first.position,
                "route '\(first.title)' and \(count - 1) others have patterns that begin alike, for the same host; "
                    + "a request that has to try them all may be refused"
            )
        }
    }

    // MARK: Matching

    /// The best route for a request.
    ///
    /// - Throws: `PatternError` when a pattern could not be judged; the request must then not pass.
    package func match(_ head: RequestHead, from client: ClientFacts) throws(PatternError) -> RouteMatch? {
        var search = Search()
        try self.search(head, client, &search)
        guard search.best != .max else { return nil }
        return RouteMatch(
            planned: self.routes[Int(self.entries[Int(search.best)].route)],
            matchedPathBytes: search.matchedPathBytes,
            pattern: search.pattern
        )
    }

    /// What the group of that name took of a path by which a request was routed; nil if there is no such group, or it
    /// took nothing.
    func capture(_ name: String, of match: RouteMatch, in path: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard match.pattern >= 0 else { return nil }
        var budget = PatternBudget()
        let pattern = self.patterns[Int(match.pattern)]
        guard let range = try? pattern.capture(name, in: path.span, budget: &budget) else { return nil }
        return path[(path.startIndex + range.lowerBound)..<(path.startIndex + range.upperBound)]
    }

    /// Whether a connection of the request's own host, which is what its handshake would ask for, finds a route.
    ///
    /// - Throws: `PatternError` when a pattern could not be judged.
    func wouldMatch(_ head: RequestHead, underOwnNameOf client: ClientFacts) throws(PatternError) -> Bool {
        let own = head.hostText
        guard self.demandsServerNames, client.serverName != own else { return false }
        var client = client
        client.serverName = own
        return try self.match(head, from: client) != nil
    }

    /// How many lookups, nodes and entries a request's search takes; for whoever asks what it costs.
    package func looks(for head: RequestHead, from client: ClientFacts) throws(PatternError) -> Int {
        var search = Search()
        try self.search(head, client, &search)
        return search.looks
    }

    private func search(
        _ head: RequestHead,
        _ client: ClientFacts,
        _ search: inout Search
    ) throws(PatternError) {
        let path = head.path
        let lookups = self.hosts.forEachMet(by: head, from: client) { root in
            let nodes = self.tree.walk(from: root, along: path.span) { self.visit($0, head, &search) }
            search.looks += nodes
        }
        search.looks += lookups
        if !search.waiting.isEmpty { try self.tryPatterns(head, client, path.span, &search) }
    }

    private func visit(_ index: Int, _ head: RequestHead, _ search: inout Search) {
        let node = self.tree.nodes[index]
        if node.plainEnd < node.end { search.waiting.append(Int(node.plainEnd)..<Int(node.end)) }
        if node.plainEnd - node.start >= Crowd.least, let crowd = self.crowds[index] {
            search.looks += 1
            self.take(crowd.withoutFields(head), &search)
            crowd.forEachWithField(head) { self.takeFirst(of: $0[...], head, &search) }
        } else {
            self.takeFirst(of: self.tree.entries[Int(node.start)..<Int(node.plainEnd)], head, &search)
        }
    }

    /// Takes the first of some entries that accepts the request, if it is better than what was found.
    @inline(__always)
    private func takeFirst(of entries: ArraySlice<Int32>, _ head: RequestHead, _ search: inout Search) {
        for entry in entries {
            guard entry < search.best else { return }
            search.looks += 1
            guard self.acceptsPlainly(self.entries[Int(entry)], head) else { continue }
            return self.take(entry, &search)
        }
    }

    @inline(__always)
    private func take(_ entry: Int32, _ search: inout Search) {
        guard entry < search.best else { return }
        search.best = entry
        search.matchedPathBytes = Int(self.entries[Int(entry)].prefixCount)
    }

    /// Tries what needs a pattern, best first, until one matches or what was found is better.
    private func tryPatterns(
        _ head: RequestHead,
        _ client: ClientFacts,
        _ path: Span<UInt8>,
        _ search: inout Search
    ) throws(PatternError) {
        while let place = self.nextPlace(&search) {
            let number = self.tree.entries[place]
            let entry = self.entries[Int(number)]
            search.looks += 1
            try search.budget.charge(1)
            guard try self.accepts(entry, head, client, &search.budget) else { continue }
            var bytes = Int(entry.prefixCount)
            if entry.pattern >= 0 {
                let pattern = self.patterns[Int(entry.pattern)]
                let range = try pattern.firstMatch(in: path, start: .anchored, budget: &search.budget)
                guard let range else { continue }
                bytes = range.upperBound
            }
            (search.best, search.matchedPathBytes, search.pattern) = (number, bytes, entry.pattern)
            return
        }
    }

    /// Where the best entry hangs of those that wait and are better than what was found.
    private func nextPlace(_ search: inout Search) -> Int? {
        var (best, chosen) = (search.best, -1)
        for index in search.waiting.indices where !search.waiting[index].isEmpty {
            let number = self.tree.entries[search.waiting[index].lowerBound]
            if number < best { (best, chosen) = (number, index) }
        }
        guard chosen >= 0 else { return nil }
        let waiting = search.waiting[chosen]
        search.waiting[chosen] = (waiting.lowerBound + 1)..<waiting.upperBound
        return waiting.lowerBound
    }

    // MARK: Demands

    /// Whether method and fields are as demanded; host and path were found by the index.
    @inline(__always)
    private func acceptsPlainly(_ entry: RouteEntry, _ head: RequestHead) -> Bool {
        guard entry.methods.contains(head.method) else { return false }
        guard entry.demands >= 0 else { return true }
        var nothing = PatternBudget(units: 0)
        return (try? self.meets(self.demands[Int(entry.demands)], head, &nothing)) ?? false
    }

    private func accepts(
        _ entry: RouteEntry,
        _ head: RequestHead,
        _ client: ClientFacts,
        _ budget: inout PatternBudget
    ) throws(PatternError) -> Bool {
        guard entry.methods.contains(head.method) else { return false }
        guard entry.demands >= 0 else { return true }
        let demands = self.demands[Int(entry.demands)]
        guard demands.admits(client) else { return false }
        // A field is sought among all of a request's fields.
        try budget.charge(demands.fields.count * 16)
        return try self.meets(demands, head, &budget)
    }

    private func meets(
        _ demands: RouteDemands,
        _ head: RequestHead,
        _ budget: inout PatternBudget
    ) throws(PatternError) -> Bool {
        guard
            head.method != .other || demands.methodNames.isEmpty
                || demands.methodNames.contains(head.methodText)
        else { return false }
        for field in demands.fields {
            guard try field.accepts(head, &budget) else { return false }
        }
        return true
    }
}
