// The path that the upstream sees.

/// Joins a service's path and a request's, as Kong's `path_handling: v0` does.
enum UpstreamTarget {
    /// The path for the upstream, without query.
    ///
    /// - Parameters:
    ///   - path: the request's canonical path.
    ///   - matched: how many octets of it the route took.
    ///   - base: the service's path, `/` if it has none.
    static func path(of path: ArraySlice<UInt8>, matched: Int, strips: Bool, base: [UInt8]) -> [UInt8] {
        let slash = UInt8(ascii: "/")
        guard strips else {
            if base.last == slash { return base + path.dropFirst() }
            return path.count == 1 ? base : base + path
        }
        let rest = path.dropFirst(matched)
        let endsWithSlash = path.last == slash
        if base.last == slash {
            guard let first = rest.first else {
                return base.count == 1 || endsWithSlash ? base : Array(base.dropLast())
            }
            return first == slash ? Array(base.dropLast()) + rest : base + rest
        }
        guard let first = rest.first else { return path.count > 1 && endsWithSlash ? base + [slash] : base }
        return first == slash ? base + rest : base + [slash] + rest
    }

    /// Whether the upstream would see the same path.
    static func isUnchanged(matched: Int, strips: Bool, base: [UInt8]) -> Bool {
        base.count == 1 && (!strips || matched <= 1)
    }
}
