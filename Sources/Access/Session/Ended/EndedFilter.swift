// A quick no: whether a session could be among those that were ended.
import Synchronization

/// Two bits a mark in a table of bits that all loops read without a lock (a Bloom filter).
///
/// A mark that was added is always found; one that was not, seldom: with a quarter of a million marks once in 250
/// times, and then the memory itself is asked. Bits change under the lock of whoever owns the filter.
final class EndedFilter: Sendable {
    private final class Page: Sendable {
        let words: [512 of Atomic<UInt64>] = .init { (_: Int) in Atomic<UInt64>(0) }
    }

    /// Pages that are needed; the others take no room.
    private let pages: [256 of AtomicLazyReference<Page>] = .init { (_: Int) in AtomicLazyReference<Page>() }

    /// Which bit a half of a mark stands for.
    private struct Place {
        let page: Int
        let word: Int
        let bit: UInt64

        init(_ half: UInt64) {
            page = Int(half >> 15 & 255)
            word = Int(half >> 6 & 511)
            bit = 1 << (half & 63)
        }
    }

    /// Whether `mark` may have been added.
    func mayHold(_ mark: EndedMark) -> Bool {
        isSet(Place(mark.high)) && isSet(Place(mark.low))
    }

    private func isSet(_ place: Place) -> Bool {
        guard let page = pages[place.page].load() else { return false }
        return page.words[place.word].load(ordering: .acquiring) & place.bit != 0
    }

    /// Adds a mark.
    func add(_ mark: EndedMark) {
        for place in [Place(mark.high), Place(mark.low)] {
            let page = pages[place.page].load() ?? pages[place.page].storeIfNil(Page())
            page.words[place.word].bitwiseOr(place.bit, ordering: .releasing)
        }
    }

    /// Holds these marks from now on and no others; what is in both is never missed meanwhile.
    func replace(with marks: some Sequence<EndedMark>) {
        var words: [Int: [UInt64]] = [:]
        for mark in marks {
            for place in [Place(mark.high), Place(mark.low)] {
                words[place.page, default: [UInt64](repeating: 0, count: 512)][place.word] |= place.bit
            }
        }
        for index in pages.indices {
            guard let page = pages[index].load() ?? words[index].map({ _ in pages[index].storeIfNil(Page()) })
            else { continue }
            let new = words[index]
            for word in page.words.indices {
                page.words[word].store(new?[word] ?? 0, ordering: .releasing)
            }
        }
    }
}
