// What counts once: states that were redeemed, logout tokens that were taken.
import Synchronization

/// A bounded memory of words that must not be taken again until they would have expired anyway.
///
/// When it is full, what expires first makes room: a memory that took no more words could be filled by strangers,
/// and then nobody could log in, and no logout would count.
package final class UsedOnce: Sendable {
    private struct Memory {
        var words: [String: Double] = [:]
        var sweptAt = 0.0
    }

    private let memory = Mutex(Memory())
    private let maximum: Int

    /// A memory of at most `maximum` words.
    package init(maximum: Int = 65_536) {
        self.maximum = maximum
    }

    /// Notes `word` until `expires`; false if it is there already.
    package func note(_ word: String, until expires: Double, at now: Double) -> Bool {
        memory.withLock { memory in
            if now - memory.sweptAt >= (memory.words.count < maximum ? 60 : 1) {
                memory.words = memory.words.filter { $0.value > now }
                memory.sweptAt = now
            }
            if let end = memory.words[word], end > now { return false }
            if memory.words.count >= maximum { Self.makeRoom(&memory.words, maximum / 4) }
            memory.words[word] = expires
            return true
        }
    }

    /// Forgets the words that expire first, many at once so that it is seldom done.
    private static func makeRoom(_ words: inout [String: Double], _ count: Int) {
        for (word, _) in words.sorted(by: { $0.value < $1.value }).prefix(max(1, count)) { words[word] = nil }
    }

    /// Forgets `word`: it came to nothing and may come again.
    package func forget(_ word: String) { memory.withLock { $0.words[word] = nil } }

    /// Whether `word` was noted and has not expired.
    package func contains(_ word: String, at now: Double) -> Bool {
        memory.withLock { memory in
            guard !memory.words.isEmpty else { return false }
            return memory.words[word].map { $0 > now } ?? false
        }
    }
}
