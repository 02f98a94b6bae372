// What was proven before: credentials that need no second proof, for one worker.
import Cryptography
import Gateway
import JOSE

/// A bounded memory of credentials and what they proved; one for each worker, so that nobody waits for a lock.
///
/// An entry is found by a keyed hash of the credential's end (a signature or a tag), its length and the asker; it
/// counts only if the asker is the same and every octet is equal (security row H4). Two halves: when the young
/// one is full it becomes the old one, and what is still asked for moves over.
final class ProvenCache<Value: AnyObject> {
    private struct Entry {
        let asker: UInt64
        let credential: [UInt8]
        let value: Value
        /// What it takes of the memory.
        let bytes: Int
    }

    /// What both halves may hold together: credentials, what they proved, and a fixed charge for each entry.
    private let maximumBytes: Int
    private let seed: UInt64
    private var young: [UInt64: Entry] = [:]
    private var old: [UInt64: Entry] = [:]
    private var youngBytes = 0
    /// What an entry costs besides its credential and what it holds: edits, tables.
    private static var entryBytes: Int { 2048 }

    /// Answers that came from here, and those that did not.
    let hits: Tally
    let misses: Tally

    init(maximumBytes: Int, hits: Tally = Tally(), misses: Tally = Tally()) {
        self.maximumBytes = maximumBytes
        self.hits = hits
        self.misses = misses
        var generator = SystemRandomNumberGenerator()
        seed = generator.next()
    }

    /// How many entries there are.
    var count: Int { young.count + old.count }

    /// What `credential` proved to `asker`.
    func value(_ credential: Span<UInt8>, asker: UInt64) -> Value? {
        let key = hash(credential, asker)
        if let entry = young[key], Self.matches(entry, credential, asker) {
            hits.value &+= 1
            return entry.value
        }
        guard let entry = old[key], Self.matches(entry, credential, asker) else {
            misses.value &+= 1
            return nil
        }
        hits.value &+= 1
        old[key] = nil
        insert(entry, key)
        return entry.value
    }

    /// Keeps what `credential` proved to `asker`; the value holds about so many bytes.
    func keep(_ value: Value, for credential: Span<UInt8>, asker: UInt64, holding held: Int = 0) {
        var copy: [UInt8] = []
        copy.reserveCapacity(credential.count)
        for index in credential.indices { copy.append(credential[index]) }
        keep(value, forOwn: copy, asker: asker, holding: held)
    }

    /// The same for a credential that nobody else holds on to.
    func keep(_ value: Value, forOwn credential: [UInt8], asker: UInt64, holding held: Int = 0) {
        let bytes = credential.count + Self.entryBytes + held
        guard bytes <= maximumBytes / 2 else { return }
        let key = hash(credential.span, asker)
        old[key] = nil
        insert(Entry(asker: asker, credential: credential, value: value, bytes: bytes), key)
    }

    /// Forgets what `credential` proved to `asker`.
    func forget(_ credential: Span<UInt8>, asker: UInt64) {
        let key = hash(credential, asker)
        if let entry = young[key], Self.matches(entry, credential, asker) {
            young[key] = nil
            youngBytes -= entry.bytes
        }
        if let entry = old[key], Self.matches(entry, credential, asker) { old[key] = nil }
    }

    private func insert(_ entry: Entry, _ key: UInt64) {
        if let replaced = young.updateValue(entry, forKey: key) { youngBytes -= replaced.bytes }
        youngBytes += entry.bytes
        guard youngBytes > maximumBytes / 2 else { return }
        swap(&old, &young)
        // Its room stays: it will be needed again.
        young.removeAll(keepingCapacity: true)
        youngBytes = 0
    }

    private static func matches(_ entry: Entry, _ credential: Span<UInt8>, _ asker: UInt64) -> Bool {
        entry.asker == asker && Self.areEqual(entry.credential.span, credential)
    }

    /// Whether two texts are equal; every octet is read, wherever they differ, and whole blocks at a time.
    private static func areEqual(_ one: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        guard one.count == other.count else { return false }
        var (difference, index): (UInt8, Int) = (0, 0)
        while index &+ 32 <= one.count {
            let (mine, theirs) = (
                one.extracting(index..<(index &+ 32)), other.extracting(index..<(index &+ 32))
            )
            for offset in 0..<32 { difference |= mine[offset] ^ theirs[offset] }
            index &+= 32
        }
        while index < one.count {
            difference |= one[index] ^ other[index]
            index &+= 1
        }
        return difference == 0
    }

    /// The last 32 octets are a signature or a tag; two mixing steps for each octet are enough for a table whose
    /// entries are all proven.
    private func hash(_ credential: Span<UInt8>, _ asker: UInt64) -> UInt64 {
        var state = seed ^ (asker &* 0x9E37_79B9_7F4A_7C15) ^ UInt64(credential.count)
        var index = max(0, credential.count - 32)
        while index < credential.count {
            state = (state ^ UInt64(credential[index])) &* 0x0000_0100_0000_01B3
            state ^= state >> 29
            index &+= 1
        }
        return state
    }
}

extension ProvenCache: HeaderMemory where Value == ReadHeader {
    func header(_ octets: Span<UInt8>) -> ReadHeader? { value(octets, asker: 0) }

    func keep(_ header: ReadHeader, for octets: Span<UInt8>) {
        keep(header, for: octets, asker: 0, holding: header.approximateBytes)
    }
}
