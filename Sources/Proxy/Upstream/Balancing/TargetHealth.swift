// Whether a target takes part: evidence in, changes of state out.

package import NIOCore

/// What speaks for or against a target.
package enum HealthEvidence: String, Sendable, CaseIterable {
    case success
    case httpFailure = "http"
    case tcpFailure = "tcp"
    case timeout
}

/// Where evidence comes from; each has counts of its own.
package enum HealthSource: String, Sendable { case passive, active }

/// A target has fallen or has come back.
package struct HealthChange: Sendable, Equatable {
    package let isUp: Bool
    /// What brought it about, for people.
    package let why: String
}

/// The health of one target; knows no clock and no connection.
///
/// A success clears the counts of failures. Who was taken out comes back by active checks; where those do not bring
/// anybody back, one request at a time tries it after a while, and the while doubles with each trial that fails.
package struct TargetHealth: Sendable, Equatable {
    /// How a target stands.
    package enum State: String, Sendable, CaseIterable {
        case healthy, unhealthy
        /// One request is finding out.
        case trial
    }

    /// What may be sent to a target now.
    enum Admittance: Equatable { case all, oneTrial, nothing }

    private struct Counts: Equatable {
        var successes = 0
        var (http, tcp, timeouts) = (0, 0, 0)

        static func == (one: Counts, other: Counts) -> Bool {
            (one.successes, one.http, one.tcp, one.timeouts)
                == (other.successes, other.http, other.tcp, other.timeouts)
        }
    }

    /// At most so many times the first wait passes between two trials.
    static let longestWait: Int64 = 16

    package private(set) var state = State.healthy
    /// Since when it is back; nil if it never fell.
    private(set) var backSince: NIODeadline?
    private var passive = Counts()
    private var active = Counts()
    private var trialAt = NIODeadline.distantFuture
    private var failedTrials: Int64 = 0

    /// A healthy target.
    package init() {}

    /// Takes evidence; says what it changes.
    package mutating func saw(
        _ evidence: HealthEvidence,
        by source: HealthSource,
        _ rules: BalancingRules,
        at now: NIODeadline
    ) -> HealthChange? {
        let limits = source == .passive ? rules.passive : rules.active.limits
        switch (self.state, evidence) {
        case (.healthy, .success):
            self.set(Counts(), source)
            return nil
        case (.healthy, _): return self.count(evidence, source, limits, rules, now)
        case (_, .success):
            // Passive evidence of old requests says nothing: a trial is judged by `trialEnded`.
            guard source == .active, limits.successes > 0 else { return nil }
            self.active.successes += 1
            guard self.active.successes >= limits.successes else { return nil }
            return self.rise(at: now, "\(limits.successes) successful checks")
        default:
            if source == .active { self.active.successes = 0 }
            return nil
        }
    }

    private mutating func count(
        _ evidence: HealthEvidence,
        _ source: HealthSource,
        _ limits: HealthLimits,
        _ rules: BalancingRules,
        _ now: NIODeadline
    ) -> HealthChange? {
        var counts = source == .passive ? self.passive : self.active
        let (count, limit): (Int, Int)
        switch evidence {
        case .httpFailure:
            counts.http += 1
            (count, limit) = (counts.http, limits.httpFailures)
        case .tcpFailure:
            counts.tcp += 1
            (count, limit) = (counts.tcp, limits.tcpFailures)
        case .timeout:
            counts.timeouts += 1
            (count, limit) = (counts.timeouts, limits.timeouts)
        case .success: return nil
        }
        self.set(counts, source)
        guard limit > 0, count >= limit else { return nil }
        self.fall(rules, at: now)
        return HealthChange(
            isUp: false,
            why: "\(source.rawValue) checks: \(evidence.rawValue) failures: \(count)"
        )
    }

    private mutating func set(_ counts: Counts, _ source: HealthSource) {
        if source == .passive { self.passive = counts } else { self.active = counts }
    }

    // MARK: Down and up

    /// Another worker has seen it fall or come back.
    package mutating func told(isUp: Bool, _ rules: BalancingRules, at now: NIODeadline) {
        switch (isUp, self.state) {
        case (true, .unhealthy), (true, .trial): _ = self.rise(at: now, "")
        case (false, .healthy), (false, .trial): self.fall(rules, at: now)
        case (true, .healthy), (false, .unhealthy): break
        }
    }

    private mutating func fall(_ rules: BalancingRules, at now: NIODeadline) {
        self.state = .unhealthy
        (self.passive, self.active) = (Counts(), Counts())
        self.failedTrials = 0
        self.trialAt = now + TimeAmount(seconds: rules.trialSeconds)
    }

    private mutating func rise(at now: NIODeadline, _ why: String) -> HealthChange {
        self.state = .healthy
        (self.passive, self.active) = (Counts(), Counts())
        self.backSince = now
        return HealthChange(isUp: true, why: why)
    }

    // MARK: Trials

    /// What may be sent to it now.
    func admittance(_ rules: BalancingRules, at now: NIODeadline) -> Admittance {
        switch self.state {
        case .healthy: .all
        case .trial: .nothing
        case .unhealthy: rules.tries && now >= self.trialAt ? .oneTrial : .nothing
        }
    }

    /// A request goes out to try it.
    mutating func beginTrial() { self.state = .trial }

    /// The request that tried it has ended: well, badly, or without telling anything.
    mutating func trialEnded(
        _ isSuccess: Bool?,
        _ rules: BalancingRules,
        at now: NIODeadline
    ) -> HealthChange? {
        guard self.state == .trial else { return nil }
        self.state = .unhealthy
        switch isSuccess {
        case .some(true):
            self.passive.successes += 1
            self.trialAt = now
            guard self.passive.successes >= max(1, rules.passive.successes) else { return nil }
            self.failedTrials = 0
            return self.rise(at: now, "a trial went well")
        case .some(false):
            self.passive.successes = 0
            self.failedTrials += 1
            let times = min(Self.longestWait, 1 << min(self.failedTrials, 8))
            self.trialAt = now + TimeAmount(seconds: rules.trialSeconds * Double(times))
        case nil: self.trialAt = now
        }
        return nil
    }

    /// How much of its weight counts: less in the first seconds after it came back.
    func share(_ rules: BalancingRules, at now: NIODeadline) -> Double {
        guard rules.slowStartSeconds > 0, let since = self.backSince else { return 1 }
        let passed = Double((now - since).nanoseconds) / 1e9 / rules.slowStartSeconds
        return max(0.1, min(1, passed))
    }
}
