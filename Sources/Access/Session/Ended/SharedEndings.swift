// What was ended, told to other nodes and heard from them by a log in the store that they share.
import Synchronization

/// One node's way to the log: writes at once what is ended here, until the log has it, and reads what others write.
package final class SharedEndings: Sendable {
    /// Milliseconds between two looks, where nobody waits in the log itself.
    private static let pause = 250
    /// Milliseconds that a logout waits until other nodes can hear of it.
    private static let patience = 2000

    private struct State {
        var unwritten: [SessionEnding] = []
        var isWriting = false
        /// Up to where the log was read.
        var place: String?
    }

    private let log: any EndingLog
    /// The log over a line of its own, which waits for what comes; nil for looking now and then.
    private let listener: (any EndingLog)?
    private unowned let ended: EndedSessions
    private let clock: @Sendable () -> Double
    private let state = Mutex(State())

    init(
        _ log: any EndingLog,
        _ listener: (any EndingLog)?,
        of ended: EndedSessions,
        _ clock: @escaping @Sendable () -> Double
    ) {
        self.log = log
        self.listener = listener
        self.ended = ended
        self.clock = clock
    }

    /// Writes an ending down soon, beside the caller.
    func tell(_ ending: SessionEnding) {
        state.withLock { $0.unwritten.append(ending) }
        Task { await self.write() }
    }

    /// Whether all that was told before is in the log; waits a moment for it, however the store hangs.
    func settled() async -> Bool {
        Task { await self.write() }
        var (pause, waited) = (1, 0)
        while true {
            if state.withLock({ $0.unwritten.isEmpty }) { return true }
            guard waited < Self.patience else { return false }
            try? await Task.sleep(for: .milliseconds(pause))
            waited += pause
            pause = min(2 * pause, Self.pause)
        }
    }

    /// Hears of what has ended so far, for at most two seconds: before anybody is let in.
    package func begin() async {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                while !Task.isCancelled, await !self.read() {
                    try? await Task.sleep(for: .milliseconds(Self.pause / 5))
                }
            }
            tasks.addTask { try? await Task.sleep(for: .seconds(2)) }
            await tasks.next()
            tasks.cancelAll()
        }
    }

    /// Writes and reads until its task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            await write()
            if await read(listener ?? log), listener != nil { continue }
            do { try await Task.sleep(for: .milliseconds(Self.pause)) } catch { return }
        }
    }

    /// Writes what is not in the log yet, one at a time; what fails stays for the next time.
    private func write() async {
        let begins = state.withLock { state in
            defer { state.isWriting = true }
            return !state.isWriting
        }
        guard begins else { return }
        while let ending = next() {
            do throws(StoreUnavailable) {
                if ending.until > clock() { try await log.note(ending) }
            } catch {
                return state.withLock { $0.isWriting = false }
            }
            state.withLock { _ = $0.unwritten.removeFirst() }
        }
    }

    /// The next to be written; where there is none, the write is over.
    private func next() -> SessionEnding? {
        state.withLock { state in
            if state.unwritten.isEmpty { state.isWriting = false }
            return state.unwritten.first
        }
    }

    /// Hears of what other nodes have ended, and of what ended before this one was here; false if it cannot.
    func read() async -> Bool { await read(log) }

    private func read(_ log: any EndingLog) async -> Bool {
        let place = state.withLock { $0.place }
        do throws(StoreUnavailable) {
            let (endings, next) = try await log.endings(after: place)
            ended.learn(endings, at: clock())
            state.withLock { $0.place = next }
            return true
        } catch {
            return false
        }
    }
}
