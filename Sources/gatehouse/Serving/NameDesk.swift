// Resolves upstreams' names beside the event loops, and tells what changes.
import Dispatch
import Gateway
import Logging
import NIOCore
import Names
import Proxy
import Synchronization

/// Asks for names, be it their addresses or the places of services; for all workers together, each at most once at a time.
final class NameDesk<Place: Hashable & Sendable & CustomStringConvertible>: Sendable {
    /// What came of a question.
    enum Outcome: Sendable {
        /// What there is, and for how many seconds that holds, if that was said.
        case success([Place], seconds: Double? = nil)
        case failure(NameLookupError)
    }

    private struct State {
        var waiting: [String: [NameSource<Place>.Answer]] = [:]
        /// What each name has come to: its last places, and whether it resolved the last time.
        var known: [String: Known] = [:]
        var found = 0
        var failed = 0
    }

    private struct Known {
        var places: [Place] = []
        var asOf = NIODeadline.distantPast
        var resolves = true

        func hasOther(_ places: [Place]) -> Bool { Set(self.places) != Set(places) }
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let lookUp: @Sendable (String) -> Outcome
    /// A resolver may keep a thread for long: each question has its own.
    private let queue = DispatchQueue(label: "names", attributes: .concurrent)

    /// - Parameter lookUp: asks for a name's places, and may wait.
    init(logger: Logger, lookUp: @escaping @Sendable (String) -> Outcome) {
        self.logger = logger
        self.lookUp = lookUp
    }

    /// What servers ask.
    func source(_ rules: NameRules) -> NameSource<Place> {
        NameSource(rules) { name, answer in self.ask(name, answer) }
    }

    private func ask(_ name: String, _ answer: @escaping NameSource<Place>.Answer) {
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

    // MARK: What is known, and told

    /// Keeps what came of a question; gives the answer, and who waits for it.
    private func note(
        _ name: String,
        _ outcome: Outcome,
        at now: NIODeadline
    ) -> (NameAnswer<Place>, [NameSource<Place>.Answer]) {
        let (before, waiting) = self.state.withLock { state in
            let before = state.known[name]
            switch outcome {
            case .success(let places, _):
                state.found += 1
                state.known[name] = Known(places: places, asOf: now)
            case .failure:
                state.failed += 1
                state.known[name, default: Known()].resolves = false
            }
            return (before, state.waiting.removeValue(forKey: name) ?? [])
        }
        switch outcome {
        case .success(let places, let seconds):
            self.tell(name, places, before)
            return (.found(places, seconds: seconds), waiting)
        case .failure(let error):
            self.tell(name, error, before)
            return (.failed(last: before?.places ?? [], asOf: before?.asOf ?? .distantPast), waiting)
        }
    }

    /// One line for a change, none for what stays.
    private func tell(_ name: String, _ places: [Place], _ before: Known?) {
        guard before.map({ !$0.resolves || $0.hasOther(places) }) ?? true else { return }
        let all = places.map(\.description).sorted().joined(separator: ", ")
        self.logger.log(
            level: before == nil ? .debug : .info,
            "name resolved",
            metadata: ["name": "\(name)", "addresses": "\(all)"]
        )
    }

    private func tell(_ name: String, _ error: NameLookupError, _ before: Known?) {
        guard before?.resolves ?? true else { return }
        let kept = before.map { !$0.places.isEmpty } ?? false
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
