// An issuer's keys: one fetch at a time, a pause between, the last good ones kept.
import Fetch
package import JOSE
import JSON
import Synchronization

/// An issuer's keys at one moment.
package struct KeySnapshot: Sendable {
    /// The keys; empty before the first success.
    package let keys: JWKSet
    /// Grows with every success; what `keysAfterUnknownKey` wants back.
    package let version: UInt64
    /// When they were taken, seconds since 1970.
    package let takenAt: Double?
}

/// What became of a wish for newer keys.
package enum KeyLookup: Sendable, Equatable {
    /// There are newer keys than those seen: verify once more.
    case refreshed
    /// There was an attempt a moment ago; the keys stay what they are.
    case paused
    /// The attempt failed; the last good keys stay.
    case failed(OIDCError)
}

/// Keeps an issuer's keys fresh, without ever making a caller wait who did not ask to (J10, D7).
final class KeyCache: Sendable {
    /// The pause between fetches for unknown key IDs, in seconds.
    static let unknownKeyPauseSeconds = 30.0
    /// The bounds of a Cache-Control max-age, and the lifetime where nothing is said.
    static let lifetimeBounds = 60.0...86_400.0
    static let usualLifetimeSeconds = 3600.0
    /// How many may wait for one fetch; the rest go on with the keys that are there.
    static let maximumWaiting = 512

    private struct State: Sendable {
        var snapshot: KeySnapshot
        var documents: [String: JSONValue] = [:]
        var freshUntil = 0.0
        var lastUnknownKey: Double?
        var backoff = Backoff(limit: Discovery.maximumPauseSeconds)
        var lastError: OIDCError?
        var waiting = 0
        var flight: Task<KeyLookup, Never>?
    }

    private let line: IssuerLine
    private let discovery: Discovery
    private let file: KeyFile?
    private let state: Mutex<State>
    // What every request with a known token asks, beside the lock: the version, and between which moments it is fresh.
    private let freshVersion = Atomic<UInt64>(0)
    private let freshFrom = Atomic<UInt64>(Double.infinity.bitPattern)
    private let freshUntil = Atomic<UInt64>(0)

    /// A cache that begins with what `file` kept from an earlier run.
    init(_ line: IssuerLine, discovery: Discovery, file: KeyFile?) {
        self.line = line
        self.discovery = discovery
        self.file = file
        var state = State(snapshot: KeySnapshot(keys: .empty, version: 0, takenAt: nil))
        if let kept = file?.read() {
            state.documents = kept.documents
            let keys = Self.merged(kept.documents, in: Array(kept.documents.keys.sorted()))
            state.snapshot = KeySnapshot(keys: keys, version: 1, takenAt: kept.takenAt)
        }
        self.state = Mutex(state)
    }

    /// The version of the keys, without a lock while they are fresh; when they are stale, a fetch begins beside.
    var version: UInt64 {
        let now = self.line.clock()
        let isFresh =
            now < Double(bitPattern: self.freshUntil.load(ordering: .acquiring))
            && now >= Double(bitPattern: self.freshFrom.load(ordering: .acquiring))
        return isFresh ? self.freshVersion.load(ordering: .acquiring) : self.snapshot.version
    }

    /// The keys, without asking; when they are stale, a fetch begins beside.
    var snapshot: KeySnapshot {
        let now = self.line.clock()
        return self.state.withLock { state in
            let taken = state.snapshot.takenAt ?? 0
            let isStale = now >= state.freshUntil || now < taken - Self.usualLifetimeSeconds
            if isStale, state.flight == nil, state.backoff.mayTry(at: now) { self.begin(&state) }
            return state.snapshot
        }
    }

    /// Fetches unless the keys are fresh or a failure was a moment ago, or joins the fetch that is under way.
    func load() async -> KeyLookup {
        let now = self.line.clock()
        return await self.look { state in
            if !state.snapshot.keys.isEmpty, now < state.freshUntil { return .refreshed }
            return state.backoff.mayTry(at: now) ? nil : KeyLookup.failed(state.lastError ?? .noKeys)
        }
    }

    /// Fetches because a token names a key that is not in the snapshot of `version`.
    func refetch(seen version: UInt64) async -> KeyLookup {
        let now = self.line.clock()
        return await self.look { state in
            if state.snapshot.version != version { return .refreshed }
            if state.flight != nil { return nil }
            if state.snapshot.keys.isEmpty {
                return state.backoff.mayTry(at: now) ? nil : .failed(state.lastError ?? .noKeys)
            }
            if let last = state.lastUnknownKey, (0..<Self.unknownKeyPauseSeconds).contains(now - last) {
                return .paused
            }
            state.lastUnknownKey = now
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
        state.flight = Task { await self.fetchAll() }
    }

    // MARK: The fetch

    private func fetchAll() async -> KeyLookup {
        var failure: OIDCError?
        var found: [String: JSONValue] = [:]
        var lifetime = Self.lifetimeBounds.upperBound
        var places: [String] = []
        do throws(OIDCError) { places = try await self.places() } catch { failure = error }
        for place in places {
            do throws(OIDCError) {
                let (document, seconds) = try await self.fetch(place)
                found[place] = document
                lifetime = min(lifetime, seconds)
            } catch {
                failure = failure ?? error
            }
        }
        self.line.report(.keys, failure)
        return self.take(found, of: places, lifetime: lifetime, failure: failure)
    }

    /// Where the keys are: the metadata's or the configuration's place, then the extra ones.
    private func places() async throws(OIDCError) -> [String] {
        let settings = self.line.settings
        if let own = settings.jwksEndpoint { return [own] + settings.extraJWKSURLs }
        // Metadata that is old is asked for anew: the place may have moved. If that fails, the known one holds.
        let recent = try? await self.discovery.ready(within: Self.usualLifetimeSeconds)
        let metadata: ProviderMetadata
        if let recent {
            metadata = recent
        } else {
            metadata = try await self.discovery.ready(within: .infinity)
        }
        return [metadata.jwksURL].compactMap { $0 } + settings.extraJWKSURLs
    }

    private func fetch(_ place: String) async throws(OIDCError) -> (JSONValue, Double) {
        if place.hasPrefix("file:") { return (try KeyFile.document(at: place), Self.usualLifetimeSeconds) }
        let (document, response) = try await self.line.document(place, for: .keys)
        guard let keys = Self.keys(document, from: place), !keys.isEmpty else {
            throw .malformedAnswer(.keys, "no key that we can use")
        }
        return (document, CacheControl.lifetime(response.field("cache-control")))
    }

    private func take(
        _ found: [String: JSONValue],
        of places: [String],
        lifetime: Double,
        failure: OIDCError?
    ) -> KeyLookup {
        let now = self.line.clock()
        let (result, documents): (KeyLookup, [String: JSONValue]) = self.state.withLock { state in
            state.flight = nil
            state.lastError = failure
            if failure == nil { state.backoff.succeeded() } else { state.backoff.failed(at: now) }
            guard !found.isEmpty else { return (.failed(failure ?? .noKeys), [:]) }
            // A place that failed keeps its last good keys; one that is gone loses them.
            state.documents = state.documents.filter { places.contains($0.key) }
            state.documents.merge(found) { _, new in new }
            state.snapshot = KeySnapshot(
                keys: Self.merged(state.documents, in: places),
                version: state.snapshot.version + 1,
                takenAt: now
            )
            // Where one of several places failed, all are asked again soon.
            state.freshUntil = now + (failure == nil ? lifetime : Self.lifetimeBounds.lowerBound)
            self.freshVersion.store(state.snapshot.version, ordering: .releasing)
            self.freshFrom.store((now - Self.usualLifetimeSeconds).bitPattern, ordering: .releasing)
            self.freshUntil.store(state.freshUntil.bitPattern, ordering: .releasing)
            return (.refreshed, state.documents)
        }
        guard result == .refreshed else { return result }
        self.file?.write(documents, at: now)
        let count = self.state.withLock { $0.snapshot.keys.keys.count }
        self.line.events.tookKeys(issuer: self.line.settings.issuer, count: count, at: now)
        return result
    }

    /// The keys of all documents, in the order of their places.
    private static func merged(_ documents: [String: JSONValue], in places: [String]) -> JWKSet {
        places.reduce(.empty) { keys, place in
            keys.adding(documents[place].flatMap { self.keys($0, from: place) } ?? .empty)
        }
    }

    /// Symmetric keys come from files that the configuration names, never from the network (J11).
    private static func keys(_ document: JSONValue, from place: String) -> JWKSet? {
        try? JWKSet(parsing: document, from: place.hasPrefix("file:") ? .configuration : .network)
    }
}

/// How long an answer may be kept.
enum CacheControl {
    /// The lifetime that a Cache-Control value gives, within our bounds (RFC 9111 §5.2.2).
    static func lifetime(_ value: String?) -> Double {
        let bounds = KeyCache.lifetimeBounds
        guard let value else { return KeyCache.usualLifetimeSeconds }
        let directives = value.lowercased().split(separator: ",").map { $0.filter { !$0.isWhitespace } }
        if directives.contains("no-store") || directives.contains("no-cache") { return bounds.lowerBound }
        guard let text = directives.first(where: { $0.hasPrefix("max-age=") })?.dropFirst(8),
            let seconds = Double(text.filter { $0 != "\"" }), seconds >= 0
        else { return KeyCache.usualLifetimeSeconds }
        return min(max(seconds, bounds.lowerBound), bounds.upperBound)
    }
}
