// How far an issuer's clock is from ours, and when the operator hears of it.
import Synchronization

/// What times of whole seconds prove about two clocks.
enum ClockSkew {
    /// How far their clock is ahead of ours, at least: 0 where rounding and the way explain the difference.
    ///
    /// They said `said`, cut to whole seconds, at a moment when ours was between `sent` and `received`.
    static func least(_ said: Double, between sent: Double, and received: Double) -> Double {
        if said > received { return said - received }
        return min(0, said + 1 - sent)
    }
}

/// Whether an issuer's clock agrees with ours; tells each change once, however often it is looked at.
struct ClockWatch: Sendable {
    /// What has changed.
    enum Change: Sendable, Equatable { case isOff, agrees }

    /// The least leeway of those who judge its tokens, in seconds.
    private(set) var leeway: Double?
    private var isOff = false

    /// Whole seconds hide so much: nothing below is told.
    static let resolution = 1.0

    /// The leeway beyond which tokens suffer.
    var bound: Double { max(self.leeway ?? 0, Self.resolution) }

    /// Somebody judges its tokens with this leeway.
    mutating func judged(withLeeway seconds: Double) { self.leeway = min(self.leeway ?? seconds, seconds) }

    /// The clock was seen so far ahead; half the bound must be reached before it agrees again.
    mutating func saw(aheadBySeconds seconds: Double) -> Change? {
        if !self.isOff, abs(seconds) > self.bound {
            self.isOff = true
            return .isOff
        }
        if self.isOff, abs(seconds) <= self.bound / 2 {
            self.isOff = false
            return .agrees
        }
        return nil
    }
}

/// What told of a clock.
package enum ClockSource: String, Sendable, Equatable {
    /// The `Date` field of an answer.
    case date
    /// The `iat` of a token that verified.
    case token
}

/// The watch over one issuer's clock, for all who talk to it.
final class IssuerClock: Sendable {
    private let issuer: String
    private let events: any IssuerEvents
    // Who answers and who signs may be two machines: each is watched by itself.
    private let watches = Mutex<[ClockSource: ClockWatch]>([.date: ClockWatch(), .token: ClockWatch()])

    init(_ issuer: String, _ events: any IssuerEvents) {
        self.issuer = issuer
        self.events = events
    }

    func judged(withLeeway seconds: Double) {
        self.watches.withLock { watches in
            for source in watches.keys { watches[source]?.judged(withLeeway: seconds) }
        }
    }

    /// An answer said that it is `date`, between two moments of ours.
    func saw(date: Double, between sent: Double, and received: Double) {
        self.saw(ClockSkew.least(date, between: sent, and: received), by: .date)
    }

    /// A token that verified was made at `issued`, says its issuer: that is before now, or its clock is ahead.
    func saw(issued: Double, at now: Double) { self.saw(max(0, issued - now), by: .token) }

    private func saw(_ seconds: Double, by source: ClockSource) {
        let (change, bound) = self.watches.withLock { watches in
            (watches[source]?.saw(aheadBySeconds: seconds), watches[source]?.bound ?? 0)
        }
        self.events.sawClock(issuer: self.issuer, aheadBySeconds: seconds, by: source)
        if let change {
            let news = ClockNews(
                isOff: change == .isOff,
                aheadBySeconds: seconds,
                leeway: bound,
                source: source
            )
            self.events.clockChanged(issuer: self.issuer, news)
        }
    }
}
