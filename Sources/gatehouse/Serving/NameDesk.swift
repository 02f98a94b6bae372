// Resolves upstreams' names beside the event loops, and tells what changes.
import Dispatch
import Gateway
import Logging
import NIOCore
import Names
import Proxy
import Synchronization

/// Asks the system for names; for all workers together, each name at most once at a time.
final class NameDesk: Sendable {
    /// What came of a question.
    typealias Outcome = Result<[IPAddress], NameLookupError>

    private struct State {
        var waiting: [String: [NameSource.Answer]] = [:]
        /// What each name has come to: its last addresses, and whether it resolved the last time.
        var known: [String: Known] = [:]
        var found = 0
        var failed = 0
    }

    private struct Known {
        var addresses: [IPAddress] = []
        var asOf = NIODeadline.distantPast
        var resolves = true

        func hasOther(_ addresses: [IPAddress]) -> Bool { Set(self.addresses) != Set(addresses) }
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let lookUp: @Sendable (String) -> Outcome
    /// A resolver may keep a thread for long: each question has its own.
    private let queue = DispatchQueue(label: "names", attributes: .concurrent)

    /// - Parameter lookUp: asks for a name's addresses, and may wait.
    init(logger: Logger, lookUp: @escaping @Sendable (String) -> Outcome = NameDesk.askTheSystem) {
        self.logger = logger
        self.lookUp = lookUp
    }

    /// What servers ask.
    func source(_ rules: NameRules) -> NameSource {
        NameSource(rules) { name, answer in self.ask(name, answer) }
    }

    private func ask(_ name: String, _ answer: @escaping NameSource.Answer) {
        let isFirst = self.state.withLock { state in
            state.waiting[name, default: []].append(answer)
            return state.waiting[name]?.count == 1
        }
        guard isFirst else { return }
        self.queue.async {
            let outcome = self.lookUp(name)
            let (answer, waiting) = self.note(name, outcome, at: .now())
            for each in waiting { each(answer) }
        }
    }

    @Sendable private static func askTheSystem(_ name: String) -> Outcome {
        do throws(NameLookupError) {
            return .success(try NameLookup.addresses(of: name).compactMap { IPAddress(octets: $0) })
        } catch {
            return .failure(error)
        }
    }

    // MARK: What is known, and told

    /// Keeps what came of a question; gives the answer, and who waits for it.
    private func note(
        _ name: String,
        _ outcome: Outcome,
        at now: NIODeadline
    ) -> (NameAnswer, [NameSource.Answer]) {
        let (before, waiting) = self.state.withLock { state in
            let before = state.known[name]
            switch outcome {
            case .success(let addresses):
                state.found += 1
                state.known[name] = Known(addresses: addresses, asOf: now)
            case .failure:
                state.failed += 1
                state.known[name, default: Known()].resolves = false
            }
            return (before, state.waiting.removeValue(forKey: name) ?? [])
        }
        switch outcome {
        case .success(let addresses):
            self.tell(name, addresses, before)
            return (.found(addresses), waiting)
        case .failure(let error):
            self.tell(name, error, before)
            return (.failed(last: before?.addresses ?? [], asOf: before?.asOf ?? .distantPast), waiting)
        }
    }

    /// One line for a change, none for what stays.
    private func tell(_ name: String, _ addresses: [IPAddress], _ before: Known?) {
        guard before.map({ !$0.resolves || $0.hasOther(addresses) }) ?? true else { return }
        let all = addresses.map(\.description).sorted().joined(separator: ", ")
        self.logger.log(
            level: before == nil ? .debug : .info,
            "name resolved",
            metadata: ["name": "\(name)", "addresses": "\(all)"]
        )
    }

    private func tell(_ name: String, _ error: NameLookupError, _ before: Known?) {
        guard before?.resolves ?? true else { return }
        let kept = before.map { !$0.addresses.isEmpty } ?? false
        self.logger.warning(
            "name does not resolve",
            metadata: [
                "name": "\(name)", "error": "\(error)", "last_addresses": kept ? "in use" : "none",
            ]
        )
    }

    /// Adds the counts to a snapshot.
    func add(to snapshot: inout MetricsSnapshot) {
        let (found, failed) = self.state.withLock { ($0.found, $0.failed) }
        for (result, count) in [("found", found), ("failed", failed)] {
            snapshot.count(MetricKey("gatehouse_name_lookups_total", ["result": result]), by: Double(count))
        }
    }
}
