// Which proofs were taken: bounded memory, shared by all loops without a lock.
import Cryptography
import Synchronization

/// What a memory says of a proof.
enum ReplayVerdict: Sendable, Equatable {
    /// It was not seen before, and is known from now on.
    case fresh
    /// It was taken before.
    case replayed
    /// There is no room for it: it cannot be told whether it will come again.
    case full
}

/// Proofs that share a part of the memory: each a word of its end and of what it is known by.
final class ReplayBucket: Sendable {
    /// How many proofs have room at a time.
    static let places = 64

    private let words: [64 of Atomic<UInt64>] = .init { (_: Int) in Atomic<UInt64>(0) }

    /// Notes a proof by its word, unless one that has not ended is known by the same mark.
    ///
    /// Two loops may note the same proof at once, each in a place of its own: both look a second time, and whoever sees
    /// the other's refuses. Then both may; a proof that is shown twice at once has no right to pass.
    func note(_ word: ReplayWord, at now: UInt32) -> ReplayVerdict {
        while true {
            var free: (place: Int, word: UInt64)?
            for place in 0..<Self.places {
                let found = words[place].load(ordering: .sequentiallyConsistent)
                if ReplayWord(found).isAlive(at: now) {
                    if ReplayWord(found).mark == word.mark { return .replayed }
                } else if free == nil {
                    free = (place, found)
                }
            }
            guard let free else { return .full }
            let (isTaken, _) = words[free.place].compareExchange(
                expected: free.word,
                desired: word.word,
                ordering: .sequentiallyConsistent
            )
            // Each lost try means that somebody else has noted a proof.
            guard isTaken else { continue }
            return isElsewhere(word, but: free.place, at: now) ? .replayed : .fresh
        }
    }

    private func isElsewhere(_ word: ReplayWord, but place: Int, at now: UInt32) -> Bool {
        for other in 0..<Self.places where other != place {
            let found = ReplayWord(words[other].load(ordering: .sequentiallyConsistent))
            if found.mark == word.mark, found.isAlive(at: now) { return true }
        }
        return false
    }
}

/// When a proof ends, in steps of 64 seconds, and 42 bits of what it is known by.
struct ReplayWord {
    let word: UInt64

    /// Seconds of a step.
    static let step = 64.0
    private static let ends: UInt64 = 0x3F_FFFF

    init(_ word: UInt64) { self.word = word }

    init(mark: UInt64, end: UInt32) {
        word = mark << 22 | UInt64(end) & Self.ends
    }

    var mark: UInt64 { word >> 22 }

    /// Whether the proof's step has not passed; steps go round every eight years, of which the later half is to come.
    func isAlive(at now: UInt32) -> Bool {
        guard word != 0 else { return false }
        let ahead = (word &- UInt64(now)) & Self.ends
        return ahead <= Self.ends / 2
    }

    /// The step of a moment.
    static func step(of seconds: Double) -> UInt32 {
        UInt32(exactly: (max(0, seconds) / step).rounded(.down)) ?? .max
    }
}

/// The proofs that were taken and have not ended (RFC 9449 §11.1).
///
/// A table of words that the loops change by compare and exchange. A proof's place follows from a keyed hash of its key
/// and its `jti`, so that nobody outside can choose where proofs meet; only proofs that passed every other rule come
/// here, so that strangers cannot fill it. Where a part of the table is full nothing is forgotten: the proof is refused.
final class ReplayMemory: Sendable {
    private final class Shelf: Sendable {
        let buckets: [64 of AtomicLazyReference<ReplayBucket>] = .init { (_: Int) in
            AtomicLazyReference<ReplayBucket>()
        }
    }

    private let shelves: [Shelf]
    private let salt: [UInt8]

    /// A memory of at most `shelves` times 4,096 proofs, 8 octets each; what is not needed yet takes no room.
    ///
    /// The usual one is bounded by 8 MiB of words, a million proofs.
    init(shelves: Int = 256) throws(CryptoError) {
        self.shelves = (0..<max(1, shelves)).map { _ in Shelf() }
        salt = try Random.bytes(32)
    }

    /// Notes that a proof was taken.
    ///
    /// - Parameters:
    ///   - identifier: its `jti`.
    ///   - thumbprint: its key's.
    ///   - expires: when it is no longer good by itself.
    func note(
        _ identifier: String,
        of thumbprint: String,
        until expires: Double,
        at now: Double
    ) throws(CryptoError) -> ReplayVerdict {
        let hash = try Digest.sha256.hash(salt + Array(thumbprint.utf8) + [0] + Array(identifier.utf8))
        let place = Self.number(hash[0..<8])
        // A mark of zero would make an empty word of the first step.
        let word = ReplayWord(mark: Self.number(hash[8..<16]) >> 22 | 1, end: ReplayWord.step(of: expires))
        let shelf = shelves[Int(place % UInt64(shelves.count))]
        let index = Int(place >> 32 & 63)
        let bucket = shelf.buckets[index].load() ?? shelf.buckets[index].storeIfNil(ReplayBucket())
        return bucket.note(word, at: ReplayWord.step(of: now))
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt64 {
        octets.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
