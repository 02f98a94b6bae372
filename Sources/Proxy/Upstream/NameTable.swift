// The names of upstreams and their addresses, on one event loop.

package import NIOCore
import NIOPosix

/// What came of a question for a name's places: its addresses, or where the service is that it names.
package enum NameAnswer<Place: Hashable & Sendable>: Sendable, Equatable {
    /// What there is, and for how many seconds that holds, if that was said.
    case found([Place], seconds: Double? = nil)
    /// The name does not resolve; this was there when it last did, whoever asked.
    case failed(last: [Place], asOf: NIODeadline)
}

/// Where places come from: asked beside the event loops, and never one that waits.
package struct NameSource<Place: Hashable & Sendable>: Sendable {
    /// Takes what came of a question.
    package typealias Answer = @Sendable (NameAnswer<Place>) -> Void

    let rules: NameRules
    let ask: @Sendable (_ name: String, _ answer: @escaping Answer) -> Void

    /// - Parameter ask: asks for a name's places and answers exactly once, on any thread.
    package init(
        _ rules: NameRules = NameRules(),
        ask: @escaping @Sendable (_ name: String, _ answer: @escaping Answer) -> Void
    ) {
        self.rules = rules
        self.ask = ask
    }
}

/// A loop's names; those in use are asked for again, whether or not anybody connects.
final class NameTable<Place: Hashable & Sendable> {
    private struct Entry {
        var state: NameState<Place>
        var waiting: [EventLoopPromise<[Place]>] = []
    }

    private let source: NameSource<Place>
    private let loop: any EventLoop
    private var entries: [String: Entry] = [:]
    /// No name has to be asked for before.
    private var nextQuestion = NIODeadline.distantFuture
    private var hasStopped = false
    /// Hears of addresses that are a name's no longer.
    var whenGone: (String, Set<Place>) -> Void = { _, _ in }
    /// Hears after each answer what may serve now.
    var whenAnswered: (String, [Place]) -> Void = { _, _ in }

    init(_ source: NameSource<Place>, on loop: any EventLoop) {
        self.source = source
        self.loop = loop
    }

    /// The places to connect to, now or later; none if the name does not resolve.
    func places(of name: String, at now: NIODeadline) -> EventLoopFuture<[Place]> {
        var entry = self.entries[name] ?? Entry(state: NameState<Place>(self.source.rules))
        let action = self.hasStopped ? .fail : entry.state.use(at: now)
        defer { self.entries[name] = entry }
        switch action {
        case .take(let addresses): return self.loop.makeSucceededFuture(addresses)
        case .fail: return self.loop.makeSucceededFuture([])
        case .wait(let asks):
            let promise = self.loop.makePromise(of: [Place].self)
            entry.waiting.append(promise)
            if asks { self.ask(name) }
            return promise.futureResult
        }
    }

    /// Asks for names whose time has come, if they are `inUse`, and forgets what has been of no use for long.
    func sweep(_ now: NIODeadline, inUse: () -> Set<String>) {
        guard now >= self.nextQuestion else { return }
        let used = inUse()
        self.nextQuestion = .distantFuture
        for (name, entry) in self.entries {
            if entry.state.isForgotten(at: now), !used.contains(name) {
                self.entries[name] = nil
            } else if used.contains(name), self.entries[name]?.state.asks(at: now) == true {
                self.ask(name)
            } else {
                // Those that nobody uses are looked at again only to see whether that has changed.
                self.nextQuestion = min(self.nextQuestion, max(entry.state.askAt, now + .seconds(1)))
            }
        }
    }

    /// How many names are known.
    var count: Int { self.entries.count }

    /// Nobody waits any more.
    func stop() {
        self.hasStopped = true
        let entries = self.entries
        self.entries = [:]
        for entry in entries.values { for promise in entry.waiting { promise.succeed([]) } }
    }

    private func ask(_ name: String) {
        let mine = NIOLoopBound(self, eventLoop: self.loop)
        self.source.ask(name) { answer in
            mine.eventLoop.execute { mine.value.answered(name, answer, at: .now()) }
        }
    }

    private func answered(_ name: String, _ answer: NameAnswer<Place>, at now: NIODeadline) {
        guard var entry = self.entries[name] else { return }
        let gone = entry.state.answered(answer, at: now)
        self.nextQuestion = min(self.nextQuestion, entry.state.askAt)
        let waiting = entry.waiting
        entry.waiting = []
        // A question that failed leaves what was known before.
        let choices = waiting.map { _ in entry.state.inTurn(at: now) }
        self.entries[name] = entry
        self.whenAnswered(name, entry.state.current(at: now))
        for (promise, addresses) in zip(waiting, choices) { promise.succeed(addresses) }
        if !gone.isEmpty { self.whenGone(name, gone) }
    }
}

/// What one attempt to connect knows of its name, in the form in which NIO asks.
struct FoundAddresses: Resolver, Sendable {
    let found: EventLoopFuture<[IPAddress]>

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        self.sockets(port, areV4: true)
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        self.sockets(port, areV4: false)
    }

    func cancelQueries() {}

    private func sockets(_ port: Int, areV4: Bool) -> EventLoopFuture<[SocketAddress]> {
        self.found.map { addresses in
            addresses.filter { $0.isV4 == areV4 }.compactMap {
                try? SocketAddress(ipAddress: $0.description, port: port)
            }
        }
    }
}
