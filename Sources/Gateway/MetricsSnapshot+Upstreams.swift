// Upstreams of several targets, as metrics tell of them.
package import Proxy

extension MetricsSnapshot {
    /// Adds what one worker knows of an upstream.
    package mutating func add(_ report: UpstreamReport) {
        self.count(
            MetricKey("gatehouse_upstream_retries_total", ["upstream": report.name]),
            by: Double(report.retries)
        )
        for target in report.targets {
            for state in TargetHealth.State.allCases {
                self.raise(
                    MetricKey(
                        "gatehouse_upstream_target_health",
                        ["upstream": report.name, "target": target.name, "state": state.rawValue]
                    ),
                    by: target.state == state ? 1 : 0
                )
            }
            for kind in HealthEvidence.allCases where kind != .success {
                self.count(
                    MetricKey(
                        "gatehouse_upstream_target_failures_total",
                        ["upstream": report.name, "target": target.name, "kind": kind.rawValue]
                    ),
                    by: Double(target.failures[kind] ?? 0)
                )
            }
        }
    }
}
