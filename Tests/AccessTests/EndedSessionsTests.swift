// The memory of sessions that were ended: what it finds, how it is bounded, and what of it stays.
import Cryptography
import Descriptors
import Foundation
import JOSE
import JSON
import Synchronization
import Testing

@testable import Access

struct EndedSessionsTests {
    private static let issuer = "https://id.example"

    private func session(
        _ id: String = "one",
        sub: String = "alice",
        sid: String? = nil,
        issuer: String = issuer,
        beganAt: Double = 100
    ) -> Session {
        var session = Session(id: id, at: beganAt, issuer: issuer, subject: sub)
        session.issuerSession = sid
        return session
    }

    private func hasEnded(_ session: Session, _ ended: EndedSessions, at now: Double = 200) throws -> Bool {
        try SessionStanding(session, in: ended).hasEnded(at: now)
    }

    private func folder() throws -> String {
        let path = NSTemporaryDirectory() + "gatehouse-ended-\(UInt64.random(in: .min ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    // MARK: What is ended

    @Test func `S7 an owner's sessions end that began by then, and no others`() throws {
        let ended = EndedSessions()
        ended.allow(seconds: 1000)
        try ended.end(.subject(issuer: Self.issuer, subject: "alice"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(try hasEnded(session("a"), ended))
        #expect(try hasEnded(session("b", beganAt: 99), ended))
        #expect(try !hasEnded(session("c", beganAt: 100.5), ended))
        #expect(try !hasEnded(session("a", sub: "bob"), ended))
        #expect(try !hasEnded(session("a", issuer: "https://other.example"), ended))
        try ended.end(.issuerSession(issuer: Self.issuer, sid: "s"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(try hasEnded(session("d", sub: "bob", sid: "s"), ended))
        #expect(try !hasEnded(session("d", sub: "bob", sid: "t"), ended))
        #expect(try !hasEnded(session("d", sub: "bob"), ended))
        #expect(try !hasEnded(session("d", sub: "s"), ended))
        try ended.end(.session(id: "e"), of: Self.issuer, beganBy: 120, at: 150)
        #expect(try hasEnded(session("e", sub: "bob", beganAt: 120), ended))
        #expect(try !hasEnded(session("f", sub: "bob", beganAt: 120), ended))
    }

    @Test func `V5 all sessions of an issuer end, and all there are`() throws {
        let ended = EndedSessions()
        let elsewhere = session("z", issuer: "https://other.example")
        try ended.end(.issuer(Self.issuer), of: Self.issuer, beganBy: 150, at: 150)
        #expect(try hasEnded(session(), ended))
        #expect(try !hasEnded(elsewhere, ended))
        #expect(try !hasEnded(session(beganAt: 151), ended))
        try ended.end(.everyone, of: nil, beganBy: 150, at: 150)
        #expect(try hasEnded(elsewhere, ended))
    }

    // D10: a clock that went back an hour brings no session back.
    @Test func `an entry is kept as long as any such session can live, and an hour more`() throws {
        let ended = EndedSessions()
        ended.allow(seconds: 1000)
        try ended.end(.session(id: "one"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(try hasEnded(session(), ended, at: 4749))
        ended.tidy(at: 4749)
        #expect(ended.count == 1)
        #expect(try !hasEnded(session(), ended, at: 4750))
        ended.tidy(at: 4810)
        #expect(ended.count == 0)
    }

    @Test func `an ending that says more is a change, and one that does not is none`() throws {
        let ended = EndedSessions()
        let told = Mutex<[SessionEnding]>([])
        ended.onEnd { ending in told.withLock { $0.append(ending) } }
        let alice = SessionOwner.subject(issuer: Self.issuer, subject: "alice")
        #expect(try ended.end(alice, of: Self.issuer, beganBy: 100, at: 150))
        let revision = ended.revision
        #expect(try !ended.end(alice, of: Self.issuer, beganBy: 90, at: 150))
        #expect(ended.revision == revision)
        #expect(try ended.end(alice, of: Self.issuer, beganBy: 110, at: 150))
        #expect(ended.revision == revision + 1)
        #expect(told.withLock { $0.map(\.before) } == [100, 110])
        #expect(try hasEnded(session(beganAt: 110), ended))
    }

    @Test func `what another node has ended is ended here, and not told again`() throws {
        let (here, there) = (EndedSessions(), EndedSessions())
        there.onEnd { here.learn([$0], at: 150) }
        let echoes = Mutex(0)
        here.onEnd { _ in echoes.withLock { $0 += 1 } }
        try there.end(.subject(issuer: Self.issuer, subject: "alice"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(try hasEnded(session(), here))
        #expect(echoes.withLock { $0 } == 0)
    }

    @Test func `a session of an older version is known by the sid of its ID token`() throws {
        let claims = Base64URL.encode(Array(#"{"sid":"s-1"}"#.utf8))
        let octets = JSONValue.object([
            "v": 1, "id": "one", "c": 100, "r": 100, "u": 100, "iss": .string(Self.issuer), "sub": "alice",
            "it": .string("e30.\(claims).AA"),
        ]).serialized()
        let old = try #require(Session(serialized: octets))
        #expect(old.issuerSession == "s-1")
        #expect(old.beganAt == 100)
        let again = try #require(Session(serialized: old.serialized()))
        #expect(again == old)
    }

    // MARK: Bound

    @Test func `a memory that is full ends more, never less`() throws {
        let ended = EndedSessions(maximum: 100, journal: nil)
        for number in 0..<100 {
            try ended.end(
                .session(id: "\(number)"),
                of: number % 2 == 0 ? Self.issuer : "https://other.example",
                beganBy: Double(number),
                at: 150
            )
        }
        #expect(ended.count == 100)
        #expect(ended.folded == 0)
        try ended.end(.session(id: "more"), of: Self.issuer, beganBy: 120, at: 150)
        #expect(ended.count <= 100)
        #expect(ended.folded == 1)
        for number in 0..<100 {
            let issuer = number % 2 == 0 ? Self.issuer : "https://other.example"
            #expect(try hasEnded(session("\(number)", issuer: issuer, beganAt: Double(number)), ended))
        }
        // The earliest quarter stands for its issuers now: whoever began by then is over, later ones live on.
        #expect(try hasEnded(session("x", sub: "bob", beganAt: 24), ended))
        #expect(try !hasEnded(session("x", sub: "bob", beganAt: 25), ended))
        #expect(try hasEnded(session("x", issuer: "https://other.example", beganAt: 23), ended))
        #expect(try !hasEnded(session("x", issuer: "https://other.example", beganAt: 24), ended))
        #expect(try !hasEnded(session("x", issuer: "https://third.example", beganAt: 1), ended))
    }

    @Test func `the quick look never misses what was added, and seldom finds what was not`() throws {
        let filter = EndedFilter()
        var marks: [EndedMark] = []
        for number in 0..<20_000 { marks.append(try EndedMark(.session(id: "\(number)"))) }
        #expect(!filter.mayHold(marks[0]))
        for mark in marks[..<10_000] { filter.add(mark) }
        #expect(marks[..<10_000].allSatisfy(filter.mayHold))
        #expect(marks[10_000...].count(where: filter.mayHold) < 100)
        filter.replace(with: marks[5000..<15_000])
        #expect(marks[5000..<15_000].allSatisfy(filter.mayHold))
        #expect((marks[..<5000] + marks[15_000...]).count(where: filter.mayHold) < 100)
    }

    // MARK: Disk

    private func open(_ folder: String, _ said: Seen? = nil) throws -> EndedSessions {
        let journal = try EndedJournal(in: folder, at: 150) { said?.add($0) }
        let ended = EndedSessions(journal: journal, at: 150)
        ended.allow(seconds: 1000)
        return ended
    }

    @Test func `V4 what was ended stays ended in the next program`() async throws {
        let folder = try folder()
        let first = try open(folder)
        try first.end(.session(id: "one"), of: Self.issuer, beganBy: 100.25, at: 150)
        try first.end(.subject(issuer: Self.issuer, subject: "bob"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(await first.settled())
        let second = try open(folder)
        #expect(second.count == 2)
        #expect(try hasEnded(session(beganAt: 100.25), second))
        #expect(try hasEnded(session("x", sub: "bob"), second))
        #expect(try !hasEnded(session("x"), second))
        let text = try String(contentsOfFile: folder + "/ended-sessions", encoding: .utf8)
        #expect(!text.contains("bob") && !text.contains("example"))
    }

    @Test func `a last line that is cut off is dropped and said, wherever it is cut`() async throws {
        let folder = try folder()
        let first = try open(folder)
        try first.end(.session(id: "one"), of: Self.issuer, beganBy: 100, at: 150)
        try first.end(.session(id: "two"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(await first.settled())
        let path = folder + "/ended-sessions"
        let whole = try #require(FileManager.default.contents(atPath: path))
        let line = try #require(whole.firstIndex(of: 10)) + 1
        for cut in [line + 1, line + 40, whole.count - 2, whole.count - 1] {
            try whole.prefix(cut).write(to: URL(filePath: path))
            let said = Seen()
            let next = try open(folder, said)
            #expect(next.count == 1)
            #expect(said.all.count == 1)
            // What comes now is behind no half line.
            try next.end(.session(id: "three"), of: Self.issuer, beganBy: 100, at: 150)
            #expect(await !next.settled())
            next.tidy(at: 150)
            #expect(await next.settled())
            let quiet = Seen()
            #expect(try open(folder, quiet).count == 2)
            #expect(quiet.all == [])
        }
    }

    @Test func `a damaged line ends all sessions, for nobody knows whom it ended`() async throws {
        let folder = try folder()
        let first = try open(folder)
        for id in ["one", "two", "three"] {
            try first.end(.session(id: id), of: Self.issuer, beganBy: 100, at: 150)
        }
        #expect(await first.settled())
        let path = folder + "/ended-sessions"
        var octets = [UInt8](try #require(FileManager.default.contents(atPath: path)))
        octets[5] = octets[5] == 0x30 ? 0x31 : 0x30
        try Data(octets).write(to: URL(filePath: path))
        let said = Seen()
        let next = try open(folder, said)
        #expect(said.all.count == 1)
        #expect(try hasEnded(session("another"), next))
        #expect(try !hasEnded(session("another", beganAt: 151), next))
    }

    @Test func `two programs that share the file know what the other ends`() async throws {
        let folder = try folder()
        let (older, younger) = (try open(folder), try open(folder))
        try older.end(.session(id: "one"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(await older.settled())
        younger.tidy(at: 151)
        #expect(try hasEnded(session("one"), younger))
        // The younger one writes the file anew; the older one finds it, and still writes to the right place.
        for number in 0..<5000 {
            try younger.end(
                .issuerSession(issuer: Self.issuer, sid: "s"),
                of: Self.issuer,
                beganBy: 100 + Double(number) / 100,
                at: 151
            )
        }
        #expect(await younger.settled())
        let before = try FileManager.default.attributesOfItem(atPath: folder + "/ended-sessions")
        // All lines have to be read before it is seen that they are too many.
        younger.tidy(at: 152)
        let after = try FileManager.default.attributesOfItem(atPath: folder + "/ended-sessions")
        #expect(after[.systemFileNumber] as? Int != before[.systemFileNumber] as? Int)
        #expect((after[.size] as? Int ?? .max) < 1000)
        try older.end(.session(id: "two"), of: Self.issuer, beganBy: 100, at: 152)
        #expect(await older.settled())
        younger.tidy(at: 153)
        older.tidy(at: 153)
        #expect(try hasEnded(session("two"), younger))
        #expect(try hasEnded(session("x", sub: "bob", sid: "s", beganAt: 149), older))
        #expect(try open(folder).count == 3)
    }

    @Test func `a file that was taken away is made anew with all that is known`() async throws {
        let folder = try folder()
        let ended = try open(folder)
        try ended.end(.session(id: "one"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(await ended.settled())
        try FileManager.default.removeItem(atPath: folder + "/ended-sessions")
        ended.tidy(at: 151)
        #expect(try open(folder).count == 1)
    }

    // D14
    @Test func `while the disk takes nothing, endings are in force and said to be unkept, and then kept`()
        async throws
    {
        let folder = try folder()
        let said = Seen()
        let ended = try open(folder, said)
        let path = folder + "/ended-sessions"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try ended.end(.session(id: "one"), of: Self.issuer, beganBy: 100, at: 150)
        #expect(await !ended.settled())
        #expect(try hasEnded(session("one"), ended))
        #expect(said.all.count == 1)
        for _ in 0..<30 { ended.tidy(at: 150) }
        #expect(await !ended.settled())
        try FileManager.default.removeItem(atPath: path)
        for _ in 0..<30 { ended.tidy(at: 150) }
        #expect(await ended.settled())
        #expect(try open(folder).count == 1)
    }

    // D13
    @Test func `half a rewriting that was left behind is no file of ours`() throws {
        let folder = try folder()
        try Data("e1 half".utf8).write(to: URL(filePath: folder + "/ended-sessions.new"))
        #expect(try open(folder).count == 0)
        #expect(!FileManager.default.fileExists(atPath: folder + "/ended-sessions.new"))
    }

    @Test(arguments: ["", "e1", "e2 x", "e1 0 - 1 2 abcd"])
    func `what is no line of ours is none`(text: String) {
        #expect(EndedJournal.record(Array(text.utf8)) == nil)
    }

    @Test func `a line is read as it was written`() throws {
        let mark = try EndedMark(.session(id: "one"))
        for issuer in [nil, try EndedMark(.issuer(Self.issuer))] {
            let record = EndedRecord(mark: mark, issuer: issuer, cut: 1_700_000_000.125, until: 1_700_003_600)
            let line = EndedJournal.line(record)
            #expect(line.last == "\n")
            #expect(EndedJournal.record(Array(line.dropLast().utf8)) == record)
        }
    }
}
