// One line an exchange, valid JSON whatever comes in, and no secrets.
import JSON
import Proxy
import Synchronization
import Testing

@testable import Gateway

struct AccessLogTests {
    /// Keeps what was written.
    private final class Pages: Sendable {
        let written = Mutex<[[UInt8]]>([])
        var sink: LogSink { LogSink { page in self.written.withLock { $0.append(page) } } }
        var lines: [JSONValue] {
            let bytes = self.written.withLock { $0.flatMap { $0 } }
            return bytes.split(separator: UInt8(ascii: "\n")).compactMap {
                try? JSONValue(parsing: Array($0))
            }
        }
    }

    private let pages = Pages()

    private func record(_ status: Int = 200) -> ExchangeRecord {
        var record = ExchangeRecord()
        record.status = status
        record.totalNanoseconds = 12_345_678
        record.gatewayNanoseconds = 1_000
        record.upstreamNanoseconds = 2_000_000
        record.answerBodyBytes = 9
        record.isComplete = true
        return record
    }

    @Test func `a line says who asked for what, and never the query or a field`() throws {
        let kind = ScriptedPlugin.kind("prove", .authenticate) { passage throws(Refusal) in
            passage.identity = Identity(
                subject: "sub-1",
                consumer: Consumer(id: "c", username: "carla"),
                method: "key-auth"
            )
            return .proceed
        }
        let plan = try plan([route("r", ["/"])], plugins: [try instance("prove")], kinds: [kind])
        let line = pipeline(plan, log: self.pages.sink)
        let trip = try Trip(
            line,
            head("GET http://a.example/p?token=SECRET", [("Authorization", "Bearer SECRET")])
        )
        trip.begin()
        line.ended(trip.exchange, self.record())
        let entry = try #require(self.pages.lines.first)
        #expect(entry["time"] == "2027-01-15T08:00:00.500Z")
        #expect(entry["client"] == "192.0.2.7")
        #expect(entry["method"] == "GET")
        #expect(entry["host"] == "a.example")
        #expect(entry["path"] == "/p")
        #expect(entry["status"] == 200)
        #expect(entry["route"] == "r")
        #expect(entry["service"] == "s")
        #expect(entry["consumer"] == "carla")
        #expect(entry["subject"] == "sub-1")
        #expect(entry["total_ms"] == 12.345)
        #expect(entry["upstream_ms"] == 2.0)
        #expect(entry["request_id"]?.string == trip.passage?.requestID)
        #expect(entry["reason"] == nil)
        let text = String(decoding: self.pages.written.withLock { $0.flatMap { $0 } }, as: UTF8.self)
        #expect(!text.contains("SECRET"))
    }

    @Test func `a refusal's line has its reason, and it is counted`() throws {
        let line = pipeline(try plan([]), log: self.pages.sink)
        let trip = try Trip(line, head("GET http://x/"))
        trip.begin()
        line.ended(trip.exchange, self.record(404))
        #expect(self.pages.lines.first?["reason"] == "no-route")
        let counts = line.snapshot()
        #expect(counts.value(MetricKey("gatehouse_refusals_total", ["reason": "no-route"])) == 1)
        #expect(counts.value(.exchanges(route: "", status: 404)) == 1)
    }

    /// E6: any octets become one line of valid JSON.
    @Test func `E6 any octets become valid JSON`() throws {
        for octet in 1...UInt8.max {
            var output: [UInt8] = []
            JSONText.append(quoted: [0x61, octet, 0x62], to: &output)
            let value = try JSONValue(parsing: [UInt8(ascii: "[")] + output + [UInt8(ascii: "]")])
            let expected = String(decoding: [0x61, octet, 0x62], as: UTF8.self)
            #expect(value.array?.first?.string == expected)
            #expect(!output.contains(UInt8(ascii: "\n")))
        }
        // Our own reader takes no U+0000 at all, so it is looked at as written.
        #expect(JSONText.quoted("a\u{0}b") == "\"a\\u0000b\"")
    }

    @Test func `lines gather until the loop has time`() throws {
        let plan = try plan([route("r", ["/"])])
        let jobs = Jobs()
        let line = Pipeline(
            worker: 0,
            holder: PlanHolder(plan),
            settings: PipelineSettings(clock: { 0 }, accessLog: self.pages.sink),
            later: { jobs.list.append($0) }
        )
        for _ in 0..<3 {
            let trip = try Trip(line, head("GET http://x/"))
            trip.begin()
            line.ended(trip.exchange, self.record())
        }
        #expect(self.pages.lines.isEmpty)
        #expect(jobs.list.count == 1)
        jobs.list[0]()
        #expect(self.pages.written.withLock { $0.count } == 1)
        #expect(self.pages.lines.count == 3)
    }

    private final class Jobs {
        var list: [() -> Void] = []
    }

    @Test(arguments: [
        (0.0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_799.999, "2000-02-29T23:59:59.999Z"), (2_147_483_648, "2038-01-19T03:14:08.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"), (-5, "1970-01-01T00:00:00.000Z"),
        (1e20, "9999-12-31T23:59:59.999Z"),
    ])
    func `a time is written in UTC`(seconds: Double, text: String) {
        #expect(Timestamp.text(seconds) == text)
    }

    @Test func `metrics are Prometheus' text, with labels escaped`() {
        var snapshot = MetricsSnapshot()
        snapshot.count(MetricKey("gatehouse_refusals_total", ["reason": "a\"b\\c\nd"]), by: 2)
        snapshot.set(MetricKey("gatehouse_open_connections"), to: 3)
        let text = snapshot.exposition()
        #expect(text.contains("# TYPE gatehouse_refusals_total counter\n"))
        #expect(text.contains("gatehouse_refusals_total{reason=\"a\\\"b\\\\c\\nd\"} 2\n"))
        #expect(text.contains("# TYPE gatehouse_open_connections gauge\ngatehouse_open_connections 3\n"))
        #expect(text.contains("gatehouse_exchange_seconds_bucket{le=\"+Inf\"} 0\n"))
    }
}
