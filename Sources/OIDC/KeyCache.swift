// An issuer's keys: one fetch at a time, a pause between, the last good ones kept.
package import JOSE
import JSON
import Synchronization

/// An issuer's keys at one moment.
package struct KeySnapshot: Sendable {
    /// The keys; empty before the first success.
    package let keys: JWKSet
    /// Grows with every change; what `keysAfterUnknownKey` wants back.
    package let version: UInt64
    /// When they were taken, seconds since 1970.
    package let takenAt: Double?
}

/// What became of a wish for newer keys.
package enum KeyLookup: Sendable, Equatable {
    /// There are newer keys than those seen: verify once more.
    case refreshed
    /// They were asked for, and are what they were.
    case unchanged
    /// There was an attempt a moment ago; the keys stay what they are.
    case paused
    /// The attempt failed; the last good keys stay.
    case failed(OIDCError)
}

/// Keeps an issuer's keys fresh, without ever making a caller wait who did not ask to (J10, D7).
///
/// `KeySchedule` says when, `KeyFetch` asks; this is what they share.
final class KeyCache: Sendable {
    /// How many may wait for one fetch; the rest go on with the keys that are there.
    static let maximumWaiting = 512

    private struct State: Sendable {
        var snapshot: KeySnapshot
        var copies: [String: KeyCopy] = [:]
        var schedule: KeySchedule
        var lastError: OIDCError?
        var waiting = 0
        var flight: Task<KeyLookup, Never>?
    }

    private let line: IssuerLine
    private let fetch: KeyFetch
    private let file: KeyFile?
    private let state: Mutex<State>
    // What every request with a known token asks, beside the lock: the version, and between which moments it holds.
    private let quietVersion = Atomic<UInt64>(0)
    private let quietFrom = Atomic<UInt64>(Double.infinity.bitPattern)
    private let quietUntil = Atomic<UInt64>(0)

    /// A cache that begins with what `file` kept from an earlier run.
    init(_ line: IssuerLine, discovery: Discovery, file: KeyFile?) {
        self.line = line
        self.fetch = KeyFetch(line: line, discovery: discovery)
        self.file = file
        var schedule = KeySchedule(line.settings.keyTerms)
        var snapshot = KeySnapshot(keys: .empty, version: 0, takenAt: nil)
        var copies: [String: KeyCopy] = [:]
        if let kept = file?.read() {
            schedule.restored(takenAt: kept.takenAt, lifetime: kept.lifetime)
            if schedule.areOver(at: line.clock()) {
                schedule.gaveUp()
            } else {
                for (place, document) in kept.documents { copies[place] = KeyCopy(document, from: place) }
                let keys = Self.merged(copies, in: copies.keys.sorted())
                snapshot = KeySnapshot(keys: keys, version: 1, takenAt: kept.takenAt)
            }
        }
        if snapshot.keys.isEmpty { schedule.gaveUp() }
        self.state = Mutex(State(snapshot: snapshot, copies: copies, schedule: schedule))
        if snapshot.takenAt != nil { self.tell(snapshot) }
    }

    /// The version of the keys, without a lock while nothing is to be done; else what is due begins beside.
    var version: UInt64 {
        let now = self.line.clock()
        let isQuiet =
            now < Double(bitPattern: self.quietUntil.load(ordering: .acquiring))
            && now >= Double(bitPattern: self.quietFrom.load(ordering: .acquiring))
        return isQuiet ? self.quietVersion.load(ordering: .acquiring) : self.snapshot.version
    }

    /// The keys, without waiting; a fetch that is due begins beside, and keys that are over are given up.
    var snapshot: KeySnapshot {
        let now = self.line.clock()
        let (snapshot, hasEnded) = self.state.withLock { state in
            let hasEnded = state.schedule.areOver(at: now)
            if hasEnded {
                state.schedule.gaveUp()
                state.copies = [:]
                state.snapshot = KeySnapshot(
                    keys: .empty,
                    version: state.snapshot.version + 1,
                    takenAt: state.snapshot.takenAt
                )
                self.quietUntil.store(0, ordering: .releasing)
            }
            if state.flight == nil, state.schedule.isDue(at: now) { self.begin(&state) }
            return (state.snapshot, hasEnded)
        }
        if hasEnded { self.tell(snapshot) }
        return snapshot
    }

    /// Fetches what is due, or joins the fetch that is under way.
    func load() async -> KeyLookup {
        let now = self.line.clock()
        return await self.look { state in
            guard state.flight == nil, !state.schedule.isDue(at: now) else { return nil }
            return state.schedule.hasKeys ? .unchanged : KeyLookup.failed(state.lastError ?? .noKeys)
        }
    }

    /// Whether asking for a key that the snapshot of `version` lacks could bring it: else nobody need wait.
    func mayBringKey(seen version: UInt64) -> Bool {
        let now = self.line.clock()
        return self.state.withLock { state in
            guard state.snapshot.version == version, state.schedule.hasKeys else { return true }
            let isFull = state.waiting >= Self.maximumWaiting
            return !isFull && (state.flight != nil || state.schedule.mayLookUp(at: now))
        }
    }

    /// Fetches because a token names a key that is not in the snapshot of `version`.
    func refetch(seen version: UInt64) async -> KeyLookup {
        let now = self.line.clock()
        return await self.look { state in
            if state.snapshot.version != version { return .refreshed }
            if state.flight != nil { return nil }
            guard state.schedule.mayLookUp(at: now) else {
                return state.schedule.hasKeys ? .paused : .failed(state.lastError ?? .noKeys)
            }
            state.schedule.looksUp(at: now)
            return nil
        }
    }

    /// Answers as `verdict` says, or waits for the fetch.
    private func look(_ verdict: (inout sending State) -> KeyLookup?) async -> KeyLookup {
        let (answer, flight): (KeyLookup?, Task<KeyLookup, Never>?) = self.state.withLock { state in
            if let answer = verdict(&state) { return (answer, nil) }
            guard state.waiting < Self.maximumWaiting else { return (.paused, nil) }
            if state.flight == nil { self.begin(&state) }
            state.waiting += 1
            return (nil, state.flight)
        }
        guard let flight else { return answer ?? .paused }
        let result = await flight.value
        self.state.withLock { $0.waiting -= 1 }
        return result
    }

    private func begin(_ state: inout State) {
        let known = state.copies
        state.flight = Task { self.take(await self.fetch.run(knowing: known)) }
    }

    // MARK: The result

    /// Takes what a fetch brought; only one is under way, so nobody else changes the copies meanwhile.
    private func take(_ result: KeyFetch.Result) -> KeyLookup {
        let now = self.line.clock()
        guard !result.copies.isEmpty else {
            return self.state.withLock { state in
                state.flight = nil
                state.lastError = result.failure
                state.schedule.failed(at: now)
                return .failed(result.failure ?? .noKeys)
            }
        }
        // Reading a large set takes its time, in which nobody shall wait for the lock.
        let old = self.state.withLock { $0.copies }
        var copies = old.filter { result.places.contains($0.key) }
        copies.merge(result.copies) { _, new in new }
        let isSame = copies.mapValues(\.document) == old.mapValues(\.document)
        let keys = isSame ? nil : Self.merged(copies, in: result.places)
        // Where one of several places failed, all are asked again soon.
        let lifetime = result.failure == nil ? result.lifetime : KeySchedule.lifetimeBounds.lowerBound
        let jitter = Double.random(in: 0..<1)
        let (snapshot, hasChanged) = self.state.withLock { state in
            let hasChanged = keys != nil || !state.schedule.hasKeys
            state.flight = nil
            state.lastError = result.failure
            state.copies = copies
            state.schedule.succeeded(at: now, lifetime: lifetime, jitter: jitter)
            state.snapshot = KeySnapshot(
                keys: hasChanged
                    ? keys ?? Self.merged(copies, in: result.places) : state.snapshot.keys,
                version: state.snapshot.version + (hasChanged ? 1 : 0),
                takenAt: now
            )
            self.publish(state)
            return (state.snapshot, hasChanged)
        }
        self.file?.write(copies.mapValues(\.document), at: now, lifetime: lifetime)
        self.tell(snapshot)
        return hasChanged ? .refreshed : .unchanged
    }

    private func publish(_ state: borrowing State) {
        self.quietVersion.store(state.snapshot.version, ordering: .releasing)
        let from = (state.schedule.takenAt ?? .infinity) - KeySchedule.usualLifetime
        self.quietFrom.store(from.bitPattern, ordering: .releasing)
        self.quietUntil.store(state.schedule.quietUntil.bitPattern, ordering: .releasing)
    }

    private func tell(_ snapshot: KeySnapshot) {
        let news = KeyNews(
            usable: snapshot.keys.keys.count,
            rejected: snapshot.keys.rejected.count,
            takenAt: snapshot.takenAt ?? 0
        )
        self.line.events.tookKeys(issuer: self.line.settings.issuer, news)
    }

    /// The keys of all documents, in the order of their places.
    private static func merged(_ copies: [String: KeyCopy], in places: [String]) -> JWKSet {
        places.reduce(.empty) { keys, place in keys.adding(copies[place]?.keys ?? .empty) }
    }
}
