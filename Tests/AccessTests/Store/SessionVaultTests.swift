// What every vault has to do: the one in memory that other tests rely on, Redis, and a cluster of Redis.
import Foundation
import Store
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct SessionVaultTests {
    enum Kind: CaseIterable { case memory, redis, cluster }

    private static func vault(_ kind: Kind) async throws -> (any SessionVault, AnyObject?) {
        switch kind {
        case .memory: return (MemoryVault { Date().timeIntervalSince1970 }, nil)
        case .redis:
            let server = try await RedisServer()
            return (RedisVault(server.redis), server)
        case .cluster:
            let servers = try await RedisServers()
            return (RedisVault(servers.redis), servers)
        }
    }

    private static func first(_ text: String, createdAt: Double = 1000, seconds: Double = 60) -> FirstRecord {
        FirstRecord(
            octets: Array(text.utf8),
            owners: ["owner:alice", "owner:sid"],
            createdAt: createdAt,
            seconds: seconds,
            longestSeconds: 3600
        )
    }

    @Test(arguments: Kind.allCases)
    func `a record is read as it was put, with its number and its time`(kind: Kind) async throws {
        let (vault, server) = try await Self.vault(kind)
        #expect(try await vault.read("a") == nil)
        try await vault.create("a", Self.first("one"))
        let record = try #require(try await vault.read("a"))
        #expect(record.octets == Array("one".utf8) && record.version == 1)
        #expect(record.remainingSeconds > 50 && record.remainingSeconds <= 60)
        try await vault.touch("a", seconds: 600)
        #expect(try #require(try await vault.read("a")).remainingSeconds > 500)
        withExtendedLifetime(server) {}
    }

    // A17, S4
    @Test(arguments: Kind.allCases)
    func `a record takes the place of the one it was made from, and of no other`(kind: Kind) async throws {
        let (vault, server) = try await Self.vault(kind)
        try await vault.create("a", Self.first("one"))
        #expect(try await vault.replace("a", [2], after: 1, seconds: 60) == .written(version: 2))
        #expect(try await vault.replace("a", [3], after: 1, seconds: 60) == .newer)
        #expect(try await vault.read("a")?.octets == [2])
        #expect(try await vault.replace("a", [3], after: 2, seconds: 60) == .written(version: 3))
        #expect(try await vault.remove("a", after: 2) == false)
        #expect(try await vault.read("a")?.version == 3)
        #expect(try await vault.remove("a", after: 3))
        #expect(try await vault.replace("a", [4], after: 3, seconds: 60) == .gone)
        #expect(try await vault.read("a") == nil)
        #expect(try await vault.remove("a", after: 3))
        #expect(try await vault.remove("a", after: nil))
        withExtendedLifetime(server) {}
    }

    @Test(arguments: Kind.allCases)
    func `a lease is one holder's until it is given back or over`(kind: Kind) async throws {
        let (vault, server) = try await Self.vault(kind)
        #expect(try await vault.lease("a", holder: "one", seconds: 60))
        #expect(try await vault.lease("a", holder: "two", seconds: 60) == false)
        #expect(try await vault.lease("a", holder: "one", seconds: 60))
        try await vault.giveBack("a", holder: "two")
        #expect(try await vault.lease("a", holder: "two", seconds: 60) == false)
        try await vault.giveBack("a", holder: "one")
        #expect(try await vault.lease("a", holder: "two", seconds: 0.05))
        while try await !vault.lease("a", holder: "one", seconds: 60) {}
        withExtendedLifetime(server) {}
    }

    // V5
    @Test(arguments: Kind.allCases)
    func `an owner's records end by the time at which they began`(kind: Kind) async throws {
        let (vault, server) = try await Self.vault(kind)
        for (key, time) in [("a", 1000.0), ("b", 1001), ("c", 1002)] {
            try await vault.create(key, Self.first(key, createdAt: time))
        }
        #expect(try await vault.keys(of: "owner:alice").sorted() == ["a", "b", "c"])
        #expect(try await vault.keys(of: "owner:bob") == [])
        #expect(try await vault.removeAll(of: "owner:bob", createdBy: .infinity) == 0)
        #expect(try await vault.removeAll(of: "owner:alice", createdBy: 1001) == 2)
        #expect(try await vault.keys(of: "owner:alice") == ["c"])
        #expect(try await vault.read("b") == nil)
        #expect(try await vault.read("c") != nil)
        #expect(try await vault.removeAll(of: "owner:sid", createdBy: .infinity) == 1)
        #expect(try await vault.read("c") == nil)
        withExtendedLifetime(server) {}
    }

    @Test(arguments: Kind.allCases)
    func `a record that nobody touches is gone in time`(kind: Kind) async throws {
        let (vault, server) = try await Self.vault(kind)
        try await vault.create("a", Self.first("one", seconds: 0.05))
        while try await vault.read("a") != nil {}
        #expect(try await vault.replace("a", [2], after: 1, seconds: 60) == .gone)
        withExtendedLifetime(server) {}
    }

    // Three masters have the records among them, and each of these calls touches several.
    @Test func `a cluster spreads records, and an owner's are found and ended wherever they lie`()
        async throws
    {
        let servers = try await RedisServers()
        let vault = RedisVault(servers.redis)
        let keys = (0..<120).map { "k\($0)" }
        for key in keys { try await vault.create(key, Self.first(key)) }
        #expect(try await vault.keys(of: "owner:alice").sorted() == keys.sorted())
        for key in keys { #expect(try await vault.read(key)?.octets == Array(key.utf8)) }
        #expect(try await vault.removeAll(of: "owner:alice", createdBy: 1000) == 120)
        #expect(try await vault.keys(of: "owner:alice") == [])
        #expect(try await vault.removeAll(of: "owner:sid", createdBy: 1000) == 0)
        for key in keys { #expect(try await vault.read(key) == nil) }
        try await vault.note(SessionEnding(owner: OwnerKey(text: "o"), before: 1, until: 2e9))
        #expect(try await vault.endings(after: nil).endings.count == 1)
    }

    @Test func `an owner's list forgets what has ended anyway`() async throws {
        let server = try await RedisServer()
        let vault = RedisVault(server.redis)
        try await vault.create("a", Self.first("one", createdAt: 1000))
        try await vault.create("b", Self.first("two", createdAt: 1000 + 3601))
        #expect(try await vault.keys(of: "owner:alice") == ["b"])
    }

    // S7
    @Test func `endings are read by every node, in their order, each once`() async throws {
        let server = try await RedisServer()
        let log: any EndingLog = RedisVault(server.redis)
        #expect(try await log.endings(after: nil).endings == [])
        let all = try (0..<2500).map { number in
            SessionEnding(
                owner: try SessionOwner.subject(issuer: "https://id.example", subject: "u\(number)").key(),
                before: 1_700_000_000.25 + Double(number),
                until: 1_700_100_000
            )
        }
        for ending in all { try await log.note(ending) }
        let read = try await log.endings(after: nil)
        #expect(read.endings == all)
        #expect(try await log.endings(after: read.place).endings == [])
        try await log.note(all[7])
        #expect(try await log.endings(after: read.place).endings == [all[7]])
    }

    @Test func `words of any octets come back as they went`() async throws {
        let server = try await RedisServer()
        let octets = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let set = RedisCommand(["SET", "k", RedisWord(octets)])
        #expect(try await server.redis.call(set).isOK)
        #expect(try await server.redis.call(RedisCommand(["GET", "k"])).octets == octets)
        await #expect(throws: StoreError.refused("WRONGTYPE")) {
            try await server.redis.call(RedisCommand(["HGET", "k", "f"]))
        }
    }

    @Test func `commands of many tasks share the connection, and each gets its own answer`() async throws {
        let server = try await RedisServer()
        let redis = server.redis
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let reply = try await redis.call(
                        RedisCommand(["ECHO", RedisWord(number)], isRepeatable: true)
                    )
                    #expect(reply.text == String(number))
                }
            }
            try await group.waitForAll()
        }
        #expect(redis.report.outcomes["ok"] ?? 0 >= 500)
    }
}
