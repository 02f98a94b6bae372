// Sessions that were ended before their time: remembered until their cookies are worth nothing by themselves.
package import Cryptography
import Synchronization

/// The memory of sign-outs and of logouts that issuers tell of: a sealed cookie cannot be taken back, so each use of
/// one is looked for here.
///
/// A look costs a few loads and no lock while the session is not there (`EndedFilter`). The memory is bounded: when it
/// is full, the earliest entries of an issuer become one, and all of its sessions that began by then are over. So
/// nothing that was ended is ever forgotten before its time; at worst, users have to log in once more.
package final class EndedSessions: Sendable {
    private struct Entry {
        let issuer: EndedMark?
        var cut: Double
        var until: Double
    }

    private struct Memory {
        var entries: [EndedMark: Entry] = [:]
        var sweptAt = 0.0
        /// The longest that any session has been allowed to live unseen.
        var longest = 0.0
    }

    /// How much longer than needed an entry is kept: clocks may go back (security drill D10).
    static let marginSeconds = 3600.0

    private let memory = Mutex(Memory())
    private let filter = EndedFilter()
    private let entryCount = Atomic<Int>(0)
    private let changes = Atomic<UInt64>(0)
    private let foldings = Atomic<UInt64>(0)
    private let maximum: Int
    /// Where it is kept; nil for a memory that ends with the program.
    let journal: EndedJournal?
    /// Where other nodes hear of it.
    private let share = Mutex<SharedEndings?>(nil)
    /// Who else is told.
    private let listeners = Mutex<[@Sendable (SessionEnding) -> Void]>([])

    /// A memory that ends with the program.
    package convenience init() { self.init(journal: nil) }

    /// A memory that is kept in `folder`, and begins with what was kept there.
    ///
    /// - Parameter notice: takes a line for the operator.
    /// - Throws: where the file cannot be read: whom to let in would not be known.
    package convenience init(
        in folder: String,
        at now: Double,
        notice: @escaping @Sendable (String) -> Void
    ) throws {
        self.init(journal: try EndedJournal(in: folder, at: now, notice: notice), at: now)
    }

    /// A memory of at most `maximum` entries, that begins with what the journal holds.
    init(maximum: Int = 524_288, journal: EndedJournal?, at now: Double = 0) {
        self.maximum = maximum
        self.journal = journal
        if let journal { _ = merge(journal.takeRead(), at: now) }
    }

    // MARK: Asking

    /// Whether anybody has to be waited for until what is ended is ended for good.
    var isKept: Bool { journal != nil || share.withLock { $0 != nil } }

    /// How many entries there are.
    package var count: Int { entryCount.load(ordering: .relaxed) }

    /// Rises with every change: streams that are under way are then looked at once more.
    package var revision: UInt64 { changes.load(ordering: .acquiring) }

    /// How often entries were made one because there was no more room.
    package var folded: UInt64 { foldings.load(ordering: .relaxed) }

    /// Whether a session was ended.
    func contains(_ standing: SessionStanding, at now: Double) -> Bool {
        guard entryCount.load(ordering: .acquiring) > 0 else { return false }
        for mark in standing.marks where filter.mayHold(mark) {
            if holds(mark, standing.beganAt, at: now) { return true }
        }
        return false
    }

    /// Whether a session was ended by its own name; nothing else of it is known.
    func contains(session id: String, at now: Double) -> Bool {
        guard entryCount.load(ordering: .acquiring) > 0 else { return false }
        guard let mark = try? EndedMark(.session(id: id)) else { return true }
        return filter.mayHold(mark) && holds(mark, -.infinity, at: now)
    }

    private func holds(_ mark: EndedMark, _ beganAt: Double, at now: Double) -> Bool {
        memory.withLock { memory in
            guard let entry = memory.entries[mark] else { return false }
            return beganAt <= entry.cut && now < entry.until
        }
    }

    // MARK: Ending

    /// Sessions may live this long unseen: entries are kept at least that long.
    func allow(seconds: Double) {
        memory.withLock { $0.longest = max($0.longest, seconds) }
    }

    /// Ends the sessions of `owner` that began by `cut`: for this program at once, then for those who share it.
    ///
    /// - Parameter issuer: whose sessions they are; nil for everyone's.
    /// - Returns: whether they were not ended already.
    /// - Throws: where a digest fails; nothing is ended then.
    @discardableResult
    package func end(
        _ owner: SessionOwner,
        of issuer: String?,
        beganBy cut: Double,
        at now: Double
    ) throws(CryptoError) -> Bool {
        let until = now + memory.withLock { $0.longest } + Self.marginSeconds
        let key = try owner.key()
        guard let mark = EndedMark(key) else { return false }
        let group = try issuer.map { url throws(CryptoError) in try EndedMark(.issuer(url)) }
        let new = merge([EndedRecord(mark: mark, issuer: group, cut: cut, until: until)], at: now)
        guard !new.isEmpty else { return false }
        journal?.append(new)
        let ending = SessionEnding(owner: key, before: cut, until: until)
        for tell in listeners.withLock({ $0 }) { tell(ending) }
        return true
    }

    /// Learns what other nodes have ended, and keeps it as they do.
    package func learn(_ endings: [SessionEnding], at now: Double) {
        let records = endings.compactMap { ending in
            EndedMark(ending.owner).map {
                EndedRecord(mark: $0, issuer: nil, cut: ending.before, until: ending.until)
            }
        }
        let new = merge(records, at: now)
        if !new.isEmpty { journal?.append(new) }
    }

    /// Calls `tell` with all that is ended here from now on, on any thread.
    package func onEnd(_ tell: @escaping @Sendable (SessionEnding) -> Void) {
        listeners.withLock { $0.append(tell) }
    }

    /// Everything that is remembered, for who has just come.
    func records(at now: Double) -> [EndedRecord] {
        memory.withLock { Self.records($0.entries, at: now) }
    }

    /// Lets other nodes hear of what is ended here, by a log that all of them read.
    ///
    /// - Parameter listener: the log over a line of its own, which waits for what comes.
    func share(
        by log: any EndingLog,
        _ listener: (any EndingLog)? = nil,
        _ clock: @escaping @Sendable () -> Double
    ) -> SharedEndings {
        let shared = SharedEndings(log, listener, of: self, clock)
        share.withLock { $0 = shared }
        onEnd { shared.tell($0) }
        return shared
    }

    /// Returns when all that was ended before is on the disk, and where other nodes hear of it; false if it is not.
    package func settled() async -> Bool {
        let shared = share.withLock { $0 }
        let isKept = await journal?.settled() ?? true
        return await shared?.settled() ?? true && isKept
    }

    // MARK: Keeping

    /// Looks for what other programs have written, forgets what is over, and makes the file small again.
    func tidy(at now: Double) {
        if let journal { _ = merge(journal.news(), at: now) }
        let count = memory.withLock { memory in
            if now - memory.sweptAt >= 60 { sweep(&memory, at: now) }
            return memory.entries.count
        }
        guard let journal, journal.isLong(for: count) else { return }
        journal.rewrite { records(at: now) }
    }

    /// Does so four times a second until its task is cancelled.
    package func keep(_ clock: @Sendable () -> Double) async {
        while !Task.isCancelled {
            do { try await Task.sleep(for: .milliseconds(250)) } catch { return }
            tidy(at: clock())
        }
    }

    private static func records(_ entries: [EndedMark: Entry], at now: Double) -> [EndedRecord] {
        entries.compactMap { mark, entry in
            guard entry.until > now else { return nil }
            return EndedRecord(mark: mark, issuer: entry.issuer, cut: entry.cut, until: entry.until)
        }
    }

    // MARK: Memory

    /// Takes what is new; gives it back.
    private func merge(_ records: [EndedRecord], at now: Double) -> [EndedRecord] {
        guard !records.isEmpty else { return [] }
        let new = memory.withLock { memory -> [EndedRecord] in
            var new: [EndedRecord] = []
            for record in records where record.until > now {
                if memory.entries.count >= maximum { makeRoom(&memory, &new, at: now) }
                if insert(record, &memory) { new.append(record) }
            }
            entryCount.store(memory.entries.count, ordering: .releasing)
            return new
        }
        if !new.isEmpty { changes.wrappingAdd(1, ordering: .releasing) }
        return new
    }

    /// Whether it says more than what was known.
    private func insert(_ record: EndedRecord, _ memory: inout Memory) -> Bool {
        guard let known = memory.entries[record.mark] else {
            memory.entries[record.mark] = Entry(issuer: record.issuer, cut: record.cut, until: record.until)
            filter.add(record.mark)
            return true
        }
        guard record.cut > known.cut || record.until > known.until else { return false }
        memory.entries[record.mark]?.cut = max(known.cut, record.cut)
        memory.entries[record.mark]?.until = max(known.until, record.until)
        return true
    }

    private func sweep(_ memory: inout Memory, at now: Double) {
        memory.sweptAt = now
        let before = memory.entries.count
        memory.entries = memory.entries.filter { $0.value.until > now }
        guard memory.entries.count < before else { return }
        filter.replace(with: memory.entries.keys)
        entryCount.store(memory.entries.count, ordering: .releasing)
    }

    /// Makes the earliest quarter of the entries one for each issuer: nothing that was ended lives on.
    private func makeRoom(_ memory: inout Memory, _ new: inout [EndedRecord], at now: Double) {
        sweep(&memory, at: now)
        guard memory.entries.count >= maximum, let everyone = try? EndedMark(.everyone) else { return }
        // What stands for a whole issuer, or for all, stays.
        let single = memory.entries.filter { $0.key != $0.value.issuer && $0.key != everyone }
        let earliest = single.sorted { $0.value.cut < $1.value.cut }.prefix(max(1, maximum / 4))
        var whole: [EndedMark: (cut: Double, until: Double)] = [:]
        for (mark, entry) in earliest {
            memory.entries[mark] = nil
            let issuer = entry.issuer ?? everyone
            let known = whole[issuer] ?? (entry.cut, entry.until)
            whole[issuer] = (max(known.cut, entry.cut), max(known.until, entry.until))
        }
        for (issuer, (cut, until)) in whole {
            let group = issuer == everyone ? nil : issuer
            let record = EndedRecord(mark: issuer, issuer: group, cut: cut, until: until)
            if insert(record, &memory) { new.append(record) }
        }
        filter.replace(with: memory.entries.keys)
        foldings.wrappingAdd(1, ordering: .relaxed)
    }
}
