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
        guard !self.exact.isEmpty || !self.prefixes.isEmpty else { return nil }
        let path = head.path
        guard path.count >= self.common.count else { return nil }
        for (offset, octet) in self.common.enumerated() where path[path.startIndex &+ offset] != octet {
            return nil
        }
        let found = self.exact[Array(path)] ?? self.prefixes.first { path.starts(with: $0.path.utf8) }
        guard let found else { return nil }
        guard found.methods.contains(head.method) else {
            throw .methodNotAllowed(found.methods.map { String(describing: $0).uppercased() })
        }
        return found
    }
}
