// The sessions that were ended, in a file that outlives the program.
import Cryptography
import Descriptors
import Synchronization

/// One line for each session that was ended, on the disk before anybody is told that it was.
///
/// Lines are written beside the event loops, many at once where many come. Two programs may share the file while one
/// takes over from the other: each reads what the other writes. A line is torn only where the file ends; what was torn,
/// or could not be written, is mended by writing the file anew and giving it the old one's name.
final class EndedJournal: Sendable {
    /// What the journal is called in `data_dir`.
    static let name = "ended-sessions"
    /// Calls of `news` for which a file is still read after another has taken its name.
    private static let farewells = 40
    /// Calls of `isLong` between two tries to mend what could not be written.
    private static let pause = 20
    private static let chunk = 1 << 20

    /// The file as it stands.
    private struct Store {
        var file: KeptFile
        /// Up to where it has been read.
        var offset = 0
        /// Lines in it, as far as it has been read.
        var lines = 0
        /// Files that bore the name before; somebody may still write to them.
        var former: [(file: KeptFile, offset: Int, calls: Int)] = []
    }

    private struct Queue {
        var records: [EndedRecord] = []
        var isWriting = false
        /// Something is not on the disk: the file has to be written anew.
        var isBroken = false
        var waiting: [CheckedContinuation<Bool, Never>] = []
        var pause = 0
    }

    private let folder: String
    private var path: String { folder + "/" + Self.name }
    private let store: Mutex<Store>
    private let queue = Mutex(Queue())
    private let found: Mutex<[EndedRecord]>
    private let notice: @Sendable (String) -> Void

    /// Opens the journal in `folder`, or begins one, and reads it.
    ///
    /// - Parameter notice: takes a line for the operator.
    init(
        in folder: String,
        at now: Double,
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(KeptFileError) {
        self.folder = folder
        self.notice = notice
        // Half a rewriting of a program that was killed.
        KeptFile.remove("\(folder)/\(Self.name).new")
        var store = Store(file: try KeptFile(folder + "/" + Self.name))
        var reading = Reading()
        while case let octets = try store.file.read(from: store.offset, upTo: Self.chunk), !octets.isEmpty {
            store.offset += octets.count
            reading.take(octets)
        }
        store.lines = reading.lines
        if !reading.rest.isEmpty {
            notice("\(folder)/\(Self.name): the last line was cut off and is dropped")
            // Nothing is ever written behind half a line.
            queue.withLock { $0.isBroken = true }
            store.offset -= reading.rest.count
        }
        if reading.damaged > 0, let mark = try? EndedMark(.everyone) {
            notice(
                "\(folder)/\(Self.name): \(reading.damaged) lines are damaged; whom they ended is not known, so all sessions end"
            )
            reading.records.append(EndedRecord(mark: mark, issuer: nil, cut: now, until: now + 31_622_400))
            queue.withLock { $0.isBroken = true }
        }
        self.store = Mutex(store)
        found = Mutex(reading.records)
    }

    /// What the file held when it was opened; given once.
    func takeRead() -> [EndedRecord] {
        found.withLock { found in
            defer { found = [] }
            return found
        }
    }

    // MARK: Writing

    /// Writes records soon, beside the caller.
    func append(_ records: [EndedRecord]) {
        let begins = queue.withLock { queue in
            queue.records += records
            defer { queue.isWriting = true }
            return !queue.isWriting
        }
        if begins { Task { self.writeAll() } }
    }

    /// Returns when everything that was appended before is on the disk; false if that failed.
    func settled() async -> Bool {
        await withCheckedContinuation { continuation in
            let verdict: Bool? = queue.withLock { queue in
                guard queue.isWriting || !queue.records.isEmpty else { return !queue.isBroken }
                queue.waiting.append(continuation)
                return nil
            }
            if let verdict { continuation.resume(returning: verdict) }
        }
    }

    private func writeAll() {
        while true {
            let (records, waiting, isBroken) = queue.withLock { queue in
                defer { (queue.records, queue.waiting) = ([], []) }
                if queue.records.isEmpty, queue.waiting.isEmpty { queue.isWriting = false }
                return (queue.records, queue.waiting, queue.isBroken)
            }
            guard !records.isEmpty || !waiting.isEmpty else { return }
            let isKept = !isBroken && write(records)
            for continuation in waiting { continuation.resume(returning: isKept) }
        }
    }

    private func write(_ records: [EndedRecord]) -> Bool {
        let octets = records.flatMap { Array(Self.line($0).utf8) }
        do throws(KeptFileError) {
            try store.withLock { store throws(KeptFileError) in
                try self.follow(&store)
                try store.file.append(octets)
                try store.file.sync()
            }
            return true
        } catch {
            queue.withLock { $0.isBroken = true }
            notice(
                "\(path) cannot be written (\(error)): sessions that end now are known to this program alone"
            )
            return false
        }
    }

    /// Makes sure that the file is the one that bears the name.
    private func follow(_ store: inout Store) throws(KeptFileError) {
        let there = KeptFile.identity(at: path)
        guard there != store.file.identity else { return }
        // Taken away: all that is known is written anew.
        if there == nil { queue.withLock { $0.isBroken = true } }
        let next = try KeptFile(path)
        store.former.append((store.file, store.offset, 0))
        (store.file, store.offset, store.lines) = (next, 0, 0)
    }

    // MARK: What others write

    /// The records that came into the file since the last call, from whomever.
    func news() -> [EndedRecord] {
        do throws(KeptFileError) {
            return try store.withLock { store throws(KeptFileError) in
                try self.follow(&store)
                var reading = Reading()
                for index in store.former.indices {
                    let (file, offset, calls) = store.former[index]
                    store.former[index] = (file, try Self.read(file, from: offset, &reading), calls + 1)
                }
                store.former.removeAll { $0.calls > Self.farewells }
                let before = reading.lines
                store.offset = try Self.read(store.file, from: store.offset, &reading)
                store.lines += reading.lines - before
                return reading.records
            }
        } catch {
            return []
        }
    }

    /// Reads whole lines; gives the place where the next one begins.
    private static func read(
        _ file: KeptFile,
        from offset: Int,
        _ reading: inout Reading
    ) throws(KeptFileError) -> Int {
        guard try file.size() > offset else { return offset }
        var end = offset
        while case let octets = try file.read(from: end, upTo: chunk), !octets.isEmpty {
            end += octets.count
            reading.take(octets)
        }
        end -= reading.rest.count
        reading.rest = []
        return end
    }

    // MARK: Writing anew

    /// Whether the file should be written anew: it has many lines that say nothing more, or lacks some.
    func isLong(for entries: Int) -> Bool {
        let isBroken = queue.withLock { queue in
            guard queue.isBroken else { return false }
            defer { queue.pause = queue.pause > 0 ? queue.pause - 1 : Self.pause }
            return queue.pause == 0
        }
        return isBroken || store.withLock { $0.lines } > 2 * entries + 4096
    }

    /// Puts a file with these records alone into the old one's place, whole or not at all.
    ///
    /// - Parameter records: asked for when nobody else writes, so that nothing is left out.
    func rewrite(_ records: () -> [EndedRecord]) {
        do throws(KeptFileError) {
            try store.withLock { store throws(KeptFileError) in
                let records = records()
                let made = "\(path).new"
                let file = try KeptFile(made, isNew: true)
                try file.append(records.flatMap { Array(Self.line($0).utf8) })
                try file.sync()
                try KeptFile.replace(path, by: made, in: folder)
                store.former.append((store.file, store.offset, 0))
                (store.file, store.offset, store.lines) = (file, try file.size(), records.count)
            }
            queue.withLock { $0.isBroken = false }
        } catch {
            // It is tried again; whoever asks hears that not everything is kept.
        }
    }

    // MARK: Lines

    /// A record as text: marks, times in milliseconds, and eight digits by which a damaged line is known.
    static func line(_ record: EndedRecord) -> String {
        let issuer = record.issuer?.digits ?? "-"
        let times = "\(milliseconds(record.cut)) \(milliseconds(record.until))"
        let body = "e1 \(record.mark.digits) \(issuer) \(times)"
        return "\(body) \(check(body))\n"
    }

    private static func milliseconds(_ seconds: Double) -> Int64 {
        Int64(exactly: (min(max(seconds, 0), 1e14) * 1000).rounded(.up)) ?? 0
    }

    private static func check(_ body: String) -> String {
        guard let digest = try? Digest.sha256.hash(utf8: body) else { return "" }
        return Hexadecimal.encode(digest[..<4])
    }

    /// The record of a line without its end; nil for anything that `line` does not write.
    static func record(_ line: some Collection<UInt8>) -> EndedRecord? {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard words.count == 6, words[0] == "e1", !words[5].isEmpty,
            check(words[..<5].joined(separator: " ")) == words[5],
            let mark = EndedMark(digits: words[1]), let cut = Int64(words[3]), let until = Int64(words[4])
        else { return nil }
        let issuer = EndedMark(digits: words[2])
        guard issuer != nil || words[2] == "-" else { return nil }
        return EndedRecord(mark: mark, issuer: issuer, cut: Double(cut) / 1000, until: Double(until) / 1000)
    }

    /// Octets on their way to records.
    private struct Reading {
        var records: [EndedRecord] = []
        var lines = 0
        var damaged = 0
        /// A line whose end has not come.
        var rest: [UInt8] = []

        mutating func take(_ octets: [UInt8]) {
            var start = 0
            for index in octets.indices where octets[index] == UInt8(ascii: "\n") {
                rest += octets[start..<index]
                start = index + 1
                lines += 1
                if let record = EndedJournal.record(rest) { records.append(record) } else { damaged += 1 }
                rest.removeAll(keepingCapacity: true)
            }
            rest += octets[start...]
        }
    }
}
