// One question at a time: what is shared, for how long, and what is given up for want of room.
import Synchronization
import Testing

@testable import Access

@Suite(.timeLimit(.minutes(1)))
struct SingleFlightRoomTests {
    private let clock = ManualClock(0)

    /// Counts, and waits until it may go on.
    private final class Work: Sendable {
        let count = Atomic<Int>(0)
        private let gate: AsyncStream<Void>
        private let open: AsyncStream<Void>.Continuation
        init() { (gate, open) = AsyncStream.makeStream() }
        func letGo() { open.finish() }
        func run() async -> Int {
            let number = count.add(1, ordering: .relaxed).newValue
            for await _ in gate {}
            return number
        }
    }

    private func key(_ number: Int) -> [UInt8] { Array(String(number).utf8) }

    @Test func `who asks while it is under way waits for the same answer`() async {
        let (flights, work, clock) = (SingleFlight<Int>(), Work(), clock)
        let tasks = (0..<100).map { _ in
            flights.begin(key(1), clock: { clock.now }, keep: { _ in 0 }) { await work.run() }
        }
        work.letGo()
        for task in tasks { #expect(await task.value == 1) }
        #expect(work.count.load(ordering: .relaxed) == 1)
    }

    @Test func `an outcome is handed out for its time, and then the work is done anew`() async {
        let (flights, clock, count) = (SingleFlight<Int>(), clock, Work())
        count.letGo()
        func ask() async -> Int {
            await flights.run(key(1), clock: { clock.now }, keep: { _ in 60 }) { await count.run() }
        }
        #expect(await ask() == 1)
        clock.advance(by: 59.9)
        #expect(await ask() == 1)
        #expect(flights.outcome(key(1), at: clock.now) == 1)
        clock.advance(by: 0.1)
        #expect(flights.outcome(key(1), at: clock.now) == nil)
        #expect(await ask() == 2)
    }

    // D9: room for outcomes is bounded, what is under way is not given up
    @Test
    func `what is under way is shared however many outcomes are kept, and the oldest of those go first`()
        async
    {
        let (flights, work, clock) = (SingleFlight<Int>(maximum: 8), Work(), clock)
        let first = flights.begin(key(-1), clock: { clock.now }, keep: { _ in 60 }) { await work.run() }
        for number in 0..<100 {
            _ = await flights.run(key(number), clock: { clock.now }, keep: { _ in 60 }) { number }
        }
        #expect(flights.outcome(key(99), at: clock.now) == 99)
        #expect(flights.outcome(key(0), at: clock.now) == nil)
        let second = flights.begin(key(-1), clock: { clock.now }, keep: { _ in 60 }) { await work.run() }
        work.letGo()
        #expect(await first.value == 1)
        #expect(await second.value == 1)
    }
}
