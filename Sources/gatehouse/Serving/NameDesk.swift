// Resolves upstreams' names beside the event loops, and tells what changes.
import Dispatch
import Gateway
import Logging
import Names
import Proxy
import Synchronization

/// Asks the system for names; for all workers together, each name at most once at a time.
final class NameDesk: Sendable {
    /// What came of a question.
    typealias Outcome = Result<[IPAddress], NameLookupError>

    private struct State {
        var waiting: [String: [NameSource.Answer]] = [:]
        /// What is known of each name: the last addresses, and whether it resolved when it was last asked for.
        var known: [String: Known] = [:]
        var found = 0
        var failed = 0
    }

    private struct Known {
        var addresses: Set<IPAddress> = []
        var resolves = true
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
            let waiting = self.state.withLock { $0.waiting.removeValue(forKey: name) ?? [] }
            self.tell(name, outcome)
            let addresses = (try? outcome.get()) ?? []
            for answer in waiting { answer(addresses) }
        }
    }

    @Sendable private static func askTheSystem(_ name: String) -> Outcome {
        do throws(NameLookupError) {
            return .success(try NameLookup.addresses(of: name).compactMap { IPAddress(octets: $0) })
        } catch {
            return .failure(error)
        }
    }

    // MARK: What is told

    /// One line for each change, none for what stays.
    private func tell(_ name: String, _ outcome: Outcome) {
        let before = self.state.withLock { state in
            let before = state.known[name]
            var known = before ?? Known()
            switch outcome {
            case .success(let addresses):
                state.found += 1
                known = Known(addresses: Set(addresses))
            case .failure:
                state.failed += 1
                known.resolves = false
            }
            state.known[name] = known
            return before
        }
        switch outcome {
        case .success(let addresses):
            let changed = before.map { !$0.resolves || $0.addresses != Set(addresses) } ?? true
            guard changed else { return }
            let all = addresses.map(\.description).sorted().joined(separator: ", ")
            let level = before == nil ? Logger.Level.debug : .info
            self.logger.log(level: level, "name resolved", metadata: ["name": "\(name)", "addresses": "\(all)"])
        case .failure(let error):
            guard before?.resolves ?? true else { return }
            self.logger.warning(
                "name does not resolve",
                metadata: [
                    "name": "\(name)", "error": "\(error)",
                    "last_addresses": "\(before?.addresses.isEmpty ?? true ? "none" : "kept in use")",
                ]
            )
        }
    }

    /// Adds the counts to a snapshot.
    func add(to snapshot: inout MetricsSnapshot) {
        let (found, failed) = self.state.withLock { ($0.found, $0.failed) }
        for (result, count) in [("found", found), ("failed", failed)] {
            snapshot.count(MetricKey("gatehouse_name_lookups_total", ["result": result]), by: Double(count))
        }
    }
}
