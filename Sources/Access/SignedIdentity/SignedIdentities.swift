// Signed identities that are still good: one worker's memory, so that a request costs no signature.
import Gateway
import Proxy

/// What was signed, by for whom and where their request goes.
///
/// An entry holds on to its subject, so that no other can be taken for it (security row H4). Two halves: when the
/// young one is full it becomes the old one, and what is still asked for moves over.
final class SignedIdentities {
    /// A subject, the route where each has its own audience, and the end where it comes before that of what is signed.
    struct Key: Hashable {
        let subject: ObjectIdentifier
        let route: ObjectIdentifier?
        let end: Double?
    }

    /// What was signed, as the edit that sets it.
    struct Entry {
        let subject: any SignedSubject
        let edits: FieldEdits
        /// Seconds since 1970 from which on it is made anew.
        let renewsAt: Double
        /// The state of the keys that signed it.
        let keysVersion: UInt64
    }

    /// Entries of one half.
    static let half = 4096
    private var young: [Key: Entry] = [:]
    private var old: [Key: Entry] = [:]
    /// Signatures that were made.
    let signatures: Tally

    init(signatures: Tally = Tally()) { self.signatures = signatures }

    /// How many entries there are.
    var count: Int { young.count + old.count }

    /// What was signed for `key`, while it is good.
    func entry(_ key: Key, at now: Double, keysVersion: UInt64) -> Entry? {
        if let entry = young[key] {
            return now < entry.renewsAt && entry.keysVersion == keysVersion ? entry : nil
        }
        guard let entry = old.removeValue(forKey: key), now < entry.renewsAt,
            entry.keysVersion == keysVersion
        else { return nil }
        insert(entry, key)
        return entry
    }

    /// Keeps what was signed, in place of what was before.
    func keep(_ entry: Entry, _ key: Key) {
        signatures.value &+= 1
        old[key] = nil
        insert(entry, key)
    }

    private func insert(_ entry: Entry, _ key: Key) {
        young[key] = entry
        guard young.count > Self.half else { return }
        old = young
        young = [:]
    }
}
