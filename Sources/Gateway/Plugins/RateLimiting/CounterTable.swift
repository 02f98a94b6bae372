// Counts of many clients in bounded memory, shared by all loops without a lock.
import Synchronization

/// A window's number and a count, in one word.
struct WindowCount {
    var window: UInt32
    var count: UInt32

    init(window: UInt32, count: UInt32) {
        self.window = window
        self.count = count
    }

    init(word: UInt64) {
        self.window = UInt32(truncatingIfNeeded: word >> 32)
        self.count = UInt32(truncatingIfNeeded: word)
    }

    var word: UInt64 { UInt64(self.window) << 32 | UInt64(self.count) }
}

/// Eight clients that share a part of the table, each with a count for even and one for odd windows, so
/// that this window's and the last one's stand side by side and nothing is moved when a window ends.
///
/// A client that comes ninth takes the place of the one with the least use. What that one had used is kept
/// as the bucket's floor, and whoever is new begins there: a count may come out too high, never too low. So
/// no flood of addresses takes back what anybody has used, and it costs no memory.
final class CounterBucket: Sendable {
    /// How many clients have a place of their own.
    static let places = 8
    /// The place of the floor.
    private static let floor = 8

    private let keys: [8 of Atomic<UInt64>] = .init { (_: Int) in Atomic<UInt64>(0) }
    /// Two for each place and for the floor.
    private let counts: [18 of Atomic<UInt64>] = .init { (_: Int) in Atomic<UInt64>(0) }

    /// The place where `key` is counted, or nil if it has none.
    func place(of key: UInt64) -> Int? {
        for place in 0..<Self.places where self.keys[place].load(ordering: .acquiring) == key { return place }
        return nil
    }

    /// The place of `key`, made if need be.
    func place(for key: UInt64, at moment: WindowMoment) -> Int {
        // Others may take places meanwhile: each lost try means that somebody else went on.
        for _ in 0..<32 {
            if let place = self.place(of: key) { return place }
            if self.takeEmpty(key) || self.takeOver(key, at: moment) { continue }
        }
        return Self.floor
    }

    private func takeEmpty(_ key: UInt64) -> Bool {
        for place in 0..<Self.places where self.keys[place].load(ordering: .relaxed) == 0 {
            let outcome = self.keys[place].compareExchange(
                expected: 0,
                desired: key,
                ordering: .acquiringAndReleasing
            )
            if outcome.exchanged || outcome.original == key { return true }
        }
        return false
    }

    private func takeOver(_ key: UInt64, at moment: WindowMoment) -> Bool {
        var (victim, least) = (0, Double.infinity)
        for place in 0..<Self.places {
            let used = self.used(at: place, moment)
            if used < least { (victim, least) = (place, used) }
        }
        let owner = self.keys[victim].load(ordering: .acquiring)
        self.raise(Self.floor, to: victim)
        let outcome = self.keys[victim].compareExchange(
            expected: owner,
            desired: key,
            ordering: .acquiringAndReleasing
        )
        guard outcome.exchanged else { return false }
        // Once more, for what was counted in between.
        self.raise(Self.floor, to: victim)
        self.raise(victim, to: Self.floor)
        return true
    }

    /// Lets the counts of one place be no less than another's.
    private func raise(_ place: Int, to other: Int) {
        for parity in 0..<2 {
            let wanted = WindowCount(word: self.counts[other * 2 + parity].load(ordering: .acquiring))
            var word = self.counts[place * 2 + parity].load(ordering: .acquiring)
            while true {
                let known = WindowCount(word: word)
                guard (known.window, known.count) < (wanted.window, wanted.count) else { break }
                let outcome = self.counts[place * 2 + parity].compareExchange(
                    expected: word,
                    desired: wanted.word,
                    ordering: .acquiringAndReleasing
                )
                if outcome.exchanged { break }
                word = outcome.original
            }
        }
    }

    /// How much of a limit is used at a place, the last window's share included.
    func used(at place: Int, _ moment: WindowMoment) -> Double {
        let moment = self.later(moment, at: place)
        let reading = self.read(place, moment)
        return Double(reading.current.count) + Double(reading.previous) * (1 - moment.elapsed)
    }

    /// What stands at a place.
    func read(_ place: Int, _ moment: WindowMoment) -> (previous: UInt32, current: WindowCount, word: UInt64)
    {
        let parity = Int(moment.window & 1)
        let word = self.counts[place * 2 + parity].load(ordering: .acquiring)
        let now = WindowCount(word: word)
        let before = WindowCount(word: self.counts[place * 2 + 1 - parity].load(ordering: .acquiring))
        let current = WindowCount(window: moment.window, count: now.window == moment.window ? now.count : 0)
        return (before.window &+ 1 == moment.window ? before.count : 0, current, word)
    }

    /// A little ahead of `moment`, where another loop has counted in a later window already: a request that
    /// had to wait counts with its clock of then, and must not begin an old window anew.
    func later(_ moment: WindowMoment, at place: Int) -> WindowMoment {
        let even = WindowCount(word: self.counts[place * 2].load(ordering: .acquiring)).window
        let odd = WindowCount(word: self.counts[place * 2 + 1].load(ordering: .acquiring)).window
        let known = max(even, odd)
        guard known > moment.window, known - moment.window <= moment.patience else { return moment }
        return WindowMoment(window: known, elapsed: 0, patience: moment.patience)
    }

    /// Puts a count in the place of the one that was read; false if somebody else was faster.
    func replace(_ place: Int, _ word: UInt64, by count: WindowCount) -> Bool {
        self.counts[place * 2 + Int(count.window & 1)]
            .compareExchange(expected: word, desired: count.word, ordering: .acquiringAndReleasing)
            .exchanged
    }
}

/// Where in which window a moment lies.
struct WindowMoment {
    /// The window's number since 1970.
    let window: UInt32
    /// How much of it has passed, from 0 to 1.
    let elapsed: Double
    /// By how many windows other clocks may be ahead; what is further ahead is a clock that was wrong.
    let patience: UInt32

    init(window: UInt32, elapsed: Double, patience: UInt32) {
        self.window = window
        self.elapsed = elapsed
        self.patience = patience
    }

    /// A moment in seconds since 1970, in windows of that many seconds.
    init(_ now: Double, seconds: Int) {
        let (now, length) = (max(0, now), Double(seconds))
        let whole = (now / length).rounded(.down)
        self.window = UInt32(clamping: Int64(exactly: whole) ?? 0)
        self.elapsed = min(1, max(0, (now - whole * length) / length))
        // Requests may wait for a minute, and two clocks' ticks may differ.
        self.patience = UInt32(max(1, 120 / seconds))
    }
}

/// Counts of up to 65,536 clients exactly, of more of them never too low.
final class CounterTable: Sendable {
    /// The window's length.
    let seconds: Int
    private static let salt = UInt64.random(in: .min ... .max)
    private let buckets: [8192 of AtomicLazyReference<CounterBucket>] = .init { (_: Int) in
        AtomicLazyReference<CounterBucket>()
    }

    init(seconds: Int) { self.seconds = seconds }

    /// What a client is known by in all tables: nobody outside can tell which names meet.
    static func key(_ client: some Hashable) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(Self.salt)
        hasher.combine(client)
        let hash = UInt64(bitPattern: Int64(hasher.finalize()))
        return hash == 0 ? 1 : hash
    }

    /// Counts one request of a client if that stays within the limit.
    func take(_ key: UInt64, at now: Double, limit: Int) -> RateReading {
        let bucket = self.bucket(key)
        let moment = WindowMoment(now, seconds: self.seconds)
        let place = bucket.place(for: key, at: moment)
        while true {
            let mine = bucket.later(moment, at: place)
            let (previous, current, word) = bucket.read(place, mine)
            var reading = RateReading(limit, self.seconds, mine, previous: previous, current: current.count)
            guard reading.hasRoom else { return reading }
            let more = WindowCount(window: mine.window, count: current.count + 1)
            guard bucket.replace(place, word, by: more) else { continue }
            reading.current += 1
            reading.isTaken = true
            return reading
        }
    }

    /// Takes back what `take` counted.
    func giveBack(_ key: UInt64, _ reading: RateReading) {
        let bucket = self.bucket(key)
        guard reading.isTaken, let place = bucket.place(of: key) else { return }
        let moment = WindowMoment(window: reading.window, elapsed: 0, patience: 0)
        while true {
            let (_, current, word) = bucket.read(place, moment)
            guard current.count > 0 else { return }
            let less = WindowCount(window: current.window, count: current.count - 1)
            if bucket.replace(place, word, by: less) { return }
        }
    }

    /// What stands there, without counting.
    func look(_ key: UInt64, at now: Double, limit: Int) -> RateReading {
        let moment = WindowMoment(now, seconds: self.seconds)
        guard let bucket = self.buckets[Self.index(key)].load(), let place = bucket.place(of: key) else {
            return RateReading(limit, self.seconds, moment, previous: 0, current: 0)
        }
        let mine = bucket.later(moment, at: place)
        let (previous, current, _) = bucket.read(place, mine)
        return RateReading(limit, self.seconds, mine, previous: previous, current: current.count)
    }

    private static func index(_ key: UInt64) -> Int { Int(key & 8191) }

    private func bucket(_ key: UInt64) -> CounterBucket {
        let index = Self.index(key)
        if let bucket = self.buckets[index].load() { return bucket }
        return self.buckets[index].storeIfNil(CounterBucket())
    }
}
