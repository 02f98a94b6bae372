// The contract of docs/keys.md, line by line, without a clock.
import Testing

@testable import OIDC

struct KeyScheduleTests {
    /// Keys that were taken at 1000 and live for 100 s.
    private func taken(_ terms: KeySchedule.Terms = .init(), jitter: Double = 0) -> KeySchedule {
        var schedule = KeySchedule(terms)
        schedule.succeeded(at: 1000, lifetime: 100, jitter: jitter)
        return schedule
    }

    @Test func `a first fetch is due at once`() {
        #expect(KeySchedule().isDue(at: 1000))
    }

    @Test(arguments: [(0.0, 1075.0), (0.5, 1082.5), (1.0, 1090.0), (-1.0, 1075.0), (2.0, 1090.0)])
    func `keys are due from three quarters to nine tenths of their lifetime`(jitter: Double, due: Double) {
        let schedule = self.taken(jitter: jitter)
        #expect(!schedule.isDue(at: due - 0.1))
        #expect(schedule.isDue(at: due))
        #expect(schedule.quietUntil == due)
    }

    @Test func `a clock that went back an hour makes keys due, half an hour does not`() {
        #expect(!self.taken().isDue(at: 1000 - 3600))
        #expect(self.taken().isDue(at: 1000 - 3600.1))
    }

    @Test(arguments: [(1.0, 60.0), (60, 60), (61, 61), (86_400, 86_400), (1e9, 86_400)])
    func `a lifetime is within a minute and a day`(said: Double, counted: Double) {
        var schedule = KeySchedule()
        schedule.succeeded(at: 1000, lifetime: said, jitter: 0)
        #expect(schedule.freshUntil == 1000 + counted)
        var restored = KeySchedule()
        restored.restored(takenAt: 1000, lifetime: said)
        #expect(restored.freshUntil == 1000 + counted)
    }

    @Test func `J10 an unknown key may be looked up once in its pause, just after it again`() {
        var schedule = self.taken()
        #expect(schedule.mayLookUp(at: 1010))
        schedule.looksUp(at: 1010)
        #expect(!schedule.mayLookUp(at: 1010))
        #expect(!schedule.mayLookUp(at: 1039.9))
        #expect(schedule.mayLookUp(at: 1040))
        // Success and failure of a fetch leave the pause what it is.
        schedule.succeeded(at: 1011, lifetime: 100, jitter: 0)
        #expect(!schedule.mayLookUp(at: 1039.9))
        schedule.failed(at: 1012)
        #expect(!schedule.mayLookUp(at: 1039.9))
        // A clock that goes back does not lengthen it.
        #expect(schedule.mayLookUp(at: 1009))
    }

    @Test func `the pause is what the settings say`() {
        var schedule = self.taken(.init(unknownKeyPause: 5))
        schedule.looksUp(at: 1010)
        #expect(!schedule.mayLookUp(at: 1014.9))
        #expect(schedule.mayLookUp(at: 1015))
    }

    @Test func `J10 forged keys drive at most one fetch in thirty seconds, whatever becomes of it`() {
        for outcome in [true, false] {
            var schedule = self.taken()
            var fetches = 0
            for second in 0..<3600 {
                let now = 1000 + Double(second)
                guard schedule.mayLookUp(at: now) else { continue }
                schedule.looksUp(at: now)
                fetches += 1
                if outcome {
                    schedule.succeeded(at: now, lifetime: 3600, jitter: 0)
                } else {
                    schedule.failed(at: now)
                }
            }
            #expect(fetches == 120)
        }
    }

    /// How many fetches are due within an hour from `start`, if all of them fail.
    private func failures(_ schedule: inout KeySchedule, from start: Double) -> Int {
        var fetches = 0
        for second in 0..<3600 {
            let now = start + Double(second)
            guard schedule.isDue(at: now) else { continue }
            schedule.failed(at: now)
            fetches += 1
        }
        return fetches
    }

    @Test func `in an outage keys that serve are asked for twice a minute, none twelve times`() {
        var with = self.taken()
        // 1 + 2 + 4 + 8 + 16 s, then every 30 s.
        #expect(self.failures(&with, from: 1075) == 124)
        var without = KeySchedule()
        // 1 + 2 + 4 s, then every 5 s.
        #expect(self.failures(&without, from: 1000) == 722)
    }

    @Test func `with the shortest lifetime and no failure a fetch is due eighty times an hour at most`() {
        var schedule = KeySchedule()
        var fetches = 0
        for second in 0..<3600 where schedule.isDue(at: 1000 + Double(second)) {
            schedule.succeeded(at: 1000 + Double(second), lifetime: 0, jitter: 0)
            fetches += 1
        }
        #expect(fetches == 80)
    }

    @Test func `keys are over when lifetime and outage are, to the second`() {
        let schedule = self.taken(.init(outage: 500))
        #expect(!schedule.areOver(at: 1599.9))
        #expect(schedule.areOver(at: 1600))
        #expect(self.taken(.init(outage: 0)).areOver(at: 1100))
        #expect(!self.taken(.init(outage: 0)).areOver(at: 1099.9))
    }

    @Test func `what was given up is asked for as if there had never been any`() {
        var schedule = self.taken(.init(outage: 0))
        schedule.gaveUp()
        #expect(!schedule.areOver(at: 2000))
        #expect(schedule.isDue(at: 2000))
        #expect(schedule.takenAt == 1000)
        schedule.failed(at: 2000)
        #expect(!schedule.mayLookUp(at: 2000.9))
        #expect(schedule.mayLookUp(at: 2001))
        schedule.succeeded(at: 2001, lifetime: 100, jitter: 0)
        #expect(schedule.hasKeys && !schedule.areOver(at: 2100))
    }

    @Test func `keys of an earlier run are due at once and as old as they are`() {
        var schedule = KeySchedule(.init(outage: 500))
        schedule.restored(takenAt: 1000, lifetime: 100)
        #expect(schedule.isDue(at: 1001))
        #expect(!schedule.areOver(at: 1599.9))
        #expect(schedule.areOver(at: 1600))
    }
}
