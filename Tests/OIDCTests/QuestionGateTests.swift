// How many questions an issuer gets at a time, and that it gets none for a moment after it failed.
import Fetch
import JOSE
import Testing

@testable import OIDC

/// Holds callers until it is opened, and counts who came.
private actor Turnstile {
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var watchers: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
    private(set) var came = 0
    private var isOpen = false

    func pass() async {
        self.came += 1
        for watcher in self.watchers where watcher.count <= self.came { watcher.continuation.resume() }
        self.watchers.removeAll { $0.count <= self.came }
        if !self.isOpen { await withCheckedContinuation { self.waiting.append($0) } }
    }

    func reached(_ count: Int) async {
        guard self.came < count else { return }
        await withCheckedContinuation { self.watchers.append((count, $0)) }
    }

    func open() {
        self.isOpen = true
        for continuation in self.waiting { continuation.resume() }
        self.waiting = []
    }
}

@Suite(.timeLimit(.minutes(1)))
struct QuestionGateTests {
    @Test func `so many are under way, so many wait, and one more is refused`() async throws {
        let clock = ManualClock()
        let gate = QuestionGate(clock: { clock.now })
        let turnstile = Turnstile()
        let all = QuestionGate.maximumUnderWay + QuestionGate.maximumWaiting
        let words = await withTaskGroup(of: String.self) { group in
            for _ in 0..<(all + 7) {
                group.addTask {
                    do throws(OIDCError) {
                        try await gate.ask { () async throws(OIDCError) in await turnstile.pass() }
                        return "ok"
                    } catch {
                        return error.reason
                    }
                }
            }
            await turnstile.reached(QuestionGate.maximumUnderWay)
            // Those beyond both bounds are told at once, while everybody else is held.
            var words: [String] = []
            for _ in 0..<7 { words.append(await group.next() ?? "") }
            #expect(await turnstile.came == QuestionGate.maximumUnderWay)
            await turnstile.open()
            for await word in group { words.append(word) }
            return words
        }
        #expect(words.prefix(7).allSatisfy { $0 == "issuer-busy" })
        #expect(words.dropFirst(7).count == all)
        #expect(words.dropFirst(7).allSatisfy { $0 == "ok" })
    }

    private func ask(_ gate: QuestionGate, failing error: OIDCError?) async -> (asked: Bool, word: String) {
        let turnstile = Turnstile()
        await turnstile.open()
        do throws(OIDCError) {
            try await gate.ask { () async throws(OIDCError) in
                await turnstile.pass()
                if let error { throw error }
            }
            return (await turnstile.came == 1, "ok")
        } catch {
            return (await turnstile.came == 1, error.reason)
        }
    }

    @Test func `five failures in a row make a pause, and a success ends it`() async {
        let clock = ManualClock()
        let gate = QuestionGate(clock: { clock.now })
        let down = OIDCError.unreachable(.introspection, .connectionRefused)
        for _ in 0..<4 { #expect(await self.ask(gate, failing: down) == (true, "issuer-unreachable")) }
        // One success in between begins the count anew.
        #expect(await self.ask(gate, failing: nil) == (true, "ok"))
        for _ in 0..<5 { #expect(await self.ask(gate, failing: down) == (true, "issuer-unreachable")) }
        #expect(await self.ask(gate, failing: nil) == (false, "issuer-unreachable"))
        clock.advance(by: 0.9)
        #expect(await self.ask(gate, failing: nil) == (false, "issuer-unreachable"))
        clock.advance(by: 0.2)
        #expect(await self.ask(gate, failing: down) == (true, "issuer-unreachable"))
        clock.advance(by: 1.1)
        #expect(await self.ask(gate, failing: nil) == (false, "issuer-unreachable"))
        clock.advance(by: 1)
        #expect(await self.ask(gate, failing: nil) == (true, "ok"))
        #expect(await self.ask(gate, failing: nil) == (true, "ok"))
    }

    @Test func `an answer that is no good is no outage, whoever's token it was about`() async {
        let clock = ManualClock()
        let gate = QuestionGate(clock: { clock.now })
        for error in [
            OIDCError.refused(.userinfo, status: 401, error: nil),
            .refused(.introspection, status: 400, error: nil), .malformedAnswer(.introspection, "no"),
            .answerToken(.introspection, .badSignature),
        ] {
            for _ in 0..<20 { #expect(await self.ask(gate, failing: error) == (true, error.reason)) }
        }
    }

    @Test func `those who wait are turned away when the issuer fails`() async {
        let clock = ManualClock()
        let gate = QuestionGate(clock: { clock.now })
        let turnstile = Turnstile()
        let asked = await withTaskGroup(of: Void.self) { group in
            for _ in 0..<(QuestionGate.maximumUnderWay + 100) {
                group.addTask {
                    _ = try? await gate.ask { () async throws(OIDCError) in
                        await turnstile.pass()
                        throw OIDCError.unreachable(.introspection, .timedOut)
                    }
                }
            }
            await turnstile.reached(QuestionGate.maximumUnderWay)
            await turnstile.open()
            await group.waitForAll()
            return await turnstile.came
        }
        // A few got a place before the fifth failure was known, at most as many as there are places.
        #expect(asked <= QuestionGate.maximumUnderWay + QuestionGate.failuresUntilPause)
    }
}
