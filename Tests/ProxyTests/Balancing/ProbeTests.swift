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
        #expect(HTTPProbe.status(line.utf8) == status)
    }

    @Test func `a check asks for its path with its fields`() {
        let question = HTTPProbe.question("/healthz", ["X-Check: yes"], host: "10.0.0.1:81")
        #expect(
            String(decoding: question, as: UTF8.self)
                == "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:81\r\nConnection: close\r\nX-Check: yes\r\n\r\n"
        )
    }

    // MARK: gRPC

    /// A message in gRPC's frame.
    private static func framed(_ message: [UInt8], flag: UInt8 = 0) -> [UInt8] {
        [flag, 0, 0, 0, UInt8(message.count)] + message
    }

    private static let messages: [(message: [UInt8], isServing: Bool?)] = [
        ([0x08, 1], true), ([0x08, 2], false), ([0x08, 0], false), ([], false), ([0x08, 3], false),
        // The last one counts; what is not known is left out, of whatever form.
        ([0x08, 2, 0x08, 1], true), ([0x08, 1, 0x08, 2], false),
        ([0x12, 2, 0x08, 2, 0x08, 1], true), ([0x1D, 0, 0, 0, 0, 0x08, 1], true),
        ([0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 1], true), ([0x10, 0x81, 1, 0x08, 1], true),
        // What only ends in the octets of SERVING is another status.
        ([0x08, 0x81, 1], false),
        ([0x08], nil), ([0x08, 0x80], nil), ([0x12, 9, 1], nil), ([0x0B], nil), ([0x19, 1], nil),
        ([0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], nil),
    ]

    @Test(arguments: Self.messages)
    func `only SERVING is serving`(message: [UInt8], isServing: Bool?) {
        #expect(GRPCHealth.isServing(Self.framed(message)) == isServing)
    }

    @Test func `a body is one message, whole and not compressed`() {
        let good = Self.framed([0x08, 1])
        #expect(GRPCHealth.isServing(good) == true)
        for count in 0..<good.count { #expect(GRPCHealth.isServing(Array(good[..<count])) == nil) }
        #expect(GRPCHealth.isServing(good + good) == nil)
        #expect(GRPCHealth.isServing(Self.framed([0x08, 1], flag: 1)) == nil)
        #expect(GRPCHealth.isServing([0, 0xFF, 0xFF, 0xFF, 0xFF, 0x08, 1]) == nil)
    }

    private static let ends: [(status: String?, code: String?, says: HealthEvidence)] = [
        ("200", "0", .success), ("200", "5", .httpFailure), ("200", "12", .httpFailure),
        ("200", nil, .tcpFailure), ("503", nil, .httpFailure), ("404", "0", .httpFailure),
        (nil, "0", .tcpFailure),
    ]

    @Test(arguments: Self.ends)
    func `a call has to succeed as HTTP and as gRPC`(status: String?, code: String?, says: HealthEvidence) {
        let body = Self.framed([0x08, 1])
        #expect(GRPCHealth.evidence(status: status, callStatus: code, body: body) == says)
    }

    @Test func `the head of a call is gRPC's`() throws {
        let block = GRPCHealth.block(["x-check: yes"], host: "10.0.0.1:81", isSecure: true)
        var reader = FieldBlockReader()
        var list = FieldList()
        try reader.read(block.span, into: &list, limit: 4096)
        let wanted = [
            ":method POST", ":scheme https", ":path /grpc.health.v1.Health/Check", ":authority 10.0.0.1:81",
            "content-type application/grpc", "x-check yes", "te trailers",
        ]
        #expect(list.texts.map { "\($0.name) \($0.value)" } == wanted)
    }
}
