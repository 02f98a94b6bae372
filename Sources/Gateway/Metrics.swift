// Counts of what happened, by worker and without locks; and their text for Prometheus.

/// One metric's name and labels.
package struct MetricKey: Sendable, Hashable, Comparable {
    package let name: String
    /// In the order in which they are shown.
    package let labels: [Label]

    /// A label and its value.
    package struct Label: Sendable, Hashable {
        let name: String
        let value: String
    }

    /// Names a metric.
    package init(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) {
        self.name = name
        self.labels = labels.map { Label(name: $0.key, value: $0.value) }
    }

    /// Counts exchanges of a route; an empty name stands for none.
    static func exchanges(route: String, status: Int) -> MetricKey {
        MetricKey("gatehouse_exchanges_total", ["route": route, "status": String(status)])
    }

    package static func < (one: MetricKey, other: MetricKey) -> Bool {
        guard one.name == other.name else { return one.name < other.name }
        return one.labels.lexicographicallyPrecedes(other.labels) { $0.value < $1.value }
    }
}

/// A counter that its owner holds on to, so that counting costs no look-up.
package final class Tally {
    /// What was counted.
    package var value = 0

    /// Nothing counted yet.
    package init() {}
}

/// One worker's counters; used on its loop only.
package final class Metrics {
    /// How often exchanges of a route ended with a status; few statuses, so that a search is the quickest.
    private final class StatusCounts {
        private(set) var all: [(status: Int, count: Int)] = []

        func count(_ status: Int) {
            for index in self.all.indices where self.all[index].status == status {
                self.all[index].count += 1
                return
            }
            self.all.append((status, 1))
        }
    }

    private var counters: [MetricKey: Double] = [:]
    private var tallies: [MetricKey: Tally] = [:]
    /// By the route's place in the current plan plus one; 0 for none.
    private var exchanges: [StatusCounts?] = []
    private var latency = Histogram()

    init() {}

    /// Adds to a counter.
    package func count(_ key: MetricKey, by amount: Double = 1) {
        self.counters[key, default: 0] += amount
    }

    /// The counter of that name, for who counts often.
    package func tally(_ key: MetricKey) -> Tally {
        if let tally = self.tallies[key] { return tally }
        let tally = Tally()
        self.tallies[key] = tally
        return tally
    }

    /// Counts an exchange that has ended.
    ///
    /// - Parameter route: its route's place in the current plan; -1 for no route.
    func countExchange(route: Int, status: Int) {
        let place = route + 1
        if place < self.exchanges.count, let counts = self.exchanges[place] { return counts.count(status) }
        let missing = place + 1 - self.exchanges.count
        if missing > 0 { self.exchanges.append(contentsOf: repeatElement(nil, count: missing)) }
        let counts = StatusCounts()
        counts.count(status)
        self.exchanges[place] = counts
    }

    /// Adds an exchange's time from head to end.
    func time(_ seconds: Double) { self.latency.add(seconds) }

    /// Gives the places of routes their names back, before another plan gives them a new meaning.
    func fold(_ plan: Plan) {
        for (place, counts) in self.exchanges.enumerated() {
            guard let counts else { continue }
            let index = place - 1
            let route = plan.routes.indices.contains(index) ? plan.routes[index].route.title : ""
            for (status, count) in counts.all {
                self.count(
                    MetricKey("gatehouse_exchanges_total", ["route": route, "status": String(status)]),
                    by: Double(count)
                )
            }
        }
        self.exchanges.removeAll(keepingCapacity: true)
    }

    /// Everything so far, to be taken to another loop.
    func snapshot(_ plan: Plan) -> MetricsSnapshot {
        self.fold(plan)
        let tallied = self.tallies.mapValues { Double($0.value) }
        let counters = self.counters.merging(tallied, uniquingKeysWith: +)
        return MetricsSnapshot(counters: counters, latency: self.latency)
    }
}

/// Seconds in buckets that double from 1 ms on.
struct Histogram: Sendable, Equatable {
    static let bounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private(set) var counts = [Int](repeating: 0, count: Self.bounds.count + 1)
    private(set) var sum = 0.0

    mutating func add(_ seconds: Double) {
        self.counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
        self.sum += seconds
    }

    mutating func merge(_ other: Histogram) {
        for index in self.counts.indices { self.counts[index] += other.counts[index] }
        self.sum += other.sum
    }
}

/// Counters at one moment; can be added up over workers and rendered.
package struct MetricsSnapshot: Sendable {
    private var counters: [MetricKey: Double]
    private var gauges: [MetricKey: Double] = [:]
    private var latency: Histogram

    init(counters: [MetricKey: Double], latency: Histogram) {
        self.counters = counters
        self.latency = latency
    }

    /// Nothing counted.
    package init() {
        self.init(counters: [:], latency: Histogram())
    }

    /// Adds another worker's counts.
    package mutating func merge(_ other: MetricsSnapshot) {
        self.counters.merge(other.counters, uniquingKeysWith: +)
        self.gauges.merge(other.gauges, uniquingKeysWith: { _, new in new })
        self.latency.merge(other.latency)
    }

    /// Adds to a counter that is kept elsewhere.
    package mutating func count(_ key: MetricKey, by amount: Double) {
        self.counters[key, default: 0] += amount
    }

    /// Sets a value that goes up and down.
    package mutating func set(_ key: MetricKey, to value: Double) { self.gauges[key] = value }

    /// Adds to a value that goes up and down, of which each worker tells a part.
    mutating func raise(_ key: MetricKey, by amount: Double) { self.gauges[key, default: 0] += amount }

    /// A counter's value; for tests.
    func value(_ key: MetricKey) -> Double? { self.counters[key] ?? self.gauges[key] }

    /// The text exposition format, version 0.0.4.
    package func exposition() -> String {
        var text = ""
        Self.write(self.counters, type: "counter", to: &text)
        Self.write(self.gauges, type: "gauge", to: &text)
        let name = "gatehouse_exchange_seconds"
        text += "# TYPE \(name) histogram\n"
        var total = 0
        for (index, bound) in Histogram.bounds.enumerated() {
            total += self.latency.counts[index]
            text += "\(name)_bucket{le=\"\(bound)\"} \(total)\n"
        }
        total += self.latency.counts[Histogram.bounds.count]
        text +=
            "\(name)_bucket{le=\"+Inf\"} \(total)\n\(name)_sum \(self.latency.sum)\n\(name)_count \(total)\n"
        return text
    }

    private static func write(_ values: [MetricKey: Double], type: String, to text: inout String) {
        var name = ""
        for (key, value) in values.sorted(by: { $0.key < $1.key }) {
            if key.name != name {
                text += "# TYPE \(key.name) \(type)\n"
                name = key.name
            }
            let labels = key.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            let number = Int64(exactly: value).map(String.init) ?? String(value)
            text += "\(key.name)\(labels.isEmpty ? "" : "{\(labels)}") \(number)\n"
        }
    }

    private static func escaped(_ value: String) -> String {
        var result = ""
        for character in value.unicodeScalars {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
