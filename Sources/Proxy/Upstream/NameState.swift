// What is known of a name, and when it is asked for again: events in, actions out.

import NIOCore

/// How long answers about names count; the settings have Kong's names.
package struct NameRules: Sendable, Equatable {
    /// Seconds after which a name in use is asked for again (`dns_valid_ttl`).
    package var validSeconds = 10.0
    /// Seconds that addresses outlive this while nobody gives newer ones (`dns_stale_ttl`).
    package var staleSeconds = 3600.0
    /// Seconds after which a question that failed is asked again (`dns_error_ttl`).
    package var errorSeconds = 1.0

    /// The defaults.
    package init() {}

    var valid: TimeAmount { TimeAmount(seconds: self.validSeconds) }

    /// How long an answer counts that says for how long it holds; not less than a second, so that 0 is no flood.
    func valid(_ seconds: Double?) -> TimeAmount {
        TimeAmount(seconds: min(self.validSeconds, max(1, seconds ?? .infinity)))
    }

    var stale: TimeAmount { TimeAmount(seconds: self.staleSeconds) }
    var error: TimeAmount { TimeAmount(seconds: self.errorSeconds) }
}

/// The places of one name, addresses or those of a service; knows no clock and no resolver.
///
/// A name in use is asked for again while its old addresses serve, so that no request waits for a resolver.
struct NameState<Place: Hashable & Sendable>: Sendable {
    /// What to do for a connection that needs an address.
    enum OnUse: Equatable, Sendable {
        /// Take these, the first first.
        case take([Place])
        /// Wait for the answer that is on its way; with `ask`, ask first.
        case wait(ask: Bool)
        /// A question has just failed, and there is nothing old to take.
        case fail
    }

    /// So many answers in a row leave out an address before its connections end: a server that has more
    /// addresses than it tells at once does not make us close and open all the time.
    static var absences: Int { 3 }

    /// Those of the last answer.
    private(set) var addresses: [Place] = []
    /// When to ask again.
    private(set) var askAt = NIODeadline.distantPast
    private(set) var isAsking = false
    private var hasFailed = false
    private var answeredAt = NIODeadline.distantPast
    /// How many answers in a row left out each address that was ever told.
    private var missing: [Place: Int] = [:]
    /// Which address is the next connection's first.
    private var turn = 0
    private let rules: NameRules

    init(_ rules: NameRules) { self.rules = rules }

    /// Whether there is nothing left that is worth keeping.
    func isForgotten(at now: NIODeadline) -> Bool {
        !self.isAsking && now >= self.askAt && !self.mayServe(now)
    }

    private func mayServe(_ now: NIODeadline) -> Bool {
        !self.addresses.isEmpty && now < self.answeredAt + self.rules.valid + self.rules.stale
    }

    /// A connection needs an address.
    mutating func use(at now: NIODeadline) -> OnUse {
        guard self.mayServe(now) else {
            guard !self.isAsking else { return .wait(ask: false) }
            guard now >= self.askAt else { return .fail }
            self.isAsking = true
            return .wait(ask: true)
        }
        // Nobody has asked, since nobody used it: better to wait once than to try what may be long gone.
        if !self.hasFailed, !self.isAsking, now >= self.answeredAt + self.rules.valid + self.rules.valid {
            self.isAsking = true
            return .wait(ask: true)
        }
        return .take(self.inTurn(at: now))
    }

    /// The addresses that may serve, beginning with another each time.
    mutating func inTurn(at now: NIODeadline) -> [Place] {
        guard self.mayServe(now) else { return [] }
        defer { self.turn += 1 }
        let first = self.turn % self.addresses.count
        return Array(self.addresses[first...] + self.addresses[..<first])
    }

    /// All that may serve, as the last answer had it.
    func current(at now: NIODeadline) -> [Place] { self.mayServe(now) ? self.addresses : [] }

    /// Whether a name in use has to be asked for now; it then counts as asked.
    mutating func asks(at now: NIODeadline) -> Bool {
        guard !self.isAsking, now >= self.askAt else { return false }
        self.isAsking = true
        return true
    }

    /// The answer has come; one without addresses is a failure.
    ///
    /// - Returns: addresses that answers have left out for so long that connections to them end.
    mutating func answered(_ answer: NameAnswer<Place>, at now: NIODeadline) -> Set<Place> {
        self.isAsking = false
        switch answer {
        case .found(let addresses, let seconds) where !addresses.isEmpty:
            return self.found(addresses, for: seconds, at: now)
        case .found: break
        case .failed(let last, let asOf):
            if asOf > self.answeredAt { (self.addresses, self.answeredAt) = (last, asOf) }
        }
        self.hasFailed = true
        self.askAt = now + self.rules.error
        return []
    }

    private mutating func found(_ found: [Place], for seconds: Double?, at now: NIODeadline) -> Set<Place> {
        self.hasFailed = false
        self.askAt = now + self.rules.valid(seconds)
        self.answeredAt = now
        self.addresses = found
        var gone: Set<Place> = []
        for address in self.missing.keys { self.missing[address, default: 0] += 1 }
        for address in found { self.missing[address] = 0 }
        for (address, count) in self.missing where count >= Self.absences {
            self.missing[address] = nil
            gone.insert(address)
        }
        return gone
    }
}
