// When targets are checked, and what an answer to a check says.

import NIOCore
import Testing

@testable import Proxy

struct ProbeTests {
    private let targets = [target(1), target(2), target(3)]

    private var checks: ActiveChecks {
        var checks = ActiveChecks()
        (checks.healthySeconds, checks.unhealthySeconds, checks.concurrency) = (10, 2, 2)
        return checks
    }

    @Test func `as many checks are under way as may be`() {
        var schedule = ProbeSchedule()
        func due(_ seconds: Double) -> [Int] {
            schedule.due(self.targets, self.checks, at: second(seconds)) { _ in .healthy }.map(\.port)
        }
        #expect(due(0) == [1, 2])
        #expect(due(1) == [])
        schedule.ended(target(1).endpoint)
        #expect(due(1) == [3])
        schedule.ended(target(2).endpoint)
        #expect(due(9.9) == [])
        #expect(due(10) == [1])
    }

    @Test func `who is unhealthy is asked more often, from when it fell`() {
        var schedule = ProbeSchedule()
        var state = TargetHealth.State.healthy
        func due(_ seconds: Double) -> Int {
            let due = schedule.due([target(1)], self.checks, at: second(seconds)) { _ in state }
            for endpoint in due { schedule.ended(endpoint) }
            return due.count
        }
        #expect(due(0) == 1)
        #expect(due(5) == 0)
        state = .unhealthy
        #expect(due(5) == 0)
        #expect(due(7) == 1)
        #expect(due(8.9) == 0)
        #expect(due(9) == 1)
    }

    @Test func `an interval of 0 asks nobody`() {
        var (schedule, checks) = (ProbeSchedule(), self.checks)
        checks.healthySeconds = 0
        #expect(schedule.due(self.targets, checks, at: second(0)) { _ in .healthy }.isEmpty)
        #expect(schedule.due(self.targets, checks, at: second(9)) { _ in .unhealthy }.count == 2)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r", 200), ("HTTP/1.0 503\r", 503), ("HTTP/1.1 204", 204), ("HTTP/2 200", nil),
        ("HTTP/1.1 20", nil), ("HTTP/1.1 2000 OK", nil), ("SSH-2.0-x", nil), ("HTTP/1.1  20 OK", nil),
        ("", nil),
    ])
    func `a status is read from a first line, or nothing`(line: String, status: Int?) {
        #expect(ProbeQuestion.status(line.utf8) == status)
    }

    @Test func `a check asks for its path with its fields`() {
        var rules = BalancingRules()
        rules.active.kind = .http(path: "/healthz", fields: ["X-Check: yes"])
        func text() -> String {
            ProbeQuestion.octets(target(81).endpoint, rules).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
        #expect(
            text()
                == "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:81\r\nConnection: close\r\nX-Check: yes\r\n\r\n"
        )
        rules.hostHeader = "api.example"
        #expect(text().contains("Host: api.example\r\n"))
        rules.active.kind = .tcp
        #expect(text() == "")
    }
}
