// What is heard of the issuers: counted, measured, and told.
import Gateway
import Logging
import OIDC
import Synchronization

/// What is known of the issuers, for the metrics; written from any thread, rarely.
final class IssuerFacts: Sendable {
    private struct State {
        var fetches: [MetricKey: Double] = [:]
        var keys: [String: KeyNews] = [:]
        var clockAhead: [String: Double] = [:]
        var tokensAhead: [String: Double] = [:]
    }

    private let state = Mutex(State())

    func fetched(issuer: String, kind: String, outcome: String) {
        let key = MetricKey(
            "gatehouse_fetches_total",
            ["issuer": issuer, "kind": kind, "outcome": outcome]
        )
        self.state.withLock { $0.fetches[key, default: 0] += 1 }
    }

    /// Keeps what is said of an issuer's keys; what was said before.
    func tookKeys(issuer: String, _ news: KeyNews) -> KeyNews? {
        self.state.withLock { $0.keys.updateValue(news, forKey: issuer) }
    }

    func sawClock(issuer: String, aheadBySeconds seconds: Double, by source: ClockSource) {
        self.state.withLock { state in
            switch source {
            case .date: state.clockAhead[issuer] = seconds
            case .token: state.tokensAhead[issuer] = seconds
            }
        }
    }

    /// Adds counts and ages to a snapshot.
    func add(to snapshot: inout MetricsSnapshot, at now: Double) {
        let state = self.state.withLock { $0 }
        for (key, count) in state.fetches { snapshot.count(key, by: count) }
        for (issuer, news) in state.keys {
            snapshot.set(
                MetricKey("gatehouse_issuer_key_age_seconds", ["issuer": issuer]),
                to: now - news.takenAt
            )
            for (kind, count) in [("usable", news.usable), ("rejected", news.rejected)] {
                snapshot.set(
                    MetricKey("gatehouse_issuer_keys", ["issuer": issuer, "state": kind]),
                    to: Double(count)
                )
            }
        }
        for (issuer, seconds) in state.clockAhead {
            snapshot.set(MetricKey("gatehouse_issuer_clock_skew_seconds", ["issuer": issuer]), to: seconds)
        }
        for (issuer, seconds) in state.tokensAhead {
            snapshot.set(MetricKey("gatehouse_issuer_token_ahead_seconds", ["issuer": issuer]), to: seconds)
        }
    }
}

/// Counts every fetch, and logs those that failed.
struct IssuerNews: IssuerEvents {
    let facts: IssuerFacts
    let logger: Logger

    func fetched(issuer: String, request: IssuerRequest, outcome: String) {
        self.facts.fetched(issuer: issuer, kind: request.rawValue, outcome: outcome)
        let metadata: Logger.Metadata = [
            "issuer": "\(issuer)", "kind": "\(request.rawValue)", "outcome": "\(outcome)",
        ]
        if outcome == "ok" {
            self.logger.debug("fetched", metadata: metadata)
        } else {
            self.logger.warning("fetch failed", metadata: metadata)
        }
    }

    func tookKeys(issuer: String, _ news: KeyNews) {
        let before = self.facts.tookKeys(issuer: issuer, news)
        let metadata: Logger.Metadata = [
            "issuer": "\(issuer)", "usable": "\(news.usable)", "rejected": "\(news.rejected)",
        ]
        if news.usable == 0 {
            self.logger.warning(
                "keys given up: their lifetime and cache_ttl_resurrect are over",
                metadata: metadata
            )
        } else if news.rejected > 0, news.rejected != before?.rejected {
            self.logger.warning("some keys cannot be used and are left out", metadata: metadata)
        } else {
            self.logger.debug("took keys", metadata: metadata)
        }
    }

    func sawClock(issuer: String, aheadBySeconds seconds: Double, by source: ClockSource) {
        self.facts.sawClock(issuer: issuer, aheadBySeconds: seconds, by: source)
    }

    func clockChanged(issuer: String, _ news: ClockNews) {
        let metadata: Logger.Metadata = [
            "issuer": "\(issuer)", "ahead_seconds": "\(news.aheadBySeconds)", "leeway": "\(news.leeway)",
            "seen_by": "\(news.source == .date ? "Date" : "iat")",
        ]
        if news.isOff {
            self.logger.warning(
                "the issuer's clock is off: set both clocks by NTP, or raise leeway",
                metadata: metadata
            )
        } else {
            self.logger.notice("the issuer's clock agrees again", metadata: metadata)
        }
    }
}
