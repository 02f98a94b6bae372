// How often somebody may come.
package import JSON
import Proxy

/// The plugin `rate-limiting`: Kong's fields and defaults, with a sliding window.
package final class RateLimiting: Plugin {
    /// One of the limits.
    private struct Limit: Sendable {
        let period: String
        let count: Int
        let text: [UInt8]
        let limitName: FieldName
        let remainingName: FieldName
        let table: CounterTable
    }

    private let limits: [Limit]
    private let subject: RateSubject
    private let hidesHeaders: Bool
    private let status: Int
    private let message: String

    /// The kind, for the list of all plugins.
    ///
    /// - Parameter counters: where the counts live.
    package static func kind(_ counters: RateCounters) -> PluginKind {
        PluginKind(
            name: "rate-limiting",
            order: .limit,
            schema: RateLimitingFields.all,
            help: RateLimitingFields.help,
            make: { settings, scope throws(ConfigurationError) in
                try RateLimiting(settings, scope, counters)
            }
        )
    }

    init(
        _ settings: Settings,
        _ scope: PluginScope,
        _ counters: RateCounters
    ) throws(ConfigurationError) {
        try RateLimitingFields.check(settings)
        self.subject = try RateSubject(settings, scope)
        self.hidesHeaders = settings.flag("hide_client_headers")
        self.status = settings.integer("error_code") ?? 429
        self.message = settings.string("error_message") ?? "API rate limit exceeded"
        var limits: [Limit] = []
        for (period, seconds) in RateLimitingFields.periods {
            guard let count = settings.integer(period) else { continue }
            let title = period.prefix(1).uppercased() + period.dropFirst()
            guard let limitName = FieldName("X-RateLimit-Limit-\(title)"),
                let remainingName = FieldName("X-RateLimit-Remaining-\(title)")
            else { continue }
            let limit = Limit(
                period: period,
                count: count,
                text: Array(String(count).utf8),
                limitName: limitName,
                remainingName: remainingName,
                table: counters.table("\(scope.key) \(self.subject.name) \(period)", seconds: seconds)
            )
            limits.append(limit)
        }
        self.limits = limits
    }

    package func request(_ passage: Passage) throws(Refusal) -> Step {
        let key = self.subject.key(passage)
        var readings: [6 of RateReading] = .init(repeating: .none)
        for index in self.limits.indices {
            let limit = self.limits[index]
            readings[index] = limit.table.take(key, at: passage.now, limit: limit.count)
            guard readings[index].isTaken else {
                // What is refused counts nowhere.
                for earlier in 0..<index {
                    self.limits[earlier].table.giveBack(key, readings[earlier])
                    readings[earlier].current -= 1
                }
                for later in (index + 1)..<self.limits.count {
                    readings[later] = self.look(key, self.limits[later], at: passage.now)
                }
                try self.tell(readings, on: passage)
                throw self.refusal(readings[index], limit)
            }
        }
        try self.tell(readings, on: passage)
        return .proceed
    }

    private func look(_ key: UInt64, _ limit: Limit, at now: Double) -> RateReading {
        limit.table.look(key, at: now, limit: limit.count)
    }

    private func refusal(_ reading: RateReading, _ limit: Limit) -> Refusal {
        .chosen(
            status: self.status,
            retryAfterSeconds: self.hidesHeaders ? nil : reading.resetSeconds,
            .init(
                "rate-limited",
                message: self.message,
                detail: "\(limit.count) in a \(limit.period) by \(self.subject.name)"
            )
        )
    }

    /// Kong's fields for the client: each limit's, and the tightest one's.
    private func tell(_ readings: [6 of RateReading], on passage: Passage) throws(Refusal) {
        guard !self.hidesHeaders else { return }
        var tightest = 0
        do throws(FieldEditError) {
            for index in self.limits.indices {
                let limit = self.limits[index]
                let remaining = readings[index].remaining
                // Of equal ones the longer period, as in Kong.
                if remaining <= readings[tightest].remaining { tightest = index }
                try passage.answer.set(limit.limitName, octets: limit.text.span)
                try passage.answer.set(limit.remainingName, String(remaining))
            }
            let limit = self.limits[tightest]
            try passage.answer.set(Self.limit, octets: limit.text.span)
            try passage.answer.set(Self.remaining, String(readings[tightest].remaining))
            try passage.answer.set(Self.reset, String(readings[tightest].resetSeconds))
        } catch {
            throw .unsafeField
        }
    }

    private static let limit: FieldName = "ratelimit-limit"
    private static let remaining: FieldName = "ratelimit-remaining"
    private static let reset: FieldName = "ratelimit-reset"

    package func explain(_ passage: Passage, claims: JSONValue?) -> PluginVerdict {
        let key = self.subject.key(passage)
        var rules: [RuleVerdict] = []
        var outcome = PluginVerdict.Outcome.passes
        for limit in self.limits {
            let reading = self.look(key, limit, at: passage.now)
            rules.append(
                RuleVerdict(
                    rule: "\(limit.period): \(limit.count)",
                    source: "rate-limiting",
                    passes: reading.hasRoom,
                    detail: "by \(self.subject.name); \(reading.remaining) left, and this one is not counted"
                )
            )
            if !reading.hasRoom, case .passes = outcome { outcome = .refuses(self.refusal(reading, limit)) }
        }
        return PluginVerdict(outcome, rules: rules)
    }
}
