// A vault in memory, with the failures that a test wants.
import Synchronization

@testable import Access

/// What a store has to do, without one.
final class MemoryVault: SessionVault {
    private struct Entry {
        var octets: [UInt8]
        var version: Int64
        var createdAt: Double
        var ends: Double
    }

    /// What becomes of calls.
    enum Mood: Sendable { case well, down, deaf }

    private struct State {
        var entries: [String: Entry] = [:]
        var owners: [String: [String: Double]] = [:]
        var leases: [String: (holder: String, ends: Double)] = [:]
        var mood = Mood.well
        var calls: [String: Int] = [:]
        var up: Double? = 100
        /// Runs before the next `replace`, once.
        var beforeReplace: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    private let clock: @Sendable () -> Double

    init(clock: @escaping @Sendable () -> Double) { self.clock = clock }

    /// `down`: nothing is done; `deaf`: everything is done, and no answer comes.
    func set(_ mood: Mood) { state.withLock { $0.mood = mood } }
    func setUp(_ seconds: Double?) { state.withLock { $0.up = seconds } }
    func beforeReplace(_ work: @escaping @Sendable () -> Void) { state.withLock { $0.beforeReplace = work } }
    func count(_ call: String) -> Int { state.withLock { $0.calls[call] ?? 0 } }
    var keys: [String] { state.withLock { $0.entries.keys.sorted() } }
    func octets(_ key: String) -> [UInt8]? { state.withLock { $0.entries[key]?.octets } }
    func put(_ octets: [UInt8], _ key: String) { state.withLock { $0.entries[key]?.octets = octets } }
    var leaseCount: Int { state.withLock { $0.leases.count } }

    private func call<Result>(
        _ name: String,
        _ body: (inout State, Double) -> Result
    ) throws(StoreUnavailable) -> sending Result {
        let now = clock()
        let (result, mood) = state.withLock { state -> (Result?, Mood) in
            state.calls[name, default: 0] += 1
            guard state.mood != .down else { return (nil, .down) }
            state.entries = state.entries.filter { $0.value.ends > now }
            state.leases = state.leases.filter { $0.value.ends > now }
            return (body(&state, now), state.mood)
        }
        guard mood == .well, let result else {
            throw StoreUnavailable(mood == .down ? "not-connected" : "lost")
        }
        return result
    }

    func create(_ key: String, _ record: FirstRecord) async throws(StoreUnavailable) {
        try call("create") { state, now in
            state.entries[key] = Entry(
                octets: record.octets,
                version: 1,
                createdAt: record.createdAt,
                ends: now + record.seconds
            )
            for owner in record.owners { state.owners[owner, default: [:]][key] = record.createdAt }
        }
    }

    func read(_ key: String) async throws(StoreUnavailable) -> VaultRecord? {
        try call("read") { state, now in
            state.entries[key].map {
                VaultRecord(octets: $0.octets, version: $0.version, remainingSeconds: $0.ends - now)
            }
        }
    }

    func replace(
        _ key: String,
        _ octets: [UInt8],
        after version: Int64,
        seconds: Double
    ) async throws(StoreUnavailable) -> Replacement {
        let before = state.withLock { state in
            defer { state.beforeReplace = nil }
            return state.beforeReplace
        }
        before?()
        return try call("replace") { state, now in
            guard var entry = state.entries[key] else { return .gone }
            guard entry.version == version else { return .newer }
            entry.octets = octets
            entry.version += 1
            entry.ends = now + seconds
            state.entries[key] = entry
            return .written(version: entry.version)
        }
    }

    func touch(_ key: String, seconds: Double) async throws(StoreUnavailable) {
        try call("touch") { state, now in state.entries[key]?.ends = now + seconds }
    }

    func remove(_ key: String, after version: Int64?) async throws(StoreUnavailable) -> Bool {
        try call("remove") { state, _ in
            if let version, let entry = state.entries[key], entry.version != version { return false }
            state.entries[key] = nil
            return true
        }
    }

    func lease(_ key: String, holder: String, seconds: Double) async throws(StoreUnavailable) -> Bool {
        try call("lease") { state, now in
            if let lease = state.leases[key], lease.holder != holder { return false }
            state.leases[key] = (holder, now + seconds)
            return true
        }
    }

    func giveBack(_ key: String, holder: String) async throws(StoreUnavailable) {
        try call("giveBack") { state, _ in
            if state.leases[key]?.holder == holder { state.leases[key] = nil }
        }
    }

    func keys(of owner: String) async throws(StoreUnavailable) -> [String] {
        try call("keys") { state, _ in (state.owners[owner] ?? [:]).keys.sorted() }
    }

    func removeAll(of owner: String, createdBy time: Double) async throws(StoreUnavailable) -> Int {
        try call("removeAll") { state, _ in
            var count = 0
            for (key, createdAt) in state.owners[owner] ?? [:] where createdAt <= time {
                if state.entries.removeValue(forKey: key) != nil { count += 1 }
                state.owners[owner]?[key] = nil
            }
            return count
        }
    }

    var isDown: Bool { state.withLock { $0.mood == .down } }
    var upSeconds: Double? { state.withLock { $0.up } }
}
