// When an issuer's keys are fetched and how long they serve: the contract of docs/keys.md, without a clock.

/// When an issuer's keys are fetched, and how long they serve; time is an argument.
///
/// Whoever owns one asks it before a fetch and tells it what became of that.
struct KeySchedule: Sendable {
    /// What the configuration says.
    struct Terms: Sendable, Equatable {
        /// The pause between fetches for unknown keys, in seconds.
        var unknownKeyPause = 30.0
        /// How long keys serve beyond their lifetime while they cannot be fetched, in seconds.
        var outage = 86_400.0
    }

    /// The bounds of a lifetime, and the one where nothing is said, in seconds.
    static let lifetimeBounds = 60.0...86_400.0
    static let usualLifetime = 3600.0
    /// Keys are fetched anew within this part of their lifetime, at a moment that differs from node to node.
    static let aheadOfNeed = 0.75...0.9
    /// The longest pauses after failures: with keys that serve on, and without any.
    static let longestPause = 30.0
    static let longestFirstPause = 5.0

    /// What the configuration says.
    let terms: Terms
    /// When keys were last taken, seconds since 1970.
    private(set) var takenAt: Double?
    /// Whether there are keys that serve.
    private(set) var hasKeys = false
    /// The end of their lifetime.
    private(set) var freshUntil = 0.0
    private var refreshAt = 0.0
    private var lastUnknownKey: Double?
    private var backoff = Backoff(limit: KeySchedule.longestFirstPause)

    /// Nothing was fetched yet; a first fetch is due.
    init(_ terms: Terms = Terms()) { self.terms = terms }

    /// Keys were kept from an earlier run: they serve as if it went on, and are due at once.
    mutating func restored(takenAt time: Double, lifetime: Double) {
        self.takenAt = time
        self.freshUntil = time + Self.bounded(lifetime)
        self.hasKeys = true
        self.backoff.limit = Self.longestPause
    }

    /// Keys were taken at `now` that live so long; `jitter` from 0 to 1 chooses the moment of the next fetch.
    mutating func succeeded(at now: Double, lifetime: Double, jitter: Double) {
        let lifetime = Self.bounded(lifetime)
        let bounds = Self.aheadOfNeed
        let part = bounds.lowerBound + (bounds.upperBound - bounds.lowerBound) * min(max(jitter, 0), 1)
        self.takenAt = now
        self.freshUntil = now + lifetime
        self.refreshAt = now + lifetime * part
        self.hasKeys = true
        self.backoff.succeeded()
        self.backoff.limit = Self.longestPause
    }

    /// A fetch at `now` brought nothing.
    mutating func failed(at now: Double) { self.backoff.failed(at: now) }

    /// Whether it is time to fetch: ahead of need, or after a failure's pause, or for the first time.
    ///
    /// A clock that went back beyond the moment of taking makes keys as old as one that went forward.
    func isDue(at now: Double) -> Bool {
        guard self.backoff.mayTry(at: now) else { return false }
        guard self.hasKeys, let takenAt else { return true }
        return now >= self.refreshAt || now < takenAt - Self.usualLifetime
    }

    /// Whether a token that names an unknown key is worth a fetch now.
    func mayLookUp(at now: Double) -> Bool {
        guard self.hasKeys else { return self.backoff.mayTry(at: now) }
        guard let last = self.lastUnknownKey else { return true }
        return !(0..<self.terms.unknownKeyPause).contains(now - last)
    }

    /// A fetch for an unknown key begins: the next one has to wait.
    mutating func looksUp(at now: Double) {
        if self.hasKeys { self.lastUnknownKey = now }
    }

    /// Whether the keys have outlived their lifetime and the outage that the settings allow.
    func areOver(at now: Double) -> Bool { self.hasKeys && now >= self.freshUntil + self.terms.outage }

    /// The keys are given up.
    mutating func gaveUp() {
        self.hasKeys = false
        self.backoff.limit = Self.longestFirstPause
    }

    /// Until when nothing is to be done unless somebody asks: no fetch is due, and no key is over.
    var quietUntil: Double {
        self.hasKeys ? min(self.refreshAt, self.freshUntil + self.terms.outage) : 0
    }

    private static func bounded(_ lifetime: Double) -> Double {
        min(max(lifetime, self.lifetimeBounds.lowerBound), self.lifetimeBounds.upperBound)
    }
}
