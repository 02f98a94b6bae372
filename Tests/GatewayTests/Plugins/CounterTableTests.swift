// Counts are exact while there is room, and never too low without.
import Testing

@testable import Gateway

struct CounterTableTests {
    private static let now: Double = 1_800_000_000

    @Test func `many loops together take exactly the limit`() async {
        let table = CounterTable(seconds: 60)
        let key = CounterTable.key("one")
        let taken = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    (0..<2000).count { _ in table.take(key, at: Self.now, limit: 5000).isTaken }
                }
            }
            return await group.reduce(0, +)
        }
        #expect(taken == 5000)
    }

    @Test func `what is given back can be taken again`() {
        let table = CounterTable(seconds: 60)
        let first = table.take(7, at: Self.now, limit: 1)
        #expect(first.isTaken)
        let refused = table.take(7, at: Self.now, limit: 1)
        #expect(!refused.isTaken)
        table.giveBack(7, refused)
        #expect(!table.take(7, at: Self.now, limit: 1).isTaken)
        table.giveBack(7, first)
        #expect(table.take(7, at: Self.now, limit: 1).isTaken)
    }

    /// Keys that share one bucket.
    private func crowd(_ count: Int) -> [UInt64] { (1...UInt64(count)).map { $0 << 13 | 5 } }

    @Test func `eight clients of a bucket keep apart, and a ninth begins at the least`() {
        let table = CounterTable(seconds: 60)
        let crowd = self.crowd(9)
        for (index, key) in crowd.prefix(8).enumerated() {
            for _ in 0...index { #expect(table.take(key, at: Self.now, limit: 100).isTaken) }
        }
        for (index, key) in crowd.prefix(8).enumerated() {
            #expect(table.look(key, at: Self.now, limit: 100).current == UInt32(index + 1))
        }
        // The first has the least, one; the ninth takes its place and goes on from there.
        #expect(table.take(crowd[8], at: Self.now, limit: 100).current == 2)
        #expect(table.look(crowd[1], at: Self.now, limit: 100).current == 2)
        // Whoever lost its place is not forgotten.
        #expect(table.take(crowd[0], at: Self.now, limit: 100).current >= 2)
    }

    @Test func `no flood of others takes back what somebody has used`() {
        let table = CounterTable(seconds: 60)
        let crowd = self.crowd(2000)
        let victim = crowd[0]
        for _ in 1...10 { _ = table.take(victim, at: Self.now, limit: 10) }
        #expect(!table.take(victim, at: Self.now, limit: 10).isTaken)
        for key in crowd.dropFirst() { _ = table.take(key, at: Self.now, limit: 10) }
        #expect(!table.take(victim, at: Self.now, limit: 10).isTaken)
        // The same where the use is the last window's: at its end a tenth of ten counts.
        #expect(!table.take(victim, at: Self.now + 60, limit: 10).isTaken)
        for key in crowd.dropFirst() { _ = table.take(key, at: Self.now + 60, limit: 10) }
        #expect(!table.take(victim, at: Self.now + 60, limit: 10).isTaken)
        // Two windows later everybody begins anew.
        #expect(table.take(victim, at: Self.now + 180, limit: 10).current == 1)
    }

    @Test func `a clock a little behind counts where the others do, one that was wrong is not believed`() {
        let table = CounterTable(seconds: 60)
        #expect(table.take(7, at: Self.now + 60, limit: 1).isTaken)
        #expect(!table.take(7, at: Self.now, limit: 1).isTaken)
        #expect(table.take(8, at: Self.now + 3600, limit: 1).isTaken)
        #expect(table.take(8, at: Self.now, limit: 1).isTaken)
    }
}
