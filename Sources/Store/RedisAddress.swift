// Where a Redis is, and how it is spoken to.

/// A Redis: the place, who we are there, and which database.
package struct RedisAddress: Sendable, Hashable {
    /// Where it listens.
    package enum Place: Sendable, Hashable {
        case tcp(host: String, port: Int)
        case socket(path: String)
        /// Wherever the sentinels say that the master is.
        case sentinels(Sentinels)
        /// Whichever of a cluster's servers has the key.
        case cluster(Cluster)
    }

    /// One server of several.
    package struct Node: Sendable, Hashable {
        package var host: String
        package var port: Int

        /// A server at a host.
        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        /// Names it for logs.
        var title: String {
            "\(self.host.contains(":") ? "[\(self.host)]" : self.host):\(self.port)"
        }
    }

    /// Those who know which server is the master, and who we are there.
    package struct Sentinels: Sendable, Hashable {
        /// The name that they know the master by.
        package var master: String
        /// Where they listen; at least one.
        package var nodes: [Node]
        /// The user at the sentinels; nil is their default user.
        package var user: String?
        /// The password for the sentinels, and for nobody else; nil shows none.
        package var password: String?

        /// Sentinels without a password.
        package init(master: String, nodes: [Node]) {
            self.master = master
            self.nodes = nodes
        }

        /// Whether sentinels take it for the name of a master.
        package static func isName(_ text: String) -> Bool {
            let signs: Set<Character> = [".", "-", "_"]
            return !text.isEmpty
                && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || signs.contains($0)) }
        }
    }

    /// Servers that have the keys among them.
    package struct Cluster: Sendable, Hashable {
        /// Those that are asked first of all what the cluster is; at least one.
        package var nodes: [Node]
        /// How often one command is sent on to another server at most.
        package var maximumRedirections = 5

        /// A cluster that these tell of.
        package init(nodes: [Node]) { self.nodes = nodes }
    }

    /// How TLS is spoken.
    package struct TLS: Sendable, Hashable {
        /// Whether the server has to prove its name.
        package var verifies = true
        /// The name that it has to prove, where it is not the host.
        package var serverName: String?

        /// TLS with a server that proves its host's name.
        package init() {}
    }

    /// Where it listens.
    package var place: Place
    /// The user; nil is Redis' default user.
    package var user: String?
    /// The password; nil shows none.
    package var password: String?
    /// The number of the database.
    package var database = 0
    /// TLS; nil speaks plainly.
    package var tls: TLS?
    /// Seconds until a connection must stand.
    package var connectSeconds = 2.0
    /// Seconds until a command must be answered.
    package var commandSeconds = 2.0
    /// What every key begins with.
    package var prefix = "gatehouse:"

    /// A Redis without user or TLS.
    package init(_ place: Place) { self.place = place }

    /// Who names the server, where the address does not.
    package var sentinels: Sentinels? {
        if case .sentinels(let sentinels) = self.place { sentinels } else { nil }
    }

    /// The cluster that it is, if it is one.
    package var cluster: Cluster? { if case .cluster(let cluster) = self.place { cluster } else { nil } }

    /// Names it for logs and metrics: no user, no password.
    package var title: String {
        let scheme = self.tls == nil ? "redis" : "rediss"
        switch self.place {
        case .tcp(let host, let port):
            return "\(scheme)://\(Node(host: host, port: port).title)/\(self.database)"
        case .socket(let path): return "unix://\(path)"
        case .sentinels(let sentinels):
            let nodes = sentinels.nodes.map(\.title).joined(separator: ",")
            return "\(scheme)+sentinel://\(nodes)/\(sentinels.master)/\(self.database)"
        case .cluster(let cluster):
            return "\(scheme)+cluster://\(cluster.nodes.map(\.title).joined(separator: ","))"
        }
    }
}

/// What is wrong with an address, for people; never the address itself.
package struct RedisAddressError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    /// Nothing here makes stores.
    package static let noStore = RedisAddressError("no store is served here")
}
