// The path that the upstream sees.

/// How a service's path and a request's are joined.
package enum PathHandling: String, Sendable, Hashable {
    /// With one slash between them.
    case v0
    /// One behind the other, of two slashes one.
    case v1
}

/// Joins a service's path and a request's as Kong does.
enum UpstreamTarget {
    private static let slash = UInt8(ascii: "/")

    /// The path for the upstream, without query.
    ///
    /// - Parameters:
    ///   - path: the request's canonical path.
    ///   - matched: how many octets of it the route took.
    ///   - base: the service's path, `/` if it has none.
    static func path(
        of path: ArraySlice<UInt8>,
        matched: Int,
        strips: Bool,
        base: [UInt8],
        _ handling: PathHandling = .v0
    ) -> [UInt8] {
        let rest = Self.withoutDots(path.dropFirst(matched))
        switch (handling, strips) {
        case (.v0, false):
            if base.last == self.slash { return base + path.dropFirst() }
            return path.count == 1 ? base : base + path
        case (.v0, true):
            return Self.joined(base, rest, endsWithSlash: path.count > 1 && path.last == self.slash)
        case (.v1, false): return base + path.dropFirst()
        case (.v1, true):
            // A route without paths took the first slash.
            let rest = matched == 0 ? path.dropFirst() : rest
            return base.last == self.slash && rest.first == self.slash ? base + rest.dropFirst() : base + rest
        }
    }

    /// What is left of a path, put behind a service's with one slash between them.
    private static func joined(
        _ base: [UInt8],
        _ rest: ArraySlice<UInt8>,
        endsWithSlash: Bool
    ) -> [UInt8] {
        if base.last == self.slash {
            guard let first = rest.first else {
                return base.count == 1 || endsWithSlash ? base : Array(base.dropLast())
            }
            return first == self.slash ? base + rest.dropFirst() : base + rest
        }
        guard let first = rest.first else { return endsWithSlash ? base + [self.slash] : base }
        return first == self.slash ? base + rest : base + [self.slash] + rest
    }

    /// What is left without dots that only now are a segment: of `/a../b` the route `/a` leaves `../b`, which would lead out
    /// of the service's path (P3).
    private static func withoutDots(_ rest: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let segment = rest.prefix { $0 != self.slash }
        guard (1...2).contains(segment.count), segment.allSatisfy({ $0 == UInt8(ascii: ".") }) else {
            return rest
        }
        return rest.dropFirst(segment.count + 1)
    }

    /// Whether the upstream would see the same path.
    static func isUnchanged(matched: Int, strips: Bool, base: [UInt8]) -> Bool {
        base.count == 1 && (!strips || matched <= 1)
    }
}
