// The stores of the running program: made once each, told of and counted.
import Access
import Gateway
import Logging
import Store
import Synchronization

/// Makes the stores that plans ask for, and knows all of them.
final class StoreDesk: Sendable {
    private let logger: Logger
    private let stores = Mutex<[Redis]>([])

    init(_ logger: Logger) { self.logger = logger }

    /// Makes vaults that connect at once, so that a wrong address shows in the log and not with the first user.
    ///
    /// - Parameter authorities: the PEM file of those who vouch for `rediss://`; nil for the system's.
    func vaults(_ authorities: String?) -> VaultDirectory {
        VaultDirectory { [self] address throws(RedisAddressError) in
            let redis = try Redis(address, authorities: authorities, events: StoreNews(logger: self.logger))
            self.stores.withLock { $0.append(redis) }
            redis.start()
            return RedisVault(redis)
        }
    }

    /// A line of its own to a store, for who waits there for what other nodes have to say; not told of and not counted.
    func listener(_ storage: SessionStorage, _ authorities: String?) -> (any EndingLog)? {
        guard case .redis(let address) = storage,
            let redis = try? Redis(address, authorities: authorities, events: UnheardStoreEvents())
        else { return nil }
        redis.start()
        return RedisVault(redis, listens: true)
    }

    /// Makes vaults for commands that only look: nothing connects.
    static func unconnected(_ authorities: String?) -> VaultDirectory {
        VaultDirectory { address throws(RedisAddressError) in
            RedisVault(try Redis(address, authorities: authorities, events: UnheardStoreEvents()))
        }
    }

    /// Adds counts and states to a snapshot.
    func add(to snapshot: inout MetricsSnapshot) {
        for report in self.stores.withLock({ $0 }).map(\.report) {
            snapshot.set(MetricKey("gatehouse_store_up", ["store": report.title]), to: report.isUp ? 1 : 0)
            snapshot.count(
                MetricKey("gatehouse_store_call_seconds_total", ["store": report.title]),
                by: report.totalSeconds
            )
            for (outcome, count) in report.outcomes {
                snapshot.count(
                    MetricKey("gatehouse_store_calls_total", ["store": report.title, "outcome": outcome]),
                    by: Double(count)
                )
            }
        }
    }
}

/// Logs what is heard of a store.
private struct StoreNews: StoreEvents {
    let logger: Logger

    func storeUp(_ title: String) {
        self.logger.notice("session store up", metadata: ["store": "\(title)"])
    }

    func storeDown(_ title: String, reason: String) {
        self.logger.warning("session store down", metadata: ["store": "\(title)", "reason": "\(reason)"])
    }

    func storeNodeUp(_ title: String, node: String) {
        self.logger.notice("session store node up", metadata: ["store": "\(title)", "node": "\(node)"])
    }

    func storeNodeDown(_ title: String, node: String, reason: String) {
        self.logger.warning(
            "session store node down",
            metadata: ["store": "\(title)", "node": "\(node)", "reason": "\(reason)"]
        )
    }
}

/// For stores that nobody asks.
private struct UnheardStoreEvents: StoreEvents {
    func storeUp(_ title: String) {}
    func storeDown(_ title: String, reason: String) {}
    func storeNodeUp(_ title: String, node: String) {}
    func storeNodeDown(_ title: String, node: String, reason: String) {}
}
