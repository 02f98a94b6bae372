// What is heard of the issuers: counted, measured, and told.
import Gateway
import Logging
import OIDC
import Synchronization

/// What is known of the issuers, for the metrics; written from any thread, rarely.
final class IssuerFacts: Sendable {
    private struct State {
        var fetches: [MetricKey: Double] = [:]
        var keysTakenAt: [String: Double] = [:]
        var clockAhead: [String: Double] = [:]
    }

    private let state = Mutex(State())

    func fetched(issuer: String, kind: String, outcome: String) {
        let key = MetricKey(
            "gatehouse_fetches_total",
            ["issuer": issuer, "kind": kind, "outcome": outcome]
        )
        self.state.withLock { $0.fetches[key, default: 0] += 1 }
    }

    func tookKeys(issuer: String, at time: Double) {
        self.state.withLock { $0.keysTakenAt[issuer] = time }
    }

    func sawClock(issuer: String, aheadBySeconds seconds: Double) {
        self.state.withLock { $0.clockAhead[issuer] = seconds }
    }

    /// Adds counts and ages to a snapshot.
    func add(to snapshot: inout MetricsSnapshot, at now: Double) {
        let state = self.state.withLock { $0 }
        for (key, count) in state.fetches { snapshot.count(key, by: count) }
        for (issuer, time) in state.keysTakenAt {
            snapshot.set(MetricKey("gatehouse_issuer_key_age_seconds", ["issuer": issuer]), to: now - time)
        }
        for (issuer, seconds) in state.clockAhead {
            snapshot.set(MetricKey("gatehouse_issuer_clock_skew_seconds", ["issuer": issuer]), to: seconds)
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

    func tookKeys(issuer: String, count: Int, at time: Double) {
        self.facts.tookKeys(issuer: issuer, at: time)
        self.logger.debug("took keys", metadata: ["issuer": "\(issuer)", "count": "\(count)"])
    }

    func sawClock(issuer: String, aheadBySeconds seconds: Double) {
        self.facts.sawClock(issuer: issuer, aheadBySeconds: seconds)
    }
}
