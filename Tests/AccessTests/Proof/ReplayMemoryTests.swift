// The memory of proofs: what was taken is not taken again, in bounded room, whoever asks at once.
import Synchronization
import Testing

@testable import Access

struct ReplayMemoryTests {
    @Test func `a proof is taken once until it has ended`() throws {
        let memory = try ReplayMemory(shelves: 1)
        #expect(try memory.note("j", of: "k", until: 1300, at: 1000) == .fresh)
        #expect(try memory.note("j", of: "k", until: 1300, at: 1000) == .replayed)
        #expect(try memory.note("j", of: "k", until: 1300, at: 1300) == .replayed)
        // Ends are kept in steps of 64 seconds, rounded up.
        #expect(try memory.note("j", of: "k", until: 1800, at: 1300 + 128) == .fresh)
        #expect(try memory.note("j", of: "k", until: 1800, at: 1300 + 128) == .replayed)
    }

    @Test func `another identifier or another key is another proof`() throws {
        let memory = try ReplayMemory(shelves: 1)
        #expect(try memory.note("j", of: "k", until: 1300, at: 1000) == .fresh)
        #expect(try memory.note("i", of: "k", until: 1300, at: 1000) == .fresh)
        #expect(try memory.note("j", of: "l", until: 1300, at: 1000) == .fresh)
        #expect(try memory.note("kj", of: "", until: 1300, at: 1000) == .fresh)
    }

    @Test
    func `a full part refuses what is new, forgets nothing, and has room again when its proofs have ended`()
        throws
    {
        let memory = try ReplayMemory(shelves: 1)
        var taken: [String] = []
        var refused = 0
        for number in 0..<8192 {
            switch try memory.note("\(number)", of: "k", until: 1300, at: 1000) {
            case .fresh: taken.append("\(number)")
            case .full: refused += 1
            case .replayed: Issue.record("\(number) was never shown")
            }
        }
        #expect(refused >= 8192 - 4096)
        #expect(taken.count > 4000)
        for identifier in taken {
            #expect(try memory.note(identifier, of: "k", until: 1300, at: 1299) == .replayed)
        }
        #expect(try memory.note("later", of: "k", until: 1800, at: 1500) == .fresh)
    }

    @Test func `a full bucket takes its sixty-fourth proof and not its sixty-fifth`() {
        let bucket = ReplayBucket()
        for mark in 1...64 {
            #expect(bucket.note(ReplayWord(mark: UInt64(mark), end: 20), at: 10) == .fresh)
        }
        #expect(bucket.note(ReplayWord(mark: 65, end: 20), at: 10) == .full)
        #expect(bucket.note(ReplayWord(mark: 64, end: 20), at: 20) == .replayed)
        #expect(bucket.note(ReplayWord(mark: 65, end: 30), at: 21) == .fresh)
    }

    @Test func `steps go round without bringing anything back`() {
        let last = ReplayWord(mark: 1, end: 0x3F_FFFF)
        #expect(last.isAlive(at: 0x3F_FFFF))
        #expect(!last.isAlive(at: 0x40_0000))
        let first = ReplayWord(mark: 1, end: 0x40_0001)
        #expect(first.isAlive(at: 0x3F_FFFF))
        #expect(first.isAlive(at: 0x40_0001))
        #expect(!first.isAlive(at: 0x40_0002))
    }

    @Test func `of many that show one proof at once, one passes at most`() async throws {
        let memory = try ReplayMemory(shelves: 1)
        for round in 0..<200 {
            let fresh = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<8 {
                    group.addTask { (try? memory.note("\(round)", of: "k", until: 1300, at: 1000)) == .fresh }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(fresh <= 1)
        }
    }
}
