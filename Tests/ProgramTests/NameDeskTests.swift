// Names asked for beside the loops: once at a time, and told when something changes.
import Dispatch
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Gateway
@testable import Names
@testable import Proxy
@testable import gatehouse

struct NameDeskTests {
    /// What was logged.
    private final class Lines: LogHandler, Sendable {
        private let said = Mutex<[String]>([])

        var all: [String] { self.said.withLock { $0 } }

        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .info }
            set {}
        }
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }

        func log(event: LogEvent) { self.said.withLock { $0.append("\(event.level): \(event.message)") } }
    }

    /// Answers one question after the other.
    private final class Script: Sendable {
        private let left: Mutex<[NameDesk<IPAddress>.Outcome]>

        init(_ outcomes: [NameDesk<IPAddress>.Outcome]) { self.left = Mutex(outcomes) }

        @Sendable func answer(_ name: String) -> NameDesk<IPAddress>.Outcome {
            self.left.withLock { $0.isEmpty ? .success([]) : $0.removeFirst() }
        }
    }

    private let lines = Lines()

    private func desk(
        _ lookUp: @escaping @Sendable (String) -> NameDesk<IPAddress>.Outcome
    ) -> NameDesk<IPAddress> {
        let lines = self.lines
        return NameDesk(logger: Logger(label: "names") { _ in lines }, lookUp: lookUp)
    }

    private func ask(_ source: NameSource<IPAddress>) async -> NameAnswer<IPAddress> {
        await withCheckedContinuation { done in source.ask("a") { done.resume(returning: $0) } }
    }

    @Test func `one line for each change, and none for what stays`() async throws {
        let one = try #require(IPAddress("10.0.0.1"))
        let other = try #require(IPAddress("10.0.0.2"))
        let away = NameDesk<IPAddress>.Outcome.failure(NameLookupError(description: "no server"))
        let script = Script([
            .success([one]), .success([one, other]), .success([other, one]), away, away,
            .success([one, other]),
        ])
        let desk = self.desk(script.answer)
        let source = desk.source(NameRules())
        #expect(await self.ask(source) == .found([one]))
        #expect(await self.ask(source) == .found([one, other]))
        #expect(await self.ask(source) == .found([other, one]))
        for _ in 1...2 {
            guard case .failed(let last, let asOf) = await self.ask(source) else {
                Issue.record("it resolves")
                return
            }
            #expect(last == [other, one])
            #expect(asOf <= .now() && asOf > .now() - .minutes(1))
        }
        #expect(await self.ask(source) == .found([one, other]))
        #expect(
            self.lines.all == [
                "info: name resolved", "warning: name does not resolve", "info: name resolved",
            ]
        )
        var snapshot = MetricsSnapshot()
        desk.add(to: &snapshot)
        #expect(snapshot.value(MetricKey("gatehouse_name_lookups_total", ["result": "found"])) == 4)
        #expect(snapshot.value(MetricKey("gatehouse_name_lookups_total", ["result": "failed"])) == 2)
    }

    @Test func `a name is asked for once at a time, for all who ask`() async throws {
        let one = try #require(IPAddress("10.0.0.1"))
        let gate = DispatchSemaphore(value: 0)
        let asked = Mutex(0)
        let source = self.desk { _ in
            asked.withLock { $0 += 1 }
            gate.wait()
            return .success([one])
        }.source(NameRules())
        let answers = AsyncStream { stream in
            for _ in 1...3 { source.ask("a") { stream.yield($0) } }
            gate.signal()
        }
        var count = 0
        for await answer in answers {
            #expect(answer == .found([one]))
            count += 1
            if count == 3 { break }
        }
        #expect(asked.withLock { $0 } == 1)
    }
}
