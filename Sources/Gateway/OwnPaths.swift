// Our own paths on the proxy listener: found before any route.
import Proxy

/// Finds own paths; exact, unless a path is said to be a prefix.
struct OwnPaths: Sendable {
    /// Paths whose first segment is the same.
    private struct Group {
        let first: Substring
        var exact: [(octets: [UInt8], own: OwnPath)] = []
        var prefixes: [(octets: [UInt8], own: OwnPath)] = []
        /// What all of them begin with, so that one look tells most requests apart.
        var common: [UInt8]

        mutating func add(_ path: OwnPath) {
            let octets = Array(path.path.utf8)
            self.common = Array(zip(self.common, octets).prefix { $0 == $1 }.map(\.0))
            if path.isPrefix {
                self.prefixes.append((octets, path))
            } else {
                self.exact.removeAll { $0.octets == octets }
                self.exact.append((octets, path))
            }
        }

        func exact(_ path: ArraySlice<UInt8>) -> OwnPath? {
            for (octets, own) in self.exact
            where octets.count == path.count && OwnPaths.begins(path, octets) { return own }
            return nil
        }

        func prefix(of path: ArraySlice<UInt8>) -> OwnPath? {
            for (octets, own) in self.prefixes where OwnPaths.begins(path, octets) { return own }
            return nil
        }
    }

    private var groups: [Group] = []

    init(_ paths: [OwnPath]) {
        for path in paths {
            let first = path.path.dropFirst().prefix { $0 != "/" }
            let place = self.groups.firstIndex { $0.first == first }
            if place == nil { self.groups.append(Group(first: first, common: Array(path.path.utf8))) }
            self.groups[place ?? self.groups.count - 1].add(path)
        }
    }

    /// The own path that the request is for, if it is for one.
    func path(for head: borrowing RequestHead) throws(Refusal) -> OwnPath? {
        guard let found = self.find(head) else { return nil }
        guard found.methods.contains(head.method) else {
            if found.mayPass { return nil }
            throw .methodNotAllowed(found.methods.map { String(describing: $0).uppercased() })
        }
        return found
    }

    /// Whether the request is for a path that is ours alone, whatever its method.
    func hold(_ head: borrowing RequestHead) -> Bool { self.find(head).map { !$0.mayPass } ?? false }

    private func find(_ head: borrowing RequestHead) -> OwnPath? {
        // A target may climb out of a prefix by dot segments: it was written for the own path all the same (P3).
        if !head.isPathAsWritten {
            for group in self.groups {
                if let own = group.prefix(of: head.target) { return own }
            }
        }
        let path = head.path
        for group in self.groups where Self.begins(path, group.common) {
            return group.exact(path) ?? group.prefix(of: path)
        }
        return nil
    }

    @inline(__always)
    private static func begins(_ path: ArraySlice<UInt8>, _ common: [UInt8]) -> Bool {
        guard path.count >= common.count else { return false }
        for (offset, octet) in common.enumerated() where path[path.startIndex &+ offset] != octet {
            return false
        }
        return true
    }
}
