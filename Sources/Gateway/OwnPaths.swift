// Our own paths on the proxy listener: found before any route.
import Proxy

/// Finds own paths; exact, unless a path is said to be a prefix.
struct OwnPaths: Sendable {
    private var exact: [[UInt8]: OwnPath] = [:]
    private var prefixes: [OwnPath] = []
    /// What all of them begin with, so that one look tells most requests apart.
    private var common: [UInt8] = []

    init(_ paths: [OwnPath]) {
        self.common = paths.first.map { Array($0.path.utf8) } ?? []
        for path in paths {
            let octets = Array(path.path.utf8)
            self.common = Array(zip(self.common, octets).prefix { $0 == $1 }.map(\.0))
            if path.isPrefix { self.prefixes.append(path) } else { self.exact[octets] = path }
        }
    }

    /// The own path that the request is for, if it is for one.
    func path(for head: borrowing RequestHead) throws(Refusal) -> OwnPath? {
        guard let found = self.find(head) else { return nil }
        guard found.methods.contains(head.method) else {
            throw .methodNotAllowed(found.methods.map { String(describing: $0).uppercased() })
        }
        return found
    }

    /// Whether the request is for an own path, whatever its method.
    func hold(_ head: borrowing RequestHead) -> Bool { self.find(head) != nil }

    private func find(_ head: borrowing RequestHead) -> OwnPath? {
        guard !self.exact.isEmpty || !self.prefixes.isEmpty else { return nil }
        // A target may climb out of a prefix by dot segments: it was written for the own path all the same (P3).
        if !head.isPathAsWritten, let own = self.prefix(of: head.target) { return own }
        let path = head.path
        guard path.count >= self.common.count else { return nil }
        for (offset, octet) in self.common.enumerated() where path[path.startIndex &+ offset] != octet {
            return nil
        }
        return self.exact[Array(path)] ?? self.prefix(of: path)
    }

    private func prefix(of path: ArraySlice<UInt8>) -> OwnPath? {
        self.prefixes.first { path.starts(with: $0.path.utf8) }
    }
}
