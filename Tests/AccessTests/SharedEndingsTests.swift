// Endings on their way to other nodes and from them, with a log that fails when told.
import Synchronization
import Testing

@testable import Access

/// A log in memory, as a store would keep it.
private final class ScriptedLog: EndingLog {
    private struct State {
        var endings: [SessionEnding] = []
        var isDown = false
    }

    private let state = Mutex(State())

    var endings: [SessionEnding] { state.withLock { $0.endings } }

    func goDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

    func note(_ ending: SessionEnding) async throws(StoreUnavailable) {
        let isDown = state.withLock { state in
            if !state.isDown { state.endings.append(ending) }
            return state.isDown
        }
        if isDown { throw StoreUnavailable("down") }
        await Task.yield()
    }

    func endings(
        after place: String?
    ) async throws(StoreUnavailable) -> (endings: [SessionEnding], place: String?) {
        let (endings, isDown) = state.withLock { ($0.endings, $0.isDown) }
        if isDown { throw StoreUnavailable("down") }
        let first = place.flatMap { Int($0) } ?? 0
        return (Array(endings[first...]), "\(endings.count)")
    }
}

struct SharedEndingsTests {
    private let issuer = "https://id.example"

    private func owner(_ number: Int) -> SessionOwner { .issuerSession(issuer: issuer, sid: "\(number)") }

    private func hasEnded(_ number: Int, _ ended: EndedSessions) throws -> Bool {
        var session = Session(id: "x", at: 100, issuer: issuer, subject: "alice")
        session.issuerSession = "\(number)"
        return try SessionStanding(session, in: ended).hasEnded(at: 200)
    }

    // V4
    @Test func `of many endings at once none is lost, and none is told twice`() async throws {
        let (log, here, there) = (ScriptedLog(), EndedSessions(), EndedSessions())
        let (mine, theirs) = (here.share(by: log) { 200 }, there.share(by: log) { 200 })
        await withTaskGroup(of: Void.self) { tasks in
            for number in 0..<200 {
                tasks.addTask {
                    _ = try? here.end(self.owner(number), of: self.issuer, beganBy: 150, at: 200)
                    #expect(await here.settled())
                }
            }
        }
        #expect(Set(log.endings.map(\.owner)).count == 200)
        #expect(log.endings.count == 200)
        #expect(await theirs.read())
        for number in 0..<200 { #expect(try hasEnded(number, there)) }
        // What was heard is not told again, nor what comes back of one's own.
        #expect(await mine.read())
        #expect(await there.settled())
        #expect(log.endings.count == 200)
    }

    @Test func `what the log could not take is told once it can`() async throws {
        let (log, here) = (ScriptedLog(), EndedSessions())
        let mine = here.share(by: log) { 200 }
        log.goDown(true)
        try here.end(owner(1), of: issuer, beganBy: 150, at: 200)
        #expect(await !here.settled())
        #expect(try hasEnded(1, here))
        #expect(await !mine.read())
        log.goDown(false)
        #expect(await here.settled())
        #expect(log.endings.count == 1)
    }

    @Test func `a node that begins hears of what ended before it lets anybody in`() async throws {
        let (log, here, later) = (ScriptedLog(), EndedSessions(), EndedSessions())
        _ = here.share(by: log) { 200 }
        try here.end(owner(1), of: issuer, beganBy: 150, at: 200)
        #expect(await here.settled())
        await later.share(by: log) { 200 }.begin()
        #expect(try hasEnded(1, later))
    }
}
