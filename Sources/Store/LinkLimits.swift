// What a link to Redis may take, and why one is down.

/// How long things may take, and how much may wait.
package struct LinkLimits: Sendable, Equatable {
    /// Seconds until a connection must stand and its greeting be answered.
    package var connectSeconds = 2.0
    /// Seconds until a command must be answered, waiting for its turn included.
    package var commandSeconds = 2.0
    /// Most commands that wait for an answer; more are refused.
    package var waiting = 16_384
    /// Seconds of silence after which the server is asked whether it is still there.
    package var quietSeconds = 5.0
    /// Seconds between attempts to connect: the first pause, doubled up to the last.
    package var pauses = 0.05...0.5
    /// Seconds that one sentinel is given to name the master; the next is asked then.
    package var sentinelSeconds = 0.5
    /// Seconds between two looks whether the sentinels name another master by now.
    package var watchSeconds = 1.0
    /// Seconds that what has to outlive a failover is kept for the next master, and how many commands at most.
    package var recallSeconds = 60.0
    package var recalled = 4096
    /// Seconds that one server of a cluster is given to say what it knows of it; the next is asked then.
    package var lookSeconds = 0.5
    /// Seconds between two looks at a cluster at least, whatever happens.
    package var lookGapSeconds = 0.05
    /// Seconds until a command is tried again that a cluster is not ready for.
    package var retrySeconds = 0.1
    /// Seconds after which a server that has no slots is left.
    package var idleSeconds = 10.0

    /// The usual limits.
    package init() {}
}

/// Why a link is down, for logs.
package enum LinkTrouble: Sendable, Equatable {
    /// Nobody answers at the address.
    case unreachable
    /// It did not answer in time.
    case silent
    /// The connection ended.
    case closed
    /// It answered the greeting with an error; its first word.
    case refused(String)
    /// What it said is no RESP, or no answer to the question.
    case malformed
    /// It is a replica by its own word.
    case notMaster
    /// It knows no master of that name.
    case unknownMaster
    /// It is part of no cluster.
    case notCluster
    /// The cluster says that it does not serve: some of its slots have no master.
    case clusterDown
    /// No sentinel names the master, for this reason.
    indirect case sentinel(LinkTrouble)

    /// A word for logs.
    package var reason: String {
        switch self {
        case .unreachable: "unreachable"
        case .silent: "timed-out"
        case .closed: "connection-lost"
        case .refused(let code): "refused-\(code.lowercased())"
        case .malformed: "malformed-reply"
        case .notMaster: "not-a-master"
        case .unknownMaster: "unknown-master"
        case .notCluster: "not-a-cluster"
        case .clusterDown: "cluster-down"
        case .sentinel(let trouble): "sentinel-\(trouble.reason)"
        }
    }
}
