// What the operator hears about issuers.

/// Hears what was asked of issuers and what became of it; for metrics and log lines.
package protocol IssuerEvents: Sendable {
    /// A request ended; `outcome` is `ok` or a reason word.
    func fetched(issuer: String, request: IssuerRequest, outcome: String)
    /// The keys that serve from now on; none where they were given up.
    func tookKeys(issuer: String, _ news: KeyNews)
    /// The issuer's clock is ahead of ours by at least `seconds`.
    func sawClock(issuer: String, aheadBySeconds seconds: Double, by source: ClockSource)
    /// The issuer's clock went beyond the leeway, or came back; told once.
    func clockChanged(issuer: String, _ news: ClockNews)
}

/// A change of what is thought of an issuer's clock.
package struct ClockNews: Sendable, Equatable {
    /// Whether it is beyond the leeway now.
    package let isOff: Bool
    /// How far it is ahead of ours, at least.
    package let aheadBySeconds: Double
    /// The bound that counts.
    package let leeway: Double
    package let source: ClockSource
}

/// An issuer's keys as the operator hears of them.
package struct KeyNews: Sendable, Equatable {
    /// How many can be used.
    package let usable: Int
    /// How many cannot, foreign kinds not counted.
    package let rejected: Int
    /// When they were fetched, seconds since 1970.
    package let takenAt: Double
}

/// Hears nothing.
package struct UnheardIssuerEvents: IssuerEvents {
    /// A listener that keeps nothing.
    package init() {}
    package func fetched(issuer: String, request: IssuerRequest, outcome: String) {}
    package func tookKeys(issuer: String, _ news: KeyNews) {}
    package func sawClock(issuer: String, aheadBySeconds seconds: Double, by source: ClockSource) {}
    package func clockChanged(issuer: String, _ news: ClockNews) {}
}

/// A pause between attempts that grows while they fail, and ends with the first success.
///
/// A clock that went back does not lengthen it.
struct Backoff: Sendable {
    /// The longest pause, in seconds.
    var limit: Double
    private var failures = 0
    private var lastFailure = 0.0

    init(limit: Double) { self.limit = limit }

    /// The pause that is in force: 1, 2, 4 … seconds, up to the limit.
    var seconds: Double {
        self.failures == 0 ? 0 : min(self.limit, Double(1 << min(self.failures - 1, 10)))
    }

    func mayTry(at now: Double) -> Bool {
        now < self.lastFailure || now >= self.lastFailure + self.seconds
    }

    mutating func failed(at now: Double) {
        self.failures += 1
        self.lastFailure = now
    }

    mutating func succeeded() { self.failures = 0 }
}

/// A date as HTTP writes it, to compare clocks and nothing else.
enum HTTPDate {
    /// The seconds since 1970 of an IMF-fixdate (RFC 9110 §5.6.7).
    static func seconds(_ text: String) -> Double? {
        let parts = text.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "," }).map(String.init)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 8, parts[7] == "GMT", let day = Int(parts[1]), (1...31).contains(day),
            let month = months.firstIndex(of: parts[2]), let year = Int(parts[3]),
            (1970...9999).contains(year), let hour = Int(parts[4]), (0...23).contains(hour),
            let minute = Int(parts[5]), (0...59).contains(minute), let second = Int(parts[6]),
            (0...60).contains(second)
        else { return nil }
        // Days from a March-based year, so that the leap day comes last.
        let y = month < 2 ? year - 1 : year
        let m = (month + 10) % 12
        let days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719_468
        return Double(((days * 24 + hour) * 60 + minute) * 60 + second)
    }
}
