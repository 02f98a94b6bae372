// What the program's settings say of where sessions live, and the vaults that there are.
import Cryptography
import Gateway
import Store
import Synchronization

/// Where sessions live where an instance does not say, and what becomes of them while that is down.
package struct SessionServices: Sendable {
    /// The setting `session_store`.
    package let storage: SessionStorage
    /// The setting `session_store_down`: seconds that what was proven goes on; 0 refuses.
    package let graceSeconds: Double
    /// The vaults of all plans.
    package let vaults: VaultDirectory

    /// Describes where sessions live.
    package init(storage: SessionStorage, graceSeconds: Double = 0, vaults: VaultDirectory) {
        self.storage = storage
        self.graceSeconds = graceSeconds
        self.vaults = vaults
    }

    /// Cookies alone; an instance that wants Redis is refused.
    package static let cookies = SessionServices(
        storage: .cookie,
        vaults: VaultDirectory { _ throws(RedisAddressError) in throw .noStore }
    )

    /// The log of endings that nodes share: in the Redis of `session_store`, if there is one.
    var endingLog: (any EndingLog)? {
        guard case .redis(let address) = storage else { return nil }
        return (try? vaults.vault(address)) as? any EndingLog
    }

    /// The vault of an instance; nil where its sessions live in cookies alone.
    func vault(_ choice: SessionStorage?) throws(RedisAddressError) -> (any SessionVault)? {
        switch choice ?? storage {
        case .cookie: return nil
        case .usualRedis:
            if case .redis(let address) = storage { return try vaults.vault(address) }
            return try vaults.vault(.standard)
        case .redis(let address): return try vaults.vault(address)
        }
    }
}

/// What was read of stored sessions lately, by all workers: what goes on while the store is down, where the setting
/// says so.
///
/// Two halves, as in `ProvenCache`: when the young one is full it becomes the old one.
final class RecentSessions: Sendable {
    private struct Entry {
        let stored: StoredSession
        let readAt: Double
    }

    private struct Memory {
        var young: [String: Entry] = [:]
        var old: [String: Entry] = [:]
    }

    private let memory = Mutex(Memory())
    private let maximum: Int

    /// At most twice so many sessions.
    init(maximum: Int = 32_768) { self.maximum = maximum }

    /// Notes what was read.
    func note(_ stored: StoredSession, _ id: String, at now: Double) {
        memory.withLock { memory in
            memory.young[id] = Entry(stored: stored, readAt: now)
            guard memory.young.count >= maximum else { return }
            memory.old = memory.young
            memory.young = [:]
        }
    }

    /// Forgets a session that has ended.
    func forget(_ id: String) {
        memory.withLock { memory in
            memory.young[id] = nil
            memory.old[id] = nil
        }
    }

    /// What was read of a session no longer than so many seconds ago.
    func session(_ id: String, within seconds: Double, at now: Double) -> StoredSession? {
        guard seconds > 0 else { return nil }
        return memory.withLock { memory in
            guard let entry = memory.young[id] ?? memory.old[id], now - entry.readAt <= seconds else {
                return nil
            }
            return entry.stored
        }
    }
}
