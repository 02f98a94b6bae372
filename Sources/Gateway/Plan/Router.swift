// Host, path, method and fields to a route.
package import Pattern
package import Proxy

/// What of a request a route matched.
package struct RouteMatch: Sendable {
    package let planned: PlannedRoute
    /// How many octets of the path the route's prefix or pattern took; 0 without a path.
    package let matchedPathBytes: Int
}

/// Finds the route of a request; built once a plan.
///
/// The order is that of Kong's traditional router, see `RouteRank`. Plain hosts are looked up, plain paths are
/// walked; only patterns are tried one after the other.
package struct Router: Sendable {
    /// What of the routes has one host in common.
    private struct Bucket: Sendable {
        var tree = PathTree()
        /// Entries with a pattern for the path, best first.
        var patterns: [Int32] = []
    }

    /// All entries, best first: an entry's index is its rank.
    private let entries: [RouteEntry]
    private var buckets: [Bucket] = []
    private var exactHosts: [[UInt8]: Int] = [:]
    /// `*.example.com` under `.example.com`.
    private var hostSuffixes: [[UInt8]: Int] = [:]
    /// `example.*` under `example.`.
    private var hostPrefixes: [[UInt8]: Int] = [:]
    private var anyHost: Int?

    /// Builds the index.
    init(_ routes: [PlannedRoute]) throws(ConfigurationError) {
        var entries: [RouteEntry] = []
        var failures: [Diagnostic] = []
        for (index, route) in routes.enumerated() {
            do throws(ConfigurationError) {
                entries.append(contentsOf: try RouteEntry.entries(of: route, index: index))
            } catch {
                failures.append(contentsOf: error.diagnostics)
            }
        }
        guard failures.isEmpty else { throw ConfigurationError(failures) }
        entries.sort { $0.rank < $1.rank }
        self.entries = entries
        for (rank, entry) in entries.enumerated() { self.file(entry, Int32(rank)) }
    }

    private mutating func file(_ entry: RouteEntry, _ rank: Int32) {
        let bucket = self.bucket(for: entry.host)
        switch entry.path {
        case .none: self.buckets[bucket].tree.insert([], rank)
        case .prefix(let octets): self.buckets[bucket].tree.insert(octets[...], rank)
        case .pattern: self.buckets[bucket].patterns.append(rank)
        }
    }

    private mutating func bucket(for host: HostDemand) -> Int {
        let next = self.buckets.count
        let found: Int? =
            switch host {
            case .any: self.anyHost
            case .exact(let name): self.exactHosts[name]
            case .suffix(let name): self.hostSuffixes[name]
            case .prefix(let name): self.hostPrefixes[name]
            }
        if let found { return found }
        self.buckets.append(Bucket())
        switch host {
        case .any: self.anyHost = next
        case .exact(let name): self.exactHosts[name] = next
        case .suffix(let name): self.hostSuffixes[name] = next
        case .prefix(let name): self.hostPrefixes[name] = next
        }
        return next
    }

    // MARK: Matching

    /// The best route for a request.
    ///
    /// - Throws: `PatternError` when a pattern could not be judged; the request must then not pass.
    package func match(_ head: RequestHead) throws(PatternError) -> RouteMatch? {
        var best: (rank: Int32, bytes: Int)?
        if !self.exactHosts.isEmpty || !self.hostSuffixes.isEmpty || !self.hostPrefixes.isEmpty {
            let host = Array(head.host)
            if let bucket = self.exactHosts[host] { try self.search(bucket, head, &best) }
            try self.searchWildcards(host, head, &best)
        }
        if let bucket = self.anyHost { try self.search(bucket, head, &best) }
        return best.map {
            RouteMatch(planned: self.entries[Int($0.rank)].planned, matchedPathBytes: $0.bytes)
        }
    }

    private func searchWildcards(
        _ host: [UInt8],
        _ head: RequestHead,
        _ best: inout (rank: Int32, bytes: Int)?
    ) throws(PatternError) {
        guard !self.hostSuffixes.isEmpty || !self.hostPrefixes.isEmpty else { return }
        for (index, octet) in host.enumerated() where octet == UInt8(ascii: ".") {
            if index > 0, index < host.count - 1, let bucket = self.hostSuffixes[Array(host[index...])] {
                try self.search(bucket, head, &best)
            }
            if index < host.count - 1, let bucket = self.hostPrefixes[Array(host[...index])] {
                try self.search(bucket, head, &best)
            }
        }
    }

    private func search(
        _ index: Int,
        _ head: RequestHead,
        _ best: inout (rank: Int32, bytes: Int)?
    ) throws(PatternError) {
        let bucket = self.buckets[index]
        let path = head.path
        try bucket.tree.forEachPrefix(of: path) { ranks throws(PatternError) in
            for rank in ranks {
                if let found = best, found.rank <= rank { return }
                guard try self.entries[Int(rank)].accepts(head) else { continue }
                best = (rank, self.entries[Int(rank)].prefixCount)
                return
            }
        }
        for rank in bucket.patterns {
            if let found = best, found.rank <= rank { return }
            let entry = self.entries[Int(rank)]
            guard case .pattern(let pattern, _) = entry.path, try entry.accepts(head) else { continue }
            guard let range = try pattern.firstMatch(in: path.span, start: .anchored) else { continue }
            best = (rank, range.upperBound)
            return
        }
    }
}
